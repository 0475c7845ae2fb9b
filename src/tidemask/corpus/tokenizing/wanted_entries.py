"""What a vocabulary is to be extended by: a number of entries, or the words of a file."""

from __future__ import annotations

from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.reading.text import read_text
from tidemask.settings import check_integer

MAX_ADDED = 1 << 20
"""Entries that are added at once, at most."""
_MAX_BYTES = 1 << 26


def check_extension(tokenizer: str | None, wanted: int | str | None) -> None:
    """Refuse an extension without a tokenizer, and a number outside its range.

    Raises:
        ValueError: as said.
    """
    if wanted is None:
        return
    if tokenizer is None:
        raise ValueError(
            f"extend_vocabulary={wanted} without a tokenizer. Expected the one to extend; of one "
            "that is trained set vocab_size"
        )
    if isinstance(wanted, int):
        check_integer("extend_vocabulary", wanted, minimum=1, below=MAX_ADDED + 1)


def wanted_entries(wanted: int | str) -> int | dict[str, int]:
    """The number, or the words of the file, each with the first line that it stands on, from 1.

    Empty lines are passed over.

    Raises:
        UserError: there is no such file, it is not UTF-8, or has no word or too many.
    """
    if isinstance(wanted, int):
        return wanted
    path: Path = given_path(wanted, "extend_vocabulary")
    lines = read_text(path, _MAX_BYTES, "no list of words").splitlines()
    words: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if word := line.strip():
            words.setdefault(word, number)
    if not 1 <= len(words) <= MAX_ADDED:
        raise UserError(
            f"no list of words: {path} has {len(words):,}. Expected 1 to {MAX_ADDED:,}, one a line."
        )
    return words
