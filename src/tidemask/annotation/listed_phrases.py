"""Files that list words and phrases: one a line, with a label or a weight after a tab."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tidemask.annotation.separators import separator_in, separator_note
from tidemask.errors import UserError
from tidemask.progress import NoteCallback
from tidemask.reading.bounds import ANY_LENGTH
from tidemask.reading.text import read_text
from tidemask.settings import shown
from tidemask.token_classes import MAX_WEIGHT, NO_CLASS, ColumnKind


@dataclass(frozen=True)
class ListedPhrase:
    """A word or phrase of a list.

    Attributes:
        text: as it is written.
        value: the index of its class, or its weight; 0 for groups.
    """

    text: str
    value: float


def read_phrases(
    path: Path, kind: ColumnKind, *, label: str, on_note: NoteCallback
) -> tuple[tuple[str, ...], tuple[ListedPhrase, ...]]:
    """The names of classes and the phrases of a file.

    Args:
        path: of a file of text, UTF-8.
        kind: what stands after the tab: a label for a class, where phrases without one have
            `label`; a number for a weight; nothing that counts for a group.
        label: of phrases without one.
        on_note: called with a doubt about what stands in the place of tabs.

    Raises:
        UserError: it cannot be read, lists nothing, or a line is not as the kind wants it.
    """
    lines = list(_lines(path))
    if not lines:
        raise UserError(
            f"empty list: {path} has no words. Expected a word or phrase on each line, and after a "
            "tab its label if it has one."
        )
    if kind == "weight":
        return (), tuple(ListedPhrase(each.text, _weight(path, each)) for each in lines)
    labels = {each.rest for each in lines} - {""}
    if note := separator_note(path, [each.line for each in lines if not each.rest], labels):
        on_note(note)
    if kind == "group":
        return (), tuple(ListedPhrase(each.text, 0) for each in lines)
    names = tuple(sorted({each.rest or label for each in lines}))
    if len(names) > NO_CLASS:
        raise UserError(
            f"too many labels: {path} has {len(names)}. Expected {NO_CLASS} at most, as a class is "
            "one of so many."
        )
    return names, tuple(ListedPhrase(each.text, names.index(each.rest or label)) for each in lines)


class _ListLine(NamedTuple):
    """A line that is not empty: its number, itself, its phrase, and what follows the tab."""

    number: int
    line: str
    text: str
    rest: str


def _lines(path: Path) -> Iterator[_ListLine]:
    content = read_text(path, ANY_LENGTH, "unreadable list")
    for number, line in enumerate(content.splitlines(), start=1):
        text, *others = (part.strip() for part in line.split("\t"))
        if not text and not any(others):
            continue
        if not text or len(others) > 1:
            raise UserError(
                f"wrong line in a list: {path}, line {number}: {shown(line)}. Expected a word or "
                "phrase, and after one tab its label if it has one."
            )
        yield _ListLine(number, line, " ".join(text.split()), others[0] if others else "")


def _weight(path: Path, line: _ListLine) -> float:
    try:
        weight = float(line.rest)
    except ValueError:
        weight = math.nan
    if not 0.0 <= weight <= MAX_WEIGHT:
        seen = shown(line.rest) if line.rest else f"{shown(line.line)} has no number"
        separator = None if line.rest else separator_in(line.line)
        instead = f" It has {separator[0]}: put a tab there." if separator else ""
        raise UserError(
            f"wrong weight in a list: {path}, line {line.number}: {seen}. Expected a number from 0 "
            f"to {MAX_WEIGHT:g} after a tab.{instead}"
        )
    return weight
