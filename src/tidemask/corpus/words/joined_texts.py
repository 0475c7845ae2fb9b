"""Texts as one text, whose characters are looked at once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np

from tidemask.corpus.words.spans import Words

WordsOfText = Callable[[str], Words]
"""Finds the words of a text; none goes on after the end of a line."""


class JoinedTexts:
    r"""Texts with the end of a line between each two.

    Args:
        texts: are joined.

    Attributes:
        texts: as they were given.
        text: all of them.
        begins: offset of the first character of each, int32 [texts].

    Example:
        >>> from tidemask.corpus.words.spans import Words
        >>> joined = JoinedTexts(["the sea", "is calm"])
        >>> joined.text, joined.begins.tolist()
        ('the sea\nis calm', [0, 8])
        >>> joined.words([Words.of([(0, 3), (4, 7)]), Words.of([(0, 2)])]).starts.tolist()
        [0, 4, 8]
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.text = "\n".join(texts)
        begins = list(accumulate((len(text) + 1 for text in texts), initial=0))
        self.begins = np.array(begins[:-1], np.int32)

    def words(self, of_texts: Sequence[Words]) -> Words:
        """The words of each text as words of all, with offsets in the joined one.

        Raises:
            ValueError: of other than all texts.
        """
        if len(of_texts) != len(self.texts):
            raise ValueError(f"words of {len(of_texts)} texts. Expected {len(self.texts)}.")
        if not of_texts:
            return Words.of([])
        begins = self.begins.repeat([len(words.starts) for words in of_texts])
        starts = np.concatenate([words.starts for words in of_texts]) + begins
        return Words(starts, np.concatenate([words.ends for words in of_texts]) + begins)
