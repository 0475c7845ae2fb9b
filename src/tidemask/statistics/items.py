"""The difference of an arm to the baseline over seeds x items: for other seeds and other text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from tidemask.errors import UserError
from tidemask.statistics.estimate import CONFIDENCE, Estimate
from tidemask.statistics.samples import ROUNDING, Floats, Samples

RESAMPLES = 2000
"""Of the bootstrap: its ends are then known to about a tenth of the standard error."""

_CHUNK = 200
"""Resamples in memory at once."""


@dataclass(frozen=True, kw_only=True)
class Items:
    """What a measure adds up over items, such as sequences or examples, of every run.

    The measure is the mean over its cells of total sum / total count: one cell for an accuracy or
    one held-out loss, six for the mean of six held-out losses.

    Attributes:
        sums: by arm and seed, floats `[N]` or `[N, C]` of N items in C cells: summed nats of a
            sequence, or 1 for an example that is right.
        counts: what the sums are divided by, of the shape of one array of `sums` and the same for
            all runs: predicted tokens of a sequence. `None` for 1 each.
    """

    sums: Mapping[str, Mapping[int, ArrayLike]]
    counts: ArrayLike | None = None

    def of(self, arm: str, seeds: Sequence[int]) -> Floats:
        """The sums of some runs of an arm, float64 `[S, N, C]`.

        Raises:
            UserError: a run is missing, or has another number of items, or a value is not finite.
        """
        return np.stack([self._run(arm, seed) for seed in seeds])

    def values(self, arm: str, seeds: Sequence[int]) -> Floats:
        """The measure of some runs of an arm, float64 `[S]`; errors as of `of`."""
        counts = self.cell_counts
        return np.asarray((self.of(arm, seeds).sum(1) / counts.sum(0)).mean(1))

    @cached_property
    def cell_counts(self) -> Floats:
        """Counts, float64 `[N, C]`.

        Raises:
            UserError: they are of another shape than the sums, or negative, or a cell has none.
        """
        shape = self._shape
        counts = np.ones(shape) if self.counts is None else np.asarray(self.counts, np.float64)
        if counts.shape != shape or counts.ndim not in (1, 2) or len(counts) < 2:
            raise UserError(
                f"items: counts have the shape {counts.shape}, sums {shape}. "
                "Expected one shape, [N] or [N, C], with at least 2 items."
            )
        counts = counts.reshape(len(counts), -1)
        if not (np.isfinite(counts).all() and (counts >= 0).all() and (counts.sum(0) > 0).all()):
            raise UserError(
                f"items: counts from {counts.min():g} to {counts.max():g}. "
                "Expected numbers of at least 0, and in each cell one above 0."
            )
        return counts

    @property
    def _shape(self) -> tuple[int, ...]:
        """That of every array of sums, as the first has it."""
        return next((np.shape(sums) for runs in self.sums.values() for sums in runs.values()), ())

    def _run(self, arm: str, seed: int) -> Floats:
        if seed not in self.sums.get(arm, {}):
            raise UserError(
                f"items: none of arm {arm}, seed {seed}. Expected those of every run that has a "
                "value. Leave out the items, or that run."
            )
        sums = np.asarray(self.sums[arm][seed], dtype=np.float64)
        if sums.shape != self._shape:
            raise UserError(
                f"items: arm {arm}, seed {seed} has sums of the shape {sums.shape}. "
                f"Expected {self._shape} as in the other runs, measured on the same items."
            )
        if not np.isfinite(sums).all():
            raise UserError(
                f"items: arm {arm}, seed {seed} has a sum that is not finite. Leave out that run."
            )
        return sums.reshape(self.cell_counts.shape)


@dataclass(frozen=True, kw_only=True)
class ItemDifference:
    """A difference with seeds and items as two random samples, crossed: every run has every item.

    Attributes:
        num_items: N.
        estimate: mean and t-interval, `None` with one seed. Its variance is that of crossed random
            effects, without bias; its degrees of freedom are Satterthwaite's.
        bootstrap_low: lower end of the percentile interval of the Multi-Bootstrap as published, at
            `CONFIDENCE`. With few seeds it is too narrow and decides nothing:
            `tests/statistics/test_coverage.py` measures by how much.
        bootstrap_high: its upper end.
        item_variance: of the mean, because the items are a sample; more seeds do not reduce it.
    """

    num_items: int
    estimate: Estimate | None
    bootstrap_low: float | None
    bootstrap_high: float | None
    item_variance: float


def item_difference(
    items: Items, arm: str, baseline: str, samples: Samples, *, draws_seed: int = 0
) -> ItemDifference:
    """Compares an arm with the baseline over seeds and items, paired over items.

    Seeds are paired as in `samples`.

    Raises:
        UserError: items do not fit each other.
    """
    ours = items.of(arm, samples.arm_seeds)
    theirs = items.of(baseline, samples.baseline_seeds)
    sides = [ours - theirs] if samples.paired else [ours, -theirs]
    counts = items.cell_counts
    num_items = len(counts)
    if min(map(len, sides)) < 2:
        return ItemDifference(
            num_items=num_items,
            estimate=None,
            bootstrap_low=None,
            bootstrap_high=None,
            item_variance=0.0,
        )
    estimate, item_variance = crossed(sides, counts)
    ends = multi_bootstrap(sides, counts, np.random.default_rng(draws_seed))
    return ItemDifference(
        num_items=num_items,
        estimate=estimate,
        bootstrap_low=None if ends is None else ends[0],
        bootstrap_high=None if ends is None else ends[1],
        item_variance=item_variance,
    )


def crossed(sides: Sequence[Floats], counts: Floats) -> tuple[Estimate | None, float]:
    """The t-interval of crossed random effects, and the part of its variance that is the items'.

    A side is `x[s, i] = mean + a[s] + b[i] + e[s, i]` with S seeds and N items. The means of the
    seeds vary by `var(a) + var(e) / N`, those of the items by `var(b) + var(e) / S`. The variance
    of the whole mean is the first over S, plus the second over N, minus `var(e) / (S N)`, which is
    in both. Ratios of sums are made means of items by their first derivative.

    With two seeds the degrees of freedom are 1: Satterthwaite's would be too many, and the interval
    too narrow.

    Args:
        sides: sums, float64 `[S, N, C]`, each a group of runs that is a sample by itself: the
            differences of pairs, or the arm and, with minus signs, the baseline. The measure is
            the sum of the sides' means.
        counts: float64 `[N, C]`.

    Returns:
        `None` where nothing varies; and a variance of the mean.

    References:
        Satterthwaite, An approximate distribution of estimates of variance components, 1946;
        Searle, Casella and McCulloch, Variance components, 1992, for the estimators
        without bias; Owen, The pigeonhole bootstrap, 2007, for the variance of a crossed mean.
    """
    linear = [_influence(side, counts) for side in sides]
    of_items = np.asarray(sum(x.mean(0) for x in linear))
    of_seeds = [x.mean(1) for x in linear]
    variances = np.array([means.var(ddof=1) / len(means) for means in (*of_seeds, of_items)])
    dfs = np.array([len(means) - 1 for means in (*of_seeds, of_items)])
    shared = sum(_interaction(x) / x.size for x in linear)
    variance = max(variances.sum() - shared, variances[:-1].sum(), variances[-1])
    if variance <= (ROUNDING * np.abs(of_items).max()) ** 2:
        return None, 0.0
    df = 1.0 if dfs.min() == 1 else float(variance**2 / (variances**2 / dfs).sum())
    estimate = Estimate.of(float(of_items.mean()), float(variance**0.5), df)
    return estimate, max(float(variances[-1]) - shared, 0.0)


def _interaction(x: Floats) -> float:
    """Variance `var(e)` of what is neither a seed's nor an item's; `[S, N]`."""
    rest = x - x.mean(1, keepdims=True) - x.mean(0) + x.mean()
    return float((rest**2).sum() / ((x.shape[0] - 1) * (x.shape[1] - 1)))


def _influence(side: Floats, counts: Floats) -> Floats:
    """Sums `[S, N, C]` as values `[S, N]` whose mean over seeds and items is the measure.

    `measure + N / C Σ_c (sum - ratio_c count) / total_c`, where `ratio_c` is that of the mean run.
    """
    totals = counts.sum(0)
    ratios = side.mean(0).sum(0) / totals
    deviations = (side - ratios * counts) / totals
    return np.asarray(ratios.mean() + len(counts) * deviations.mean(2))


def multi_bootstrap(
    sides: Sequence[Floats], counts: Floats, rng: np.random.Generator, *, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """Percentile interval of draws of seeds and of items, both with replacement.

    Arguments as of `crossed`; each side draws its seeds by itself, and all have the same items.
    A draw whose items count nothing in some cell has no measure and is left out: the interval is
    that of the others, `None` where there are none.

    References:
        Sellam et al., The MultiBERTs: BERT reproductions for robustness analysis, 2022, section 3.
    """
    num_items = len(counts)
    drawn = []
    for _ in range(0, resamples, _CHUNK):
        times = rng.multinomial(num_items, np.full(num_items, 1 / num_items), _CHUNK).astype(float)
        sums = np.zeros((_CHUNK, counts.shape[1]))
        for side in sides:
            num_seeds = len(side)
            share = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), _CHUNK)
            by_seed = np.tensordot(times, side, (1, 1))  # [draws, S, C]
            sums += (share[:, :, None] / num_seeds * by_seed).sum(1)
        totals = times @ counts
        has_all = (totals > 0).all(1)
        drawn.append((sums[has_all] / totals[has_all]).mean(1))
    measures = np.concatenate(drawn)
    if not measures.size:
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(measures, [tail, 1 - tail])
    return float(low), float(high)
