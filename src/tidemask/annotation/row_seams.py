"""Whether a word goes on from a row to the next, which rows do not say: each begins with a word."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tidemask.corpus.tokenizing.tokenizer import PlainTextEncoder

_UNDECODED = "\ufffd"


class RowSeams:
    """Tells it from what the last token of a row and the first of the next spell together.

    They are of one word if no space is between and both have a letter or digit there, or half a
    character; or if the first is the mark of a space alone.
    """

    def __init__(self, encoder: PlainTextEncoder) -> None:
        """Spell tokens as the tokenizer of a corpus does."""
        self._backend = Tokenizer.from_str(encoder.serialised)
        self._is_one_word = lru_cache(maxsize=1 << 16)(self._spell_one_word)

    def joined(
        self, ids: NDArray[Any], starts: NDArray[np.bool_], seams: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """The word starts of a document [N], without those within a word.

        Args:
            ids: of its tokens [N].
            starts: as the rows have them [N].
            seams: where its tokens begin a row, but for the first.
        """
        joined = starts.copy()
        for seam in seams.tolist():
            joined[seam] = not self._is_one_word(int(ids[seam - 1]), int(ids[seam]))
        return joined

    def _spell_one_word(self, before: int, after: int) -> bool:
        first = str(self._backend.decode([before], skip_special_tokens=False))
        both = str(self._backend.decode([before, after], skip_special_tokens=False))
        rest = both[len(first) :]
        if not first.strip(" ") or (_UNDECODED in first[-1:] and not rest[:1].isspace()):
            return True
        return first[-1:].isalnum() and (rest[:1].isalnum() or _UNDECODED in rest[:1])
