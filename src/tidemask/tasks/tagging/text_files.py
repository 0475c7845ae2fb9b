"""Blocks of lines of text files, and the sentences of CoNLL-U files, compressed or not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

from tidemask.corpus.sources.decoding import read_records
from tidemask.errors import UserError
from tidemask.tasks.tagging.sentences import TaggedSentence, check_word

_NO_TAG = "_"
_FORM_COLUMN, _UPOS_COLUMN = 1, 3
_CONLLU_COLUMNS = 10


def read_conllu(
    path: Path,
    column: int | Literal["auto"] = "auto",
    word_column: int | Literal["auto"] = "auto",
) -> list[TaggedSentence]:
    """Sentences of a Universal Dependencies treebank, whose syntactic words are tagged.

    A line of several words, such as `1-2 don't`, is skipped, and so is an empty node such as `1.1`:
    the words `do` and `n't` have lines of their own, with their tags and forms. The surface text
    (comments, `SpaceAfter`) is not used.

    Args:
        path: the file.
        column: of the tag, from 0; `auto` is 3, UPOS. 4 is XPOS.
        word_column: of the word, from 0; `auto` is 1, the form. 2 is the lemma.

    Raises:
        UserError: a line does not have ten columns, or a word is empty or has no tag.
    """
    wanted = _UPOS_COLUMN if column == "auto" else column
    form = _FORM_COLUMN if word_column == "auto" else word_column
    sentences = []
    for block in blocks(path):
        words, tags, first_place = [], [], ""
        for number, line in block:
            if line.startswith("#"):
                continue
            place = f"{path}, line {number}"
            row = line.split("\t")
            if len(row) != _CONLLU_COLUMNS or not all(0 <= c < len(row) for c in (wanted, form)):
                raise UserError(
                    f"not a line of CoNLL-U: {len(row)} columns in {place}, word in column {form}, "
                    f"tag in column {wanted}. Expected ten, separated by tabs. Fix the file."
                )
            if not row[0].isdigit():
                continue
            if row[wanted] == _NO_TAG:
                raise UserError(
                    f"a word without tag: {row[form]!r} in {place}. "
                    f"Expected one in column {wanted}. Choose another column."
                )
            check_word(row[form], row[wanted], place)
            first_place = first_place or place
            words.append(row[form])
            tags.append(row[wanted])
        if words:
            sentences.append(TaggedSentence(tuple(words), tuple(tags), first_place))
    return sentences


def blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Runs of lines that are not blank, each line with its number from 1."""
    lines = enumerate(read_records(path), start=1)
    for is_text, block in groupby(lines, key=lambda line: bool(line[1].strip())):
        if is_text:
            yield list(block)
