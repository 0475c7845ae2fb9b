"""What it does to a final that its finalists were chosen on the text that decides.

`python benchmarks/statistics/coverage.py selection` prints the table.
"""

from __future__ import annotations

import numpy as np

from tidemask.statistics import CONFIDENCE
from tidemask.statistics.items import crossed

_POLICIES, _CHOSEN, _SEEDS = 20, 2, 3
_READ_BY_RUNGS = 256


def of_selection(
    num_items: int, *, seeds: float, items: float, rest: float, is_split: bool, trials: int
) -> tuple[float, float]:
    """A search among policies of equal worth, and its final of three new seeds.

    Args:
        num_items: held-out sequences.
        seeds: standard deviation between the seeds of a policy, less those of the constant.
        items: between the sequences; a policy keeps its luck with them from rung to final.
        rest: of what is neither a seed's nor a sequence's.
        is_split: whether the rung reads one half of the sequences and the final the other.
        trials: made-up searches.

    Returns:
        Share of the finals that call a finalist better, of which none is: 0.025 is right. And the
        mean width of the interval of a difference.
    """
    rng = np.random.default_rng(5)
    first = num_items // 2 if is_split else num_items
    read = np.linspace(0, first - 1, min(first, _READ_BY_RUNGS)).astype(int)
    decides = slice(first if is_split else 0, num_items)
    hits, widths = 0, []
    for _ in range(trials):
        luck = items * rng.standard_normal((_POLICIES, num_items))
        in_rung = luck[:, read] + rest * rng.standard_normal((_POLICIES, len(read)))
        losses = in_rung.mean(1) + seeds * rng.standard_normal(_POLICIES)
        p, better = [], []
        for policy in np.argsort(losses)[:_CHOSEN]:
            of_seeds = seeds * rng.standard_normal((_SEEDS, 1))
            of_rest = rest * rng.standard_normal((_SEEDS, num_items))
            runs = (luck[policy] + of_seeds + of_rest)[:, decides, None]
            found, _ = crossed([runs], np.ones((runs.shape[1], 1)))
            assert found is not None, "everything varies"
            p.append(found.p)
            better.append(found.mean < 0)
            widths.append(found.high - found.low)
        order = np.argsort(p)  # Holm's rule for two
        is_first = p[order[0]] <= (1 - CONFIDENCE) / 2
        is_second = is_first and p[order[1]] <= 1 - CONFIDENCE
        hits += (is_first and better[order[0]]) or (is_second and better[order[1]])
    return hits / trials, float(np.mean(widths))
