"""Tagged sentences from text files: CoNLL columns and CoNLL-U, compressed or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

from tidemask.corpus.sources.decoding import read_lines
from tidemask.errors import UserError
from tidemask.tasks.tagging.sentences import TaggedSentence

COLUMN_ENDINGS: tuple[str, ...] = (".conll", ".txt", ".iob", ".iob2", ".bio", ".tsv")
"""What the names of files of columns end in, before `.xz` or `.gz`."""

_DOCUMENT_START = "-DOCSTART-"
_NO_TAG = "_"
_UPOS_COLUMN = 3
_CONLLU_COLUMNS = 10


def read_columns(path: Path, column: int | Literal["auto"] = "auto") -> list[TaggedSentence]:
    """Sentences of a file with a word and its annotations in each line, blank lines between.

    Columns are separated by tabs if the line has one, else by spaces; the word is the first. Lines
    of `-DOCSTART-` are dropped.

    Args:
        path: the file.
        column: of the tag, from 0, or from the end if negative; `auto` is the last.

    Raises:
        UserError: a line has no such column, or not as many columns as the lines before.
    """
    wanted = -1 if column == "auto" else column
    where = "the last column" if column == "auto" else f"column {column}"
    sentences, width = [], 0
    for block in _blocks(path):
        rows = [(number, _columns(line)) for number, line in block]
        rows = [(number, row) for number, row in rows if row[0] != _DOCUMENT_START]
        for number, row in rows:
            width = width or len(row)
            if len(row) < 2 or not -len(row) <= wanted < len(row):
                raise UserError(
                    f"too few columns: {len(row)} in {path}, line {number}. Expected a word and "
                    f"its tag in {where}, separated by tabs or spaces. Fix the line."
                )
            if len(row) != width:
                raise UserError(
                    f"columns that do not fit: {len(row)} in {path}, line {number}, where the "
                    f"lines before have {width}. Fix the line."
                )
        if rows:
            words = tuple(row[0] for _, row in rows)
            tags = tuple(row[wanted] for _, row in rows)
            sentences.append(TaggedSentence(words, tags, _place(path, rows[0][0])))
    return sentences


def read_conllu(path: Path, column: int | Literal["auto"] = "auto") -> list[TaggedSentence]:
    """Sentences of a Universal Dependencies treebank, whose syntactic words are tagged.

    A line of several words, such as `1-2 don't`, is skipped, and so is an empty node such as `1.1`:
    the words `do` and `n't` have lines of their own, with their tags and forms. The surface text
    (comments, `SpaceAfter`) is not used.

    Args:
        path: the file.
        column: of the tag, from 0; `auto` is 3, UPOS. 4 is XPOS.

    Raises:
        UserError: a line does not have ten columns, or a word has no tag.
    """
    wanted = _UPOS_COLUMN if column == "auto" else column
    sentences = []
    for block in _blocks(path):
        words, tags, place = [], [], ""
        for number, line in block:
            if line.startswith("#"):
                continue
            row = line.split("\t")
            if len(row) != _CONLLU_COLUMNS or not 0 <= wanted < _CONLLU_COLUMNS:
                raise UserError(
                    f"not a line of CoNLL-U: {len(row)} columns in {path}, line {number}, tag in "
                    f"column {wanted}. Expected ten, separated by tabs. Fix the file."
                )
            if not row[0].isdigit():
                continue
            if row[wanted] == _NO_TAG:
                raise UserError(
                    f"a word without tag: {row[1]!r} in {path}, line {number}. "
                    f"Expected one in column {wanted}. Choose another column."
                )
            place = place or _place(path, number)
            words.append(row[1])
            tags.append(row[wanted])
        if words:
            sentences.append(TaggedSentence(tuple(words), tuple(tags), place))
    return sentences


def _place(path: Path, number: int) -> str:
    return f"{path}, line {number}"


def _columns(line: str) -> list[str]:
    """The cells of a line; not by `str.split()`, for a no-break space may be part of a word."""
    cells = line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))
    return [cell.strip(" ") for cell in cells]


def _blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Runs of lines that are not blank, each line with its number from 1."""
    lines = enumerate(read_lines(path, max_characters=None), start=1)
    for is_text, block in groupby(lines, key=lambda line: bool(line[1].strip())):
        if is_text:
            yield list(block)
