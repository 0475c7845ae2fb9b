"""Which tokens begin a word, where the words of the text are known.

A token begins a word if no token before it reaches into the word in which it begins itself. So the
tokens of a word stay together, whatever the tokenizer cuts there, be it at an added token or at a
combining mark; and a token that spans several words, as a SentencePiece `▁of▁the` does, joins them
into one, with all tokens that share a word with it.

A token of white space alone belongs to the word that it stands in; else to the word after it, if it
is its mark of a space (the pre-tokenizer has both in one piece, or it is the one space before an
added token); else it is a word by itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.words.spans import Words
from tidemask.corpus.words.white_space import is_white_space


def token_starts(
    text: str,
    words: Words,
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    pieces: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """Whether each token begins a word; the first always does.

    Args:
        text: the text that was encoded.
        words: of the text. Characters that are in none and are not white space are words, too: one
            from each that follows a word or white space.
        starts: offset of each token's first character, ascending, shape [N].
        ends: offset after each token's last character, shape [N].
        pieces: the pre-tokenizer's number of each token's piece of the text, shape [N].

    Returns:
        Bool, shape [N]; the arguments are not changed.

    Example:
        >>> import numpy as np
        >>> from tidemask.corpus.words.boundaries import unicode_words
        >>> text, starts, ends = "the sea is.", np.array([0, 3, 6]), np.array([3, 6, 11])
        >>> token_starts(text, unicode_words(text), starts, ends, pieces=starts).tolist()
        [True, True, False]
    """
    if not len(starts):
        return np.empty(0, np.bool_)
    is_space = is_white_space(text)
    first = _next_visible(is_space)[starts]
    is_blank = first >= ends
    last = _previous_visible(is_space)[np.maximum(ends - 1, 0)]
    numbers, is_inside = _numbers(is_space, words)

    # A blank token reaches into the word that it stands in, or into none.
    within = np.where(is_inside[starts], numbers[starts], -1)
    begins_in = np.where(is_blank, within, numbers[first])
    reaches = np.maximum.accumulate(np.where(is_blank, within, numbers[last]))
    is_start = np.ones(len(starts), np.bool_)
    is_new = begins_in[1:] > reaches[:-1]
    is_mark = is_blank[:-1] & (within[:-1] < 0)
    for place in np.flatnonzero(is_mark & (pieces[1:] != pieces[:-1])).tolist():
        is_mark[place] = text[starts[place] : first[place + 1]] == " "
    stands_alone = is_blank[1:] & (within[1:] < 0)
    is_start[1:] = np.where(is_mark, False, stands_alone | is_new)
    return is_start


def _numbers(
    is_space: NDArray[np.bool_], words: Words
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Number of each character's word, or of the last before it; and whether it is inside one.

    Shape [characters + 1] each; the end is inside none.
    """
    change = np.zeros(len(is_space), np.int8)
    change[words.starts] = 1
    np.add.at(change, words.ends, -1)
    is_inside = np.cumsum(change).astype(np.bool_)
    is_begin = np.zeros(len(is_space), np.bool_)
    is_begin[words.starts] = True
    # Visible characters that no word has: a word from the first on.
    is_left = ~is_inside & ~is_space
    is_begin[1:] |= is_left[1:] & ~is_left[:-1]
    is_begin[0] |= is_left[0]
    return np.cumsum(is_begin) - 1, is_inside


def _next_visible(is_space: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the first character at or after each that is not white space; else the end."""
    places = np.where(is_space, len(is_space) - 1, np.arange(len(is_space)))
    return np.minimum.accumulate(places[::-1])[::-1]


def _previous_visible(is_space: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the last character at or before each that is not white space; else 0."""
    return np.maximum.accumulate(np.where(is_space, 0, np.arange(len(is_space))))
