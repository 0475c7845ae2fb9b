"""Tagged sentences from CoNLL files of columns: a word and its annotations in each line.

Columns are separated by tabs if the line has one, else by spaces. Blank lines separate sentences.
Lines of `-DOCSTART-` and comments are passed over. A comment is a line that begins with `# ` before
the first word of its sentence, as in CoNLL-U and MultiCoNER, or one of CoNLL-2012's `#begin
document` and `#end document`; the word `#` is no comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tidemask.corpus.sources.columns import cells_of
from tidemask.errors import UserError
from tidemask.tasks.tagging.sentences import TaggedSentence, check_word, is_entity_tag
from tidemask.tasks.tagging.text_files import blocks

Column = int | Literal["auto"]
"""A column from 0, or from the end if negative; `auto` finds it."""

COLUMN_ENDINGS: tuple[str, ...] = (".conll", ".txt", ".iob", ".iob2", ".bio", ".tsv")
"""What the names of files of columns end in, before the ending of its compression."""

_DOCUMENT_START = "-DOCSTART-"
_DOCUMENT_MARKS = ("#begin document", "#end document")
_SPAN_OR_EMPTY_NODE = re.compile(r"\d+[-.]\d+")
"""The number of a CoNLL-U line of several words, `1-2`, or of an empty node, `1.1`."""


@dataclass(frozen=True)
class _Row:
    cells: list[str]
    place: str


def read_columns(
    paths: Mapping[str, Path],
    *,
    column: Column = "auto",
    word_column: Column = "auto",
    kind: Literal["entities", "words"] = "entities",
) -> dict[str, list[TaggedSentence]]:
    """The sentences of the files of a task, by split.

    Args:
        paths: the file of each split.
        column: of the tag; `auto` is the last.
        word_column: of the word; `auto` is the first, or the second where the first counts the
            words of every sentence.
        kind: of the tags, by which the word `#` differs from a comment of as many columns.

    Raises:
        UserError: a line has no such column, not as many columns as the lines before, or an empty
            word or tag; one column is asked for both; or whether the first column counts words, or
            whether a line is a comment, is not certain.
    """
    rows = {split: _sentences(path, column, kind) for split, path in paths.items()}
    everything = [sentence for sentences in rows.values() for sentence in sentences]
    is_counted = _is_counted(everything)
    if word_column == "auto":
        _check_certain(everything, is_counted)
        word_column = int(all(is_counted))
    counted = all(is_counted) and word_column != 0
    return {
        split: [_tagged(sentence, word_column, column, counted=counted) for sentence in sentences]
        for split, sentences in rows.items()
    }


def _sentences(path: Path, column: Column, kind: str) -> list[list[_Row]]:
    """The rows of each sentence of a file, all with the same number of columns."""
    found = [
        [(line, _Row(cells_of(line), f"{path}, line {number}")) for number, line in block]
        for block in blocks(path)
    ]
    plain = [row for block in found for line, row in block if not line.startswith("#")]
    plain = [row for row in plain if row.cells[0] != _DOCUMENT_START]
    wanted = -1 if column == "auto" else column
    width = len(plain[0].cells) if plain else 0
    tags = {row.cells[wanted] for row in plain if -len(row.cells) <= wanted < len(row.cells)}

    def is_tag(tag: str) -> bool | None:
        if kind == "entities":
            return is_entity_tag(tag)
        return True if tag in tags else None

    sentences = []
    for block in found:
        words = _without_comments(block, width, wanted, is_tag)
        rows = [row for row in words if row.cells[0] != _DOCUMENT_START]
        for row in rows:
            width = width or len(row.cells)
            _check_width(row, width, wanted)
        if rows:
            sentences.append(rows)
    return sentences


def _without_comments(
    block: Sequence[tuple[str, _Row]],
    width: int,
    wanted: int,
    is_tag: Callable[[str], bool | None],
) -> Iterator[_Row]:
    """The rows of a block that are words.

    Args:
        block: lines and what they hold.
        width: columns of the file's words.
        wanted: column of the tag.
        is_tag: whether a cell is a tag; `None` where that is not known.
    """
    is_before_words = True
    for line, row in block:
        if line.startswith(_DOCUMENT_MARKS):
            continue
        if is_before_words and line.startswith(("# ", "#\t")):
            if len(row.cells) != width:
                continue
            _check_width(row, width, wanted)
            is_word = is_tag(row.cells[wanted])
            if is_word is None:
                raise UserError(
                    f"a comment or the word '#': {row.place}: {line[:60]!r}, as many columns as a "
                    f"word, and {row.cells[wanted]!r} is a tag of no other word. Expected one or "
                    "the other. Remove the comment, or write the columns with tabs."
                )
            if not is_word:
                continue
        is_before_words = False
        yield row


def _check_width(row: _Row, width: int, wanted: int) -> None:
    num_cells = len(row.cells)
    if num_cells < 2 or not -num_cells <= wanted < num_cells:
        where = "the last column" if wanted == -1 else f"column {wanted}"
        raise UserError(
            f"too few columns: {num_cells} in {row.place}. Expected a word and its tag in "
            f"{where}, separated by tabs or spaces. Fix the line."
        )
    if num_cells != width:
        raise UserError(
            f"columns that do not fit: {num_cells} in {row.place}, where the lines before have "
            f"{width}. Fix the line."
        )


def _is_counted(sentences: Sequence[Sequence[_Row]]) -> list[bool]:
    """Whether the first column numbers the words of each sentence, of two or more in all.

    Numbers begin at 0 or 1 in each sentence, or run on from the sentence before.
    """
    if sum(map(len, sentences)) < 2:
        return [False] * len(sentences)
    is_counted, last = [], 0
    for rows in sentences:
        cells = [row.cells[0] for row in rows if not _SPAN_OR_EMPTY_NODE.fullmatch(row.cells[0])]
        is_counted.append(any(cells == _numbers(start, len(cells)) for start in (0, 1, last + 1)))
        last = int(cells[-1]) if is_counted[-1] and cells else 0
    return is_counted


def _check_certain(sentences: Sequence[Sequence[_Row]], is_counted: Sequence[bool]) -> None:
    """Refuse a first column that may be words or their numbers, and numbers without words."""
    num_counted = sum(is_counted)
    if num_counted <= len(sentences) / 2:
        return
    if num_counted < len(sentences):
        odd = sentences[is_counted.index(False)][0]
        raise UserError(
            f"words or their numbers: the first column counts the words of {num_counted} of "
            f"{len(sentences)} sentences, and not those of the one at {odd.place}, which begins "
            f"with {odd.cells[0]!r}. Fix the file, or name the word's column in word_column=."
        )
    first = sentences[0][0]
    if len(first.cells) < 3:
        raise UserError(
            f"no words: the first column counts them from {first.place} on, and the second is the "
            "last. Expected number, word and tag. Fix the file, or name the word's column in "
            "word_column=."
        )


def _numbers(start: int, count: int) -> list[str]:
    return [str(number) for number in range(start, start + count)]


def _tagged(
    rows: Iterable[_Row], word_column: int, column: Column, *, counted: bool
) -> TaggedSentence:
    words, tags, place = [], [], ""
    for row in rows:
        if counted and not row.cells[0].isdecimal():
            continue  # several words, or none: the words have lines of their own
        place = place or row.place
        width = len(row.cells)
        wanted = width - 1 if column == "auto" else column % width
        if not -width <= word_column < width or word_column % width == wanted:
            raise UserError(
                f"no column for the word: word_column={word_column}, the tag is in column "
                f"{wanted} of {width}: {row.place}. Expected another one, from 0, or from the end "
                "if negative. Choose word_column= or column=."
            )
        check_word(row.cells[word_column], row.cells[wanted], row.place)
        words.append(row.cells[word_column])
        tags.append(row.cells[wanted])
    return TaggedSentence(tuple(words), tuple(tags), place)
