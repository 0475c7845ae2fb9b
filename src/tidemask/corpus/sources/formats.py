"""The formats that text is read from, and which endings of file names stand for them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from tidemask.reading.compression import COMPRESSED, without_compression


class Format(StrEnum):
    """What a file holds; the value stands in the manifest of a corpus."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON_LINES = "json lines"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    ARROW = "arrow"
    CONLLU = "conllu"
    COLUMNS = "columns"

    @property
    def is_text(self) -> bool:
        """Whether it is running text; else it has records with fields."""
        return self in (Format.TEXT, Format.MARKDOWN)


ENDINGS: dict[str, Format] = {
    ".txt": Format.TEXT,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".json": Format.JSON_LINES,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".parquet": Format.PARQUET,
    ".arrow": Format.ARROW,
    ".conllu": Format.CONLLU,
    ".conll": Format.COLUMNS,
}
"""What the name of a file ends in, upper or lower case, before the ending of its compression."""

_NOT_COMPRESSED = (Format.PARQUET, Format.ARROW)
"""Formats that are read in any order, and compressed within themselves."""


def format_of(path: Path) -> Format | None:
    """The format of a file by its name; `None` for one that is not read.

    Example:
        >>> from pathlib import Path
        >>> [format_of(Path(name)) for name in ("a.txt.gz", "A.PARQUET", "a.pdf")]
        [<Format.TEXT: 'text'>, <Format.PARQUET: 'parquet'>, None]
    """
    name = without_compression(path.name)
    found = ENDINGS.get(Path(name).suffix)
    return None if found in _NOT_COMPRESSED and name != path.name.lower() else found


def ending_of(path: Path) -> str:
    """The ending of a file that is not read, as a note shows it; "no ending" where it has none."""
    return Path(path.name.lower()).suffix or "no ending"


def expected_endings() -> str:
    """The endings that are read, and what to do with another file, for a message."""
    return (
        f"Expected a name that ends in one of {', '.join(ENDINGS)}; all but .parquet and .arrow "
        f"also with {', '.join(COMPRESSED)}. Convert the file; plain text of another name can be "
        "given through standard input (-)."
    )
