"""How many rows a masking of whole words would leave without any masked token."""

from __future__ import annotations

from tidemask.corpus.store.rows import Rows

RATIO = 0.15
"""The masking ratio that the note speaks of: BERT's."""

MIN_SHARE = 0.02
"""Rows with nothing masked, as a share, from which on it is said."""

_TIMES_TOKENS = 2.0
"""How much larger the share must be than for single tokens: short rows alone are no long words."""

_SHORTER = {"unicode": " (with dictionaries for scripts without spaces)", "tokenizer": ""}
"""Rules whose words are short in most scripts, with a remark on each."""


class RowsUnmasked:
    """Expected shares of the rows with nothing masked, in whole words and in single tokens.

    Each word is selected by itself with the probability `RATIO`, so in a row of `n` words none is
    with the probability `(1 - RATIO) ** n`.
    """

    def __init__(self) -> None:
        self._num_rows = self._length = 0
        self._in_words = self._in_tokens = 0.0

    def add(self, rows: Rows) -> None:
        """Count full rows; a short one at the end is not."""
        is_full = rows.length == rows.input_ids.shape[1]
        self._num_rows += int(is_full.sum())
        self._length = rows.input_ids.shape[1]
        words = rows.word_start[is_full].sum(axis=1)
        self._in_words += float(((1 - RATIO) ** words).sum())
        self._in_tokens += float(((1 - RATIO) ** rows.length[is_full]).sum())

    def note(self, words: str) -> str | None:
        """One sentence for the user, where words are so long that many rows would have none.

        Args:
            words: the rule by which words were cut, which is no advice then.
        """
        share = self._in_words / max(1, self._num_rows)
        if share < MIN_SHARE or self._in_words < _TIMES_TOKENS * self._in_tokens:
            return None
        rules = (f"--words {rule}{of}" for rule, of in _SHORTER.items() if rule != words)
        return (
            f"Words are so long that {share:.0%} of the sequences would have nothing masked at "
            f"{RATIO:.0%} in whole words (masking.unit=word). They were cut by --words {words}: "
            f"try {' or '.join(rules)}, sequences of more than {self._length} tokens "
            "(--sequence-length), or single tokens (masking.unit=token)."
        )
