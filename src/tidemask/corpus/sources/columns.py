"""Files with a word and its tags on each line, as CoNLL-2003 has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from tidemask.corpus.sources.tagged_documents import GivenSentence, SurfaceToken
from tidemask.errors import UserError

_DOCUMENT_START = "-DOCSTART-"
"""First word of the line that begins a document in CoNLL-2003."""


def column_sentences(
    lines: Iterable[str], name: str, word_column: int = 0, tag_column: int = -1
) -> Iterator[GivenSentence]:
    r"""The sentences of a file; empty lines separate them, `-DOCSTART-` begins a document.

    Columns are separated by tabs, or by spaces in a line without a tab. Lines that begin with `# `
    before the first word of a sentence are comments, where they have other columns than the words.

    Args:
        lines: of the file, without their ends.
        name: of the file, for messages.
        word_column: from 0, or from the end if negative.
        tag_column: the same.

    Raises:
        UserError: a line has other columns than those before, or too few; a word or a tag is
            empty; names the file and the line.

    Example:
        >>> [sentence] = column_sentences(["Delft\tB-LOC", "sleeps\tO", ""], "a.tsv")
        >>> [token.words for token in sentence.tokens]
        [(('Delft', 'B-LOC'),), (('sleeps', 'O'),)]
    """
    tokens: list[SurfaceToken] = []
    first, width, begins_document = 0, 0, False
    for number, line in enumerate(chain(lines, [""]), start=1):
        cells = cells_of(line)
        if not line.strip():
            if tokens:
                yield GivenSentence(tuple(tokens), first, begins_document, begins_paragraph=True)
                tokens, begins_document = [], False
        elif cells[0] == _DOCUMENT_START:
            begins_document = True
        elif not (line.startswith("# ") and not tokens and len(cells) != (width or 2)):
            place = f"{name}, line {number}"
            _check_width(cells, width, (word_column, tag_column), place)
            width, first = len(cells), first if tokens else number
            word, tag = cells[word_column], cells[tag_column]
            if not word or not tag:
                raise UserError(
                    f"empty {'tag' if word else 'word'}: {place}: {line[:60]!r}. Expected a word "
                    "and its tag. Fix the line, or remove it."
                )
            tokens.append(SurfaceToken(word, ((word, tag),)))


def cells_of(line: str) -> list[str]:
    """The cells of a line; not by `str.split()`, for a no-break space may be part of a word."""
    cells = line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))
    return [cell.strip(" ") for cell in cells]


def _check_width(cells: list[str], width: int, wanted: tuple[int, int], place: str) -> None:
    num_cells = len(cells)
    if width and num_cells != width:
        raise UserError(
            f"broken columns: {place} has {num_cells} of them, and the lines before have {width}. "
            "Expected as many on each line. Fix the line."
        )
    if num_cells > 1 and len({column % num_cells for column in wanted}) == 1:
        raise UserError(
            f"one column for words and tags: {wanted[1]} of {num_cells}: {place}. Expected two. "
            "Name the columns, counted from 0: --tagger column:TAG or column:TAG:WORD."
        )
    for column in wanted:
        if not -num_cells <= column < num_cells or num_cells < 2:
            raise UserError(
                f"too few columns: {place} has {num_cells}, and column {column} is asked for. "
                "Expected a word and its tag, separated by tabs or spaces. Fix the line, or name "
                "the columns, counted from 0: --tagger column:TAG or column:TAG:WORD."
            )
