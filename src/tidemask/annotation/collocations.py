"""Which n-grams of words are collocations: those that occur together more often than their parts.

The measure of Levine, Lenz, Lieber, Abend, Leyton-Brown, Tennenholtz and Shoham, "PMI-Masking:
Principled masking of correlated spans" (ICLR 2021), equation 3: over all ways to cut an n-gram into
two parts or more,

    PMI_n(w_1 ... w_n) = min ln(p(w_1 ... w_n) / product of p(part))

where `p` is the share of occurrences among the words of the corpus. An n-gram is no collocation if
any cut explains it. As theirs, lists are made by length, as the measure grows with it: half of the
list are pairs, a quarter has three words, an eighth four and an eighth five.

Deviations: their list has 800,000 n-grams, which marked half of the tokens of Wikipedia and
BookCorpus. Here a list ends there, or where its occurrences have half of the corpus' words, counted
with overlaps: a small corpus then has a short list, and not every n-gram that is frequent. One of a
measure of 0 or less is never listed. Words are as the tokenizer has them, and not in small letters.
The lists that they published rank by another measure, with the square of `p(w_1 ... w_n)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.bounded_counts import CountTable
from tidemask.annotation.document_words import WordKeys
from tidemask.annotation.ngrams import Ngrams, is_listed

MAX_COLLOCATIONS = 800_000
"""N-grams of a list at most."""

MAX_COVERED = 0.5
"""Share of the corpus' words that their occurrences have at most."""

_SHARES = {2: 4, 3: 2, 4: 1, 5: 1}
"""Shares of the list by the number of words; without the longest, those that are left."""


@dataclass(frozen=True)
class RankedNgrams:
    """The n-grams of one length, the best first.

    Attributes:
        keys: uint64 [K].
        covered: words in the occurrences of each and of those before it, [K].
    """

    keys: WordKeys
    covered: NDArray[np.int64]


def scores(passed: Iterable[Ngrams], tables: Sequence[CountTable]) -> list[NDArray[np.float64]]:
    """`PMI_n` of each n-gram of the tables, which have one for each length from 1.

    A key does not say which parts its n-gram has, so each is scored where it occurs.

    Args:
        passed: the n-grams of the documents that were counted.
        tables: counts of the frequent n-grams.
    """
    found = [np.full(len(table), -np.inf) for table in tables]
    for ngrams in passed:
        shares = [_log_shares(ngrams, length, tables) for length in range(1, len(tables) + 1)]
        best = [shares[0]]  # by length: the most probable cut, the n-gram itself among them
        for length in range(2, len(tables) + 1):
            listed = np.isfinite(shares[length - 1])
            cut = np.full(len(listed), -np.inf)
            for first in range(1, length):
                rest = np.roll(best[length - first - 1], -first)
                cut = np.maximum(cut, shares[first - 1] + rest)
            best.append(np.maximum(shares[length - 1], cut))
            listed &= np.isfinite(cut)
            table = tables[length - 1]
            places = np.searchsorted(table.keys, ngrams.keys[length - 1][listed])
            found[length - 1][places] = shares[length - 1][listed] - cut[listed]
    return found


def _log_shares(ngrams: Ngrams, length: int, tables: Sequence[CountTable]) -> NDArray[np.float64]:
    """`ln p` of the n-gram of a length that begins at each word, [W]; -inf if it is not listed."""
    table = tables[length - 1]
    listed = is_listed(ngrams, length, table)
    shares = np.full(len(listed), -np.inf)
    shares[listed] = np.log(table.of(ngrams.keys[length - 1][listed]) / tables[0].total)
    return shares


def chosen_collocations(
    tables: Sequence[CountTable], found: Sequence[NDArray[np.float64]]
) -> list[WordKeys]:
    """The keys of the list for each length from 2, in ascending order.

    Args:
        tables: counts, for each length from 1.
        found: scores of the n-grams of the tables.
    """
    ranked = [
        _ranked(table, of_table, length)
        for length, (table, of_table) in enumerate(zip(tables, found, strict=True), start=1)
        if length > 1
    ]
    sizes = _sizes(ranked, MAX_COVERED * tables[0].total)
    return [np.sort(each.keys[:size]) for each, size in zip(ranked, sizes, strict=True)]


def _ranked(table: CountTable, of_table: NDArray[np.float64], length: int) -> RankedNgrams:
    order = np.lexsort((table.keys, -of_table))
    order = order[of_table[order] > 0]
    return RankedNgrams(table.keys[order], np.cumsum(table.counts[order]) * length)


def _sizes(ranked: Sequence[RankedNgrams], most_covered: float) -> list[int]:
    """How many of each length are listed: the largest list that keeps to both bounds."""
    shares = np.array([_SHARES[length] for length in range(2, len(ranked) + 2)])
    fewest, most = 0, MAX_COLLOCATIONS
    while fewest < most:
        number = (fewest + most + 1) // 2
        if _covered(ranked, _divided(number, shares)) <= most_covered:
            fewest = number
        else:
            most = number - 1
    sizes = _divided(fewest, shares)
    return [min(size, len(each.keys)) for size, each in zip(sizes, ranked, strict=True)]


def _divided(number: int, shares: NDArray[np.int64]) -> list[int]:
    """A list of so many n-grams by length; those of two words take the rest."""
    sizes: NDArray[np.int64] = number * shares // shares.sum()
    sizes[0] += number - sizes.sum()
    return [int(size) for size in sizes]


def _covered(ranked: Sequence[RankedNgrams], sizes: Sequence[int]) -> int:
    pairs = zip(ranked, sizes, strict=True)
    return sum(
        int(each.covered[min(size, len(each.keys)) - 1])
        for each, size in pairs
        if size and len(each.keys)
    )
