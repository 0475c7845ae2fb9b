"""Documents, and what the manifest of a corpus says of where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidemask.corpus.words.spans import GivenWords
from tidemask.errors import UserError
from tidemask.settings import shown

MAX_PASSES = 1000
"""More passes over a text are a slip of the pen."""

FieldValue = str | int | float | bool | None
"""One value of the data that a record carries beside its text."""

SettingValue = FieldValue | list[str]
"""Value of a setting of preparation, or of a source of a list, as JSON has it."""

OTHER_LANGUAGE, TOO_SHORT, TOO_LONG = "another language", "too short", "too long"
"""Why a list of sources leaves a document out."""


@dataclass(frozen=True)
class Document:
    """A continuous text.

    Attributes:
        text: its characters, not empty.
        source: the file, data set or package it comes from.
        held_out: whether it belongs to the held-out split; `None` leaves that to its content hash.
        place: where in its source it begins, from 1: its line for text and JSON Lines, its row for
            tables; 0 where that is unknown.
        fields: what the record says beside the text, by field; only those that were asked for.
        words: its words with tags, where the source has them.
        passes: how often it stands in the training split, if it is there.
        left_out: why it is in no split, as `OTHER_LANGUAGE`; empty where it may be in one.
    """

    text: str
    source: str
    held_out: bool | None = None
    place: int = 0
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    words: GivenWords | None = None
    passes: int = 1
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class TextSource:
    """What a corpus was made from, for its manifest.

    Attributes:
        path: of the file, or name of the data set.
        num_bytes: size of the file; 0 for a data set of the hub.
        sha256: of the file, hexadecimal; empty for a data set of the hub.
        format: what it holds: a `Format`, "hub", or "sources" for a list of them.
        revision: of a data set of the hub.
        held_out: whether it was named as held-out text.
        name: of the source of a list that it belongs to; empty for what was named itself.
        listed: of a list, what it says of each source, by the keys of `ListedSource`, with what
            separates its documents as it was found out; empty in corpora of earlier versions.
    """

    path: str
    num_bytes: int
    sha256: str
    format: str = "text"
    revision: str = ""
    held_out: bool = False
    name: str = ""
    listed: tuple[dict[str, SettingValue], ...] = ()


def check_document(document: object, number: int) -> None:
    """Refuse an object of another type, a text that is not a string (NaN), and passes of 0 or 0.5.

    Args:
        document: what somebody's own code gave.
        number: its place in the stream, from 1.

    Raises:
        UserError: names it and the value seen.

    Example:
        >>> check_document(Document(float("nan"), "notes"), 3)  # type: ignore[arg-type]
        Traceback (most recent call last):
        tidemask.errors.UserError: text is not a string: document 3 (of notes): text=nan. ...
    """
    if not isinstance(document, Document):
        raise UserError(
            f"no document: number {number:,} of the documents is {shown(document)}. Expected "
            "Document(text, source). Make one of each text, and leave out what has none."
        )
    if not isinstance(document.text, str):
        raise UserError(
            f"text is not a string: document {number:,} (of {document.source}): "
            f"text={shown(document.text)}. Expected a string. Leave out what has no text."
        )
    if not isinstance(document.passes, int) or not 1 <= document.passes <= MAX_PASSES:
        raise UserError(
            f"passes outside their range: document {number:,} (of {document.source}): "
            f"passes={shown(document.passes)}. Expected an integer from 1 to {MAX_PASSES}."
        )
