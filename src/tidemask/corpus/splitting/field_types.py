"""Types of the fields that are kept of documents, the same whatever the order of the documents."""

from __future__ import annotations

from collections.abc import Mapping

from tidemask.corpus.sources.documents import FieldValue

FieldTypes = Mapping[str, str]
"""Type of each field that is kept: "integer", "large integer", "number", "boolean" or "text"."""

_EXACT = 1 << 53
"""Integers up to this one are numbers of 64 bits without loss."""

_TOGETHER = {
    frozenset({"integer", "large integer"}): "large integer",
    frozenset({"integer", "number"}): "number",
}
"""Types that hold the values of two types without loss; text holds those of all others."""


def merged_types(types: FieldTypes, fields: Mapping[str, FieldValue]) -> FieldTypes:
    """The types of fields, widened for the values of one more document.

    Example:
        >>> merged_types({"year": "integer"}, {"year": 1999.5, "author": None, "title": "Sea"})
        {'year': 'number', 'title': 'text'}
    """
    if not fields:
        return types
    found = dict(types)
    for name, value in fields.items():
        if value is None:
            continue
        kind = _kind_of(value)
        before = found.setdefault(name, kind)
        if before != kind:
            found[name] = _TOGETHER.get(frozenset({before, kind}), "text")
    return found


def fitted_field(value: FieldValue, kind: str) -> FieldValue:
    """The value of a field as its type has it."""
    if value is None or kind in ("boolean", "integer", "large integer"):
        return value
    return float(value) if kind == "number" else str(value)


def _kind_of(value: FieldValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return "integer" if abs(value) <= _EXACT else "large integer"
    return "number" if isinstance(value, float) else "text"
