"""Types of the fields that are kept of documents, the same whatever the order of the documents."""

from __future__ import annotations

from collections.abc import Mapping

from tidemask.corpus.sources.documents import FieldValue

FieldTypes = Mapping[str, str]
"""Type of each field that is kept: "integer", "number", "boolean" or "text"."""


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
            found[name] = "number" if {before, kind} == {"integer", "number"} else "text"
    return found


def fitted_field(value: FieldValue, kind: str) -> FieldValue:
    """The value of a field as its type has it."""
    if value is None or kind in ("boolean", "integer"):
        return value
    return float(value) if kind == "number" else str(value)


def _kind_of(value: FieldValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return "integer"
    return "number" if isinstance(value, float) else "text"
