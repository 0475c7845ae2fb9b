"""How much of a text a tokenizer has no entry for."""

from __future__ import annotations

NOTED_SHARE = 0.01
"""Share of unknown tokens above which preparation notes it. A tokenizer of the same language and
kind of text stays under a thousandth; at a hundredth every few sentences have a gap."""


def unknown_note(num_unknown: int, num_tokens: int) -> str | None:
    """A sentence on a text with many unknown tokens; `None` if there are few.

    Args:
        num_unknown: unknown tokens.
        num_tokens: all tokens of text.

    Example:
        >>> unknown_note(30, 1000)
        'The tokenizer has no entry for 3.0 % of the tokens (30 of 1,000): they are unknown, ...'
        >>> unknown_note(3, 1000) is None
        True
    """
    if num_unknown <= NOTED_SHARE * num_tokens:
        return None
    return (
        f"The tokenizer has no entry for {num_unknown / num_tokens:.1%} of the tokens "
        f"({num_unknown:,} of {num_tokens:,}): they are unknown, all alike to a model, and never "
        "masked. Use a tokenizer of this language and kind of text, or train a byte-level one "
        "(--tokenizer-kind bpe), to which nothing is unknown."
    ).replace("%", " %", 1)
