"""Which documents are held out: a share of the words, the same for the same texts.

Documents are taken in the order of their hashes, so that the choice is a sample, does not depend on
the order of the sources, and stays nearly the same when documents are added. One that would carry
the held-out split too far is passed over. Where that misses the share, because documents are long
for it, the choice is the sum of words that comes nearest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.05
"""Maximum deviation from the words asked for, as a share of them, where documents allow."""

_STEPS = 500
"""Steps in which sums of words are counted up to the words asked for."""

_Numbers = NDArray[np.int64]


def chosen_for_held_out(
    places: NDArray[np.uint64], num_words: NDArray[np.integer[Any]], share: float
) -> NDArray[np.bool_]:
    """Which documents are held out, shape [n]; one at least, and not all, where there are two.

    Args:
        places: hash of each document, shape [n]; documents with one hash stay together.
        num_words: words of each, 0 or more, shape [n].
        share: of the words to hold out, in [0, 1); 0 holds out nothing.

    Example:
        >>> import numpy as np
        >>> places = np.array([7, 3, 5, 1], np.uint64)
        >>> chosen_for_held_out(places, np.array([10, 20, 10, 60]), 0.3)
        array([False,  True,  True, False])
    """
    if not len(places):
        return np.zeros(0, np.bool_)
    order = np.argsort(places, kind="stable")
    places = places[order]  # frees those of the caller, who has no other use for them
    begins = np.ones(len(order), np.bool_)
    begins[1:] = places[1:] != places[:-1]
    del places
    words = np.add.reduceat(num_words[order], np.flatnonzero(begins), dtype=np.int64)
    if share == 0 or len(words) < 2:
        return np.zeros(len(order), np.bool_)
    np.maximum(words, 1, out=words)
    target = share * int(words.sum())
    chosen = _first_that_fit(words, target)
    if abs(words[chosen].sum() - target) > TOLERANCE * target or not chosen.any() or chosen.all():
        chosen = _nearest_sum(words, target)
    found = np.empty(len(order), np.bool_)
    found[order] = np.append(False, chosen)[np.cumsum(begins)]
    return found


def _first_that_fit(words: _Numbers, target: float) -> NDArray[np.bool_]:
    """The first groups up to the target, then later ones that fit, until it is met."""
    chosen = np.zeros(len(words), np.bool_)
    together = np.cumsum(words)
    num_first = int(np.searchsorted(together, target, side="right"))
    chosen[:num_first] = True
    total = int(together[num_first - 1]) if num_first else 0
    del together
    most, least = target * (1 + TOLERANCE), target * (1 - TOLERANCE)
    for index in np.flatnonzero(words[num_first:] <= most - total) + num_first:
        if total >= least:
            break
        if total + words[index] <= most:
            chosen[index] = True
            total += int(words[index])
    return chosen


def _nearest_sum(words: _Numbers, target: float) -> NDArray[np.bool_]:
    """The groups, some but not all, whose sum is nearest to the target, up to small steps.

    A sum is reached by the first groups that reach it; sums of twice the target are not tried.
    """
    steps = np.maximum(1, np.rint(words * (_STEPS / target)).astype(np.int64))
    reached_by = np.full(2 * _STEPS + 1, -1, np.int64)  # the last group of a sum in steps
    reached_by[0] = len(words)
    for index, step in enumerate(steps.tolist()):
        if step < len(reached_by):
            before = reached_by[:-step]
            is_new = (before >= 0) & (reached_by[step:] < 0)
            reached_by[step:][is_new] = index
    sums = np.flatnonzero(reached_by >= 0)[1:]
    for total in sorted(sums.tolist(), key=lambda sum_: (abs(sum_ - _STEPS), sum_)):
        chosen = np.zeros(len(words), np.bool_)
        while total:
            chosen[reached_by[total]] = True
            total -= int(steps[reached_by[total]])
        if not chosen.all():
            return chosen
    smallest: NDArray[np.bool_] = np.arange(len(words)) == words.argmin()
    return smallest
