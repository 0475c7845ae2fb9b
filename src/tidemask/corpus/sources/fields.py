"""Records to documents: which field has the text, and which others are kept.

A name is that of a field; where there is none of it, its dots lead into nested records.
"""

from __future__ import annotations

import datetime
import decimal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemask.corpus.sources.documents import Document, FieldValue
from tidemask.errors import UserError, did_you_mean, shortened
from tidemask.settings import shown

_MAX_LISTED = 20
"""Fields that a message lists at most."""

_ABSENT = object()


@dataclass(frozen=True)
class Record:
    """One record of a file or data set.

    Attributes:
        fields: its values by name, which may be records again.
        number: its line in JSON Lines, else its row, from 1.
    """

    fields: Mapping[str, Any]
    number: int


@dataclass
class RecordCounts:
    """What a pass over records found, for notes and checks at its end.

    Attributes:
        num_null: records whose text is null.
        first_null: the place of the first of them.
        found: those of the fields to keep that any record had.
        known: the fields of the first record.
    """

    num_null: int = 0
    first_null: str = ""
    found: set[str] = field(default_factory=set)
    known: tuple[str, ...] = ()


def documents_of(
    records: Iterable[Record],
    source: str,
    unit: str,
    *,
    text_field: str,
    keep: Sequence[str],
    counts: RecordCounts,
) -> Iterator[Document]:
    """A document for each record whose text is not null; those are counted.

    Args:
        records: of one file or data set.
        source: its name, for messages and documents.
        unit: what the number of a record counts, "line" or "row".
        text_field: has the text.
        keep: fields that are kept with the document; `None` where a record lacks one.
        counts: is added to.

    Raises:
        UserError: a record has no such field, its text is neither a string nor null, or a field to
            keep has several values.
    """
    has_been = False
    for record in records:
        place = f"{source}, {unit} {record.number:,}"
        if not counts.known:
            counts.known = tuple(field_names(record.fields))
        text = value_at(record.fields, text_field)
        if text is _ABSENT and not _is_within_null(record.fields, text_field):
            names = field_names(record.fields)
            raise (_gone if has_been else missing_field)(text_field, names, place)
        has_been = True
        if text is None or text is _ABSENT:
            counts.num_null += 1
            counts.first_null = counts.first_null or place
            continue
        if not isinstance(text, str):
            raise _no_string(text_field, text, place)
        kept = {name: _kept(record.fields, name, place, counts) for name in keep}
        yield Document(text, source, place=record.number, fields=kept)


def value_at(fields: Mapping[str, Any], name: str) -> Any:
    """The value of a field, `_ABSENT` where there is none.

    Example:
        >>> value_at({"article": {"body": "Text."}, "a.b": 1}, "article.body")
        'Text.'
    """
    if name in fields:
        return fields[name]
    first, dot, rest = name.partition(".")
    while dot:
        inner = fields.get(first)
        if isinstance(inner, Mapping) and (value := value_at(inner, rest)) is not _ABSENT:
            return value
        more, dot, rest = rest.partition(".")
        first = f"{first}.{more}"
    return _ABSENT


def _is_within_null(fields: Mapping[str, Any], name: str) -> bool:
    """Whether the record that would have a field is null itself, as in `{"article": null}`."""
    outer, dot, _ = name.rpartition(".")
    while dot:
        value = value_at(fields, outer)
        if value is not _ABSENT:
            return value is None
        outer, dot, _ = outer.rpartition(".")
    return False


def field_names(fields: Mapping[str, Any]) -> list[str]:
    """The names of the fields of a record, those of nested ones with their dots."""
    names = []
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            names += [f"{name}.{inner}" for inner in field_names(value)]
        else:
            names.append(str(name))
    return names


def columns_with(names: Sequence[str], fields: Sequence[str], source: str) -> list[str]:
    """The columns of a table that have some fields: of that name, or of the first part of it.

    Args:
        names: of all columns.
        fields: the first of which must be there.
        source: the name of the table, for messages.

    Raises:
        UserError: no column has the first field, or two have one name.
    """
    check_distinct(names, source)
    found = [[c for c in names if f"{field}.".startswith(f"{c}.")] for field in fields]
    if not found[0]:
        raise missing_field(fields[0], names, source)
    return list(dict.fromkeys(column for columns in found for column in columns))


def check_distinct(names: Sequence[str], source: str) -> None:
    """Refuse columns of one name.

    Raises:
        UserError: two columns have it.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(
            f"columns of one name: {source} has {twice[0]!r} twice. Expected different names. "
            "Rename one; a table also needs a heading."
        )


def missing_field(
    name: str, known: Sequence[str], place: str, option: str = "--text-field"
) -> UserError:
    """The error of a field that a record or a file does not have; it lists those that exist."""
    listed = shortened(known, _MAX_LISTED) or "nothing"
    return UserError(
        f"no field {name}: {place} has {listed}. Expected the name of a field. "
        f"Name it with {option}.{did_you_mean(name, known)}"
    )


def _gone(name: str, known: Sequence[str], place: str) -> UserError:
    """The error of a record without the field that records before it have."""
    listed = shortened(known, _MAX_LISTED) or "nothing"
    return UserError(
        f"a record without {name}: {place} has {listed}. Expected {name}, as in the records before "
        f"it. Give the record {name}, null where it has no text, or take it out of the file."
    )


def _no_string(name: str, value: Any, place: str) -> UserError:
    """The error of a text that is none; it lists the fields within a record."""
    within = shortened(field_names({name: value}), _MAX_LISTED)
    has = f", such as {within}" if isinstance(value, Mapping) and value else ""
    return UserError(
        f"text is not a string: {place}: {name}={shown(value)}. Expected a string or null. Name "
        f"the field that has the text (--text-field){has}, or fix the record."
    )


def _kept(fields: Mapping[str, Any], name: str, place: str, counts: RecordCounts) -> FieldValue:
    value = value_at(fields, name)
    if value is _ABSENT:
        return None
    counts.found.add(name)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    within = shortened(field_names({name: value}), _MAX_LISTED)
    advice = (
        f"Name a field within it with --keep ({within})"
        if isinstance(value, Mapping) and value
        else "Write its values as one text into the records"
    )
    raise UserError(
        f"a field to keep is no single value: {place}: {name}={shown(value)}. Expected text, a "
        f"number, a truth value, a date, a time or null. {advice}, or leave it out."
    )
