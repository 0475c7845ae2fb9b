"""Tagged sentences from text files: CoNLL columns, CoNLL-U and JSON Lines, packed or not."""

from __future__ import annotations

import gzip
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from tidemask.errors import UserError, one_line
from tidemask.evaluation.tagging_sentences import TaggedSentence

COLUMN_ENDINGS: tuple[str, ...] = (".conll", ".txt", ".iob", ".iob2", ".bio", ".tsv")
"""What files of columns end in, before `.xz` or `.gz`."""

TAG_FIELDS: tuple[str, ...] = ("ner_tags", "tags", "upos", "pos_tags", "labels")
"""Where the tags of a record are looked for, in this order."""

_WORD_FIELDS = ("tokens", "words")
_DOCUMENT_START = "-DOCSTART-"
_NO_TAG = "_"
_UPOS_COLUMN = 3
_CONLLU_COLUMNS = 10
_Line = tuple[int, str]


def read_columns(path: Path, column: int | Literal["auto"] = "auto") -> list[TaggedSentence]:
    """Sentences of a file with a word and its annotations in each line, blank lines between.

    Columns are parted by tabs if the line has one, else by spaces; the word is the first. Lines of
    `-DOCSTART-` are dropped.

    Args:
        path: the file.
        column: which holds the tag, from 0, or from the end if negative; `auto` is the last.

    Raises:
        UserError: a line has no such column, or not as many columns as the lines before.
    """
    wanted = -1 if column == "auto" else column
    sentences, width = [], 0
    for block in _blocks(_numbered_lines(path)):
        rows = [(number, _columns(line)) for number, line in block]
        rows = [(number, row) for number, row in rows if row[0] != _DOCUMENT_START]
        for number, row in rows:
            width = width or len(row)
            if len(row) < 2 or not -len(row) <= wanted < len(row):
                raise UserError(
                    f"too few columns: {len(row)} in {path}, line {number}. Expected a word and "
                    f"its tag in column {wanted}, parted by a tab or a space. Mend the line."
                )
            if len(row) != width:
                raise UserError(
                    f"columns that do not fit: {len(row)} in {path}, line {number}, where the "
                    f"lines before have {width}. Mend the line."
                )
        if rows:
            words = tuple(row[0] for _, row in rows)
            tags = tuple(row[wanted] for _, row in rows)
            sentences.append(TaggedSentence(words, tags, _place(path, rows[0][0])))
    return sentences


def read_conllu(path: Path, column: int | Literal["auto"] = "auto") -> list[TaggedSentence]:
    """Sentences of a Universal Dependencies treebank, whose syntactic words are tagged.

    A line of several words, such as `1-2 don't`, is passed over, and so is an empty node such as
    `1.1`: the words `do` and `n't` have lines of their own, with their tags. Their forms are taken
    as they stand there; what the surface text looks like (comments, `SpaceAfter`) is not used.

    Args:
        path: the file.
        column: which holds the tag, from 0; `auto` is 3, UPOS. 4 is XPOS.

    Raises:
        UserError: a line has not ten columns, or the tag is not annotated.
    """
    wanted = _UPOS_COLUMN if column == "auto" else column
    sentences = []
    for block in _blocks(_numbered_lines(path)):
        words, tags, place = [], [], ""
        for number, line in block:
            if line.startswith("#"):
                continue
            row = line.split("\t")
            if len(row) != _CONLLU_COLUMNS or not 0 <= wanted < _CONLLU_COLUMNS:
                raise UserError(
                    f"not a line of CoNLL-U: {len(row)} columns in {path}, line {number}, tag in "
                    f"column {wanted}. Expected ten, parted by tabs. Mend the file."
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


def read_json_lines(path: Path, field: str, names: Sequence[str]) -> list[TaggedSentence]:
    """Sentences of a file with one JSON object in each line, words in `tokens` or `words`.

    Args:
        path: the file.
        field: which holds the tags; `auto` is the first there of `ner_tags`, `tags`, `upos`,
            `pos_tags`, `labels`.
        names: of the tags, where they are numbers; may be empty where they are strings.

    Raises:
        UserError: a line is no such object.
    """
    sentences = []
    for number, line in _numbered_lines(path):
        if not line.strip():
            continue
        place = _place(path, number)
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"not JSON: {place} ({one_line(error)}). Expected one object in each line."
            ) from error
        if not isinstance(row, dict):
            raise UserError(f"not a JSON object: {line[:40]!r} in {place}. Expected one per line.")
        sentence = sentence_of_row(row, field, names, place)
        if sentence.words:
            sentences.append(sentence)
    return sentences


def sentence_of_row(
    row: dict[str, Any], field: str, names: Sequence[str], place: str
) -> TaggedSentence:
    """The sentence of one record with a list of words and one of tags.

    Words tagged `_` are left out: treebanks on the hub have the surface `don't` so, beside the
    syntactic words `do` and `n't`.

    Raises:
        UserError: a list is missing or holds something else, or a number has no name.
    """
    words = _list_of(row, _WORD_FIELDS, place)
    tags = _list_of(row, TAG_FIELDS if field == "auto" else (field,), place)
    for word in words:
        if not isinstance(word, str):
            raise UserError(f"a word that is no string: {word!r} in {place}. Mend the record.")
    named = tuple(_named(tag, names, place) for tag in tags)
    sentence = TaggedSentence(tuple(words), named, place)
    if _NO_TAG not in named:
        return sentence
    kept = [pair for pair in zip(words, named, strict=True) if pair[1] != _NO_TAG]
    return TaggedSentence(tuple(w for w, _ in kept), tuple(t for _, t in kept), place)


def _list_of(row: dict[str, Any], fields: Sequence[str], place: str) -> list[Any]:
    name = next((name for name in fields if name in row), None)
    if name is None:
        raise UserError(
            f"missing field: {' or '.join(fields)} in {place}. Found {', '.join(row) or 'none'}. "
            "Name the field of the tags in tag_field=."
        )
    value = row[name]
    if not isinstance(value, list):
        raise UserError(f"not a list: {name}={str(value)[:40]!r} in {place}. Expected a list.")
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


def _place(path: Path, number: int) -> str:
    return f"{path}, line {number}"


def _columns(line: str) -> list[str]:
    """Not `str.split()`: a no-break space may be part of a word."""
    return line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))


def _blocks(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    """Runs of lines that are not blank."""
    block: list[_Line] = []
    for number, line in lines:
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _numbered_lines(path: Path) -> Iterator[_Line]:
    """Lines from 1, without their ends, of a file that may be packed by xz or gzip."""
    openers: dict[str, Callable[..., IO[str]]] = {".xz": lzma.open, ".gz": gzip.open}
    opener = openers.get(path.suffix, open)
    number = 0
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"not UTF-8: {path}, after line {number}. Convert the file to UTF-8."
        ) from error
    except (lzma.LZMAError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UserError(
            f"damaged file: {path}, after line {number} ({one_line(error)}). Copy it again."
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {one_line(error)}.") from error
