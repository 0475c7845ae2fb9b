"""Words of a row as a reader sees them: what is said of each beside it, those of a group as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from tidemask.inspection.row_words import RowWord
from tidemask.report.corpus_page import SampleWord


def shown_words(words: Sequence[RowWord], *, in_tokens: bool) -> list[SampleWord]:
    """The words with their classes or weights; those of one group, side by side, are one.

    Args:
        words: of a stretch of a row.
        in_tokens: whether the tokens of each word are shown, with a sign between them.

    Example:
        >>> from tidemask.inspection.row_words import RowWord
        >>> words = [RowWord(text, (text,), None, text, group=4) for text in ("heart", "failure")]
        >>> [word.text for word in shown_words(words, in_tokens=False)]
        ['heart failure']
    """
    heaviest = max((word.weight or 0 for word in words), default=0)
    shown = []
    for (group, _), members in groupby(enumerate(words), key=_unit):
        of_unit = [word for _, word in members]
        text = " ".join(word.shown_tokens if in_tokens else word.text for word in of_unit)
        label, shade = of_unit[0].class_name, 0.0
        if weight := of_unit[0].weight:
            label, shade = f"{weight:.2g}", weight / heaviest
        shown.append(SampleWord(text, label, shade=shade, is_group=group is not None))
    return shown


def _unit(numbered: tuple[int, RowWord]) -> tuple[int | None, int | None]:
    """The group of a word, or the word itself."""
    number, word = numbered
    return (None, number) if word.group is None else (word.group, None)


def says_nothing(words: Iterable[RowWord]) -> bool:
    """Whether no word has a class, a weight or a group."""
    return not any(word.class_name or word.weight or word.group is not None for word in words)
