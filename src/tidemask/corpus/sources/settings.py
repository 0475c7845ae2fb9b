"""How files become documents: the settings of reading text."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

from tidemask.corpus.tagging.given_tags import GivenTags
from tidemask.errors import UserError, did_you_mean
from tidemask.settings import Settings, shown

BORDERS: tuple[str, ...] = ("auto", "blank-lines", "file", "line", "row")
"""What may separate documents, beside `SEPARATOR` with a text."""

SEPARATOR = "separator="
"""What the choice of a line between documents begins with."""


@dataclass(frozen=True, kw_only=True)
class TextSettings(Settings):
    """How files become documents.

    Raises:
        UserError: a setting is of another type, or outside its range.
    """

    text_field: str = "text"
    """Field of a record that has the text; a dotted path as `article.body` leads into nested
    ones."""

    documents: str = "auto"
    """What is a document of a text file: "blank-lines" (what they separate), "file" (each),
    "line" (each that is not blank) or "separator=TEXT" (what lines of that text separate). Records
    are documents ("row"). "auto" looks at the files and says what it chose."""

    keep: tuple[str, ...] = ()
    """Fields of a record that are kept with its document; dotted paths as for `text_field`."""

    encoding: str = "utf-8"
    """Encoding of text files, of JSON Lines and of tables, by a name that Python knows."""

    errors: Literal["strict", "replace"] = "strict"
    """Whether bytes that cannot be decoded, and NUL, are refused or become U+FFFD, counted."""

    @property
    def given_tags(self) -> GivenTags | None:
        """Where files have words with tags; `None` where the text alone is read."""
        return None

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
            _check_borders(self.documents)
            object.__setattr__(self, "encoding", _known_encoding(self.encoding))
            for name in (self.text_field, *self.keep):
                if not name.strip():
                    raise ValueError(f"the name of a field is empty: {shown(name)}. Name a field.")
            if len(set(self.keep)) < len(self.keep):
                raise ValueError(f"keep={list(self.keep)} has a field twice. Name each once.")
        except ValueError as error:
            raise UserError(f"setting outside its range: {error}") from error


def _check_borders(documents: str) -> None:
    if documents in BORDERS or documents.removeprefix(SEPARATOR).strip() not in ("", documents):
        return
    raise ValueError(
        f"documents={shown(documents)}. Expected one of {', '.join(BORDERS)}, or {SEPARATOR}TEXT "
        f"with the text of the lines between documents.{did_you_mean(documents, BORDERS)}"
    )


def _known_encoding(name: str) -> str:
    """Python's own name of a text encoding."""
    try:
        found = codecs.lookup(name).name
        codecs.getincrementaldecoder(found)
        if isinstance(b"abcd".decode(found, "replace"), str):
            return found
    except (LookupError, ValueError):  # a name with NUL is a ValueError
        pass
    known = ("utf-8", "utf-16", "cp1252", "latin-1", "shift_jis", "gb18030", "koi8-r")
    raise ValueError(
        f"encoding={shown(name)}. Expected one that Python knows, such as {', '.join(known)}."
        f"{did_you_mean(name, known)}"
    )
