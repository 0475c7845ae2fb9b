"""CoNLL-U, the format of the Universal Dependencies treebanks, as words with tags.

Read are the columns ID, FORM, UPOS or XPOS, and MISC for `SpaceAfter=No`, with the comments
`# newdoc` and `# newpar`. Empty nodes are no words of the text; the words of a multiword token are
its words where they spell it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from tidemask.corpus.sources.tagged_documents import GivenSentence, SurfaceToken
from tidemask.corpus.tagging.given_tags import TagColumn
from tidemask.corpus.words.spans import NO_TAG
from tidemask.errors import UserError, did_you_mean
from tidemask.token_classes import UPOS

_NUM_COLUMNS = 10
_PLACES: dict[TagColumn, int] = {"upos": 3, "xpos": 4}
_ID = re.compile(r"(?P<number>[1-9]\d*)(?:-(?P<last>\d+)|(?P<empty>\.\d+))?|(?P<zero>0\.\d+)")


class _NodeLine(NamedTuple):
    place: str
    cells: list[str]


def conllu_sentences(
    lines: Iterable[str], name: str, column: TagColumn | None = "upos"
) -> Iterator[GivenSentence]:
    r"""The sentences of a file.

    Args:
        lines: of the file, without their ends.
        name: of the file, for messages.
        column: that tags are read from; universal tags must be known ones. `None` reads none.

    Raises:
        UserError: a line has not ten columns, its number does not follow the one before, a form is
            empty, or a universal tag is unknown; names the file and the line.

    Example:
        >>> lines = ["1\tdo\t_\tAUX\t_\t_\t_\t_\t_\tSpaceAfter=No", "2\tn't\t_\tPART" + "\t_" * 6]
        >>> [sentence] = conllu_sentences(lines, "a.conllu")
        >>> [(token.text, token.words, token.space_after) for token in sentence.tokens]
        [('do', (('do', 'AUX'),), False), ("n't", (("n't", 'PART'),), True)]
    """
    held: list[_NodeLine] = []
    first, comments = 0, set[str]()
    for number, line in enumerate(chain(lines, [""]), start=1):
        if line.startswith("#") and not held:
            comments.update(line.removeprefix("#").split()[:1])
        elif line.strip():
            first = first if held else number
            held.append(_checked(line, f"{name}, line {number}"))
        elif held:
            yield GivenSentence(
                tuple(_tokens(held, column)),
                first,
                begins_document="newdoc" in comments,
                begins_paragraph="newpar" in comments,
            )
            held, comments = [], set()


def _checked(line: str, place: str) -> _NodeLine:
    cells = line.split("\t")
    if len(cells) != _NUM_COLUMNS:
        raise UserError(
            f"broken columns: {place} has {len(cells)} of them: {line[:60]!r}. Expected "
            f"{_NUM_COLUMNS} with tabs between, as CoNLL-U has. Fix the line; files of other "
            "columns are read with the tagger column:TAG (--tagger)."
        )
    if not cells[1].strip():
        raise UserError(f"empty form: {place}. Expected a word in the second column. Fix the line.")
    return _NodeLine(place, cells)


def _tokens(lines: Sequence[_NodeLine], column: TagColumn | None) -> Iterator[SurfaceToken]:
    """The tokens of a sentence in order: words, and multiword tokens with the words in them."""
    held: list[tuple[str, str]] = []
    surface, last, expected = "", 0, 1
    space_after = True
    for place, cells in lines:
        number = _ID.fullmatch(cells[0])
        if number is None:
            raise _wrong_number(place, cells[0], expected)
        if number["empty"] or number["zero"]:
            continue
        if int(number["number"]) != expected:
            raise _wrong_number(place, cells[0], expected)
        if number["last"]:
            surface, last, space_after = cells[1], int(number["last"]), _has_space(cells)
            if held or last < expected:
                raise _wrong_number(place, cells[0], expected)
            held = []
            continue
        word = cells[1], _tag(cells, column, place)
        if expected > last:
            yield SurfaceToken(word[0], (word,), _has_space(cells))
        else:
            held.append(word)
            if expected == last:
                yield SurfaceToken(surface, tuple(held), space_after)
                held = []
        expected += 1
    if held:
        raise UserError(
            f"broken token: {lines[-1].place} ends the sentence, and the token {surface!r} has "
            f"words up to number {last}. Expected all of them. Fix the file."
        )


def _wrong_number(place: str, cell: str, expected: int) -> UserError:
    return UserError(
        f"wrong number of a word: {place} has {cell!r}. Expected {expected}; numbers begin at 1 in "
        "each sentence, and an empty line ends one. Fix the file."
    )


def _has_space(cells: Sequence[str]) -> bool:
    return "SpaceAfter=No" not in cells[-1].split("|")


def _tag(cells: Sequence[str], column: TagColumn | None, place: str) -> str:
    if column is None:
        return NO_TAG
    tag = cells[_PLACES[column]].strip() or NO_TAG
    if column == "upos" and tag != NO_TAG and tag not in UPOS:
        raise UserError(
            f"unknown universal tag: {tag!r} of {cells[1]!r}: {place}. Expected one of "
            f"{', '.join(UPOS)}, or {NO_TAG} for none.{did_you_mean(tag, UPOS)} Fix the line, or "
            "read the fifth column (--tagger conllu:xpos)."
        )
    return tag
