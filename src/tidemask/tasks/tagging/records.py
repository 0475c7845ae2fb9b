"""Tagged sentences from records: JSON Lines, and datasets of the `datasets` library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tidemask.errors import UserError
from tidemask.tasks.examples import Example
from tidemask.tasks.tagging.sentences import TaggedSentence, check_word

TAG_FIELDS: tuple[str, ...] = ("ner_tags", "tags", "upos", "pos_tags", "labels")
"""Fields that may hold the tags of a record; the first that exists does."""

_WORD_FIELDS = ("tokens", "words")
_NO_TAG = "_"


def read_records(
    records: Iterator[Example], field: str, names: Sequence[str]
) -> list[TaggedSentence]:
    """Sentences of records with a list of words, in `tokens` or `words`, and one of tags.

    Words tagged `_` are left out: treebanks on the hub have a surface word such as `don't` so,
    beside its syntactic words `do` and `n't`. A sentence without words is left out as well.

    Args:
        records: of one split.
        field: holds the tags; `auto` is the first of `TAG_FIELDS` that exists.
        names: of the tags, where they are numbers; may be empty where they are strings.

    Raises:
        UserError: a list is missing or malformed, or a number has no name.
    """
    sentences = (_sentence(record, field, names) for record in records)
    return [sentence for sentence in sentences if sentence.words]


def tag_names(features: Any, field: str) -> Sequence[str]:
    """Names of the tags in the features of a dataset; empty if it has none."""
    fields = TAG_FIELDS if field == "auto" else (field,)
    name = next((field for field in fields if field in features), None)
    inner = getattr(features.get(name), "feature", None)
    return tuple(getattr(inner, "names", None) or ())


def _sentence(record: Example, field: str, names: Sequence[str]) -> TaggedSentence:
    words = _list_of(record, _WORD_FIELDS)
    tags = _list_of(record, TAG_FIELDS if field == "auto" else (field,))
    for word in words:
        if not isinstance(word, str):
            raise UserError(f"a word that is not a string: {word!r} in {record.place}. Fix it.")
    named = tuple(_named(tag, names, record.place) for tag in tags)
    sentence = TaggedSentence(tuple(words), named, record.place)
    for number, pair in enumerate(zip(words, named, strict=True), start=1):
        check_word(*pair, f"{record.place}, word {number}")
    if _NO_TAG not in named:
        return sentence
    kept = [pair for pair in zip(words, named, strict=True) if pair[1] != _NO_TAG]
    return TaggedSentence(tuple(w for w, _ in kept), tuple(t for _, t in kept), record.place)


def _list_of(record: Example, fields: Sequence[str]) -> list[Any]:
    name = next((name for name in fields if name in record.fields), None)
    if name is None:
        raise UserError(
            f"field missing: {record.place} has none of {', '.join(fields)}, only "
            f"{', '.join(map(str, record.fields)) or 'nothing'}. Name the field in tag_field=."
        )
    value = record.fields[name]
    if not isinstance(value, list):
        raise UserError(f"not a list: {name}={str(value)[:40]!r} in {record.place}. Fix it.")
    return value


def _named(tag: object, names: Sequence[str], place: str) -> str:
    if isinstance(tag, str):
        return tag
    if isinstance(tag, int) and not isinstance(tag, bool) and 0 <= tag < len(names):
        return names[tag]
    raise UserError(
        f"unknown tag: {tag!r} in {place}. Expected a string, or a number below {len(names)}, the "
        "number of names. Name the tags in the order of their numbers in tags=."
    )
