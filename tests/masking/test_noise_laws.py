"""The laws of uniform, independent numbers, which the draws have to obey.

Every test is seeded and rejects at LEVEL: one of `n` tests or bounds at LEVEL / n, two-sided.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from cases import one_in
from tidemask.masking.noise import DRAW_BITS, Purpose, StepKey, Streams

LEVEL = 1e-4
RANGE = 2**DRAW_BITS
MASKING = (Purpose.SELECTION, Purpose.CORRUPTION, Purpose.RANDOM_TOKEN)
AXES = ["position", "sample", "far sample", "step", "seed", "far seed", "purpose"]
axes = pytest.mark.parametrize("axis", one_in(3, AXES))
LAGS = [1, 2, 3, 4, 5, 8, 16, 31, 64, 128, 255]
PURPOSE_LAGS = [1, 2, 3, 4]


def grid(samples, positions, *purposes, seed=7, step=3):
    """Draws as an array, purposes first: [P, B, L]; [B, L] of one purpose."""
    purposes = purposes or (Purpose.SELECTION,)
    samples = torch.as_tensor(samples, dtype=torch.int64)
    streams = Streams(StepKey(seed, step), samples, purposes)
    places = torch.as_tensor(positions, dtype=torch.int32)
    draws = torch.stack([streams.draws(purpose, places) for purpose in purposes])
    return (draws[0] if len(purposes) == 1 else draws).numpy()


def along(axis, num=512, others=1024):
    """Draws [num, others]: rows are neighbours in one coordinate, all else is the same."""
    wide = max(others // 32, 1)
    samples, positions = range(100, 100 + others // wide), range(wide)
    if axis == "position":
        return np.ascontiguousarray(grid(range(others), range(num)).T)
    if axis == "sample":
        return grid(range(num), range(others))
    if axis == "far sample":
        return grid(torch.arange(num) << 32, range(others))
    if axis == "purpose":
        return grid(range(2 * others), range(64), *Purpose).reshape(len(Purpose), -1)
    if axis == "step":
        rows = [grid(samples, positions, step=i) for i in range(num)]
    else:
        shift = {"seed": 0, "far seed": 32}[axis]
        rows = [grid(samples, positions, seed=i << shift) for i in range(num)]
    return np.stack(rows).reshape(num, -1)


def pairs(table, lag):
    """Draws that are `lag` rows apart, no draw used twice."""
    first = np.arange(len(table) - lag)
    first = first[first // lag % 2 == 0]
    return table[first].ravel(), table[first + lag].ravel()


def assert_uniform(draws, level, what):
    assert draws.min() >= 0, what
    result = stats.kstest((draws.ravel() + 0.5) / RANGE, "uniform", method="asymp")
    assert result.pvalue > level, (what, result)


def assert_independent(columns, bits, shift, level, what):
    """Chi-square on the joint bins of `bits` bits of each column, from bit `shift` on."""
    joint = np.zeros(columns[0].shape, dtype=np.int64)
    for column in columns:
        joint = joint << bits | column >> shift & (1 << bits) - 1
    counts = np.bincount(joint, minlength=1 << bits * len(columns))
    result = stats.chisquare(counts)
    assert result.pvalue > level, (what, shift, result)


def assert_uncorrelated(x, y, level, what):
    z = float(np.corrcoef(x, y)[0, 1]) * math.sqrt(x.size)
    assert abs(z) < stats.norm.isf(level / 2), (what, z)


def signs(draws):
    """+1 and -1 for the bits of each draw, [n, 31]."""
    return (draws.ravel()[:, None] >> np.arange(DRAW_BITS) & 1).astype(np.float32) * 2 - 1


def assert_poisson(count, expected, level, what):
    tails = stats.poisson.cdf(count, expected), stats.poisson.sf(count - 1, expected)
    assert min(tails) > level / 2, (what, count, expected)


@axes
@pytest.mark.slow
def test_draws_are_uniform_along(axis):
    """Each column on its own, so that along steps it is one sample and position at all steps."""
    table = along(axis, num=1024, others=64)
    if axis == "purpose":
        table = table.T[:64]
    level = LEVEL / len(AXES) / (table.shape[1] + 1)
    for column in table.T:
        assert_uniform(column, level, axis)
    assert_uniform(table, level, axis)


@axes
def test_neighbouring_draws_are_independent_along(axis):
    table = along(axis)
    lags = PURPOSE_LAGS if axis == "purpose" else LAGS
    level = LEVEL / len(AXES) / len(lags) / 4
    for lag in lags:
        x, y = pairs(table, lag)
        assert_uncorrelated(x, y, level, (axis, lag))
        for shift in (0, 13, 27):
            assert_independent((x, y), 4, shift, level, (axis, lag))


@axes
def test_bits_are_fair_and_independent_along(axis):
    """Each bit, each two bits of a draw, each bit of a draw and one of its neighbour."""
    x, y = pairs(along(axis), 1)
    both = np.concatenate([signs(x), signs(y), np.ones((x.size, 1), np.float32)], axis=1)
    products = both.T @ both / math.sqrt(x.size)
    z = products[np.triu_indices(len(products), 1)]
    worst = float(np.abs(z).max())
    assert worst < stats.norm.isf(LEVEL / len(AXES) / z.size / 2), (axis, worst)


@axes
def test_successive_triples_fill_the_cube(axis):
    table = along(axis)
    table = table[: len(table) // 3 * 3]
    triples = [table[i::3].ravel() for i in range(3)]
    for shift in (0, 14, 28):
        assert_independent(triples, 3, shift, LEVEL / len(AXES) / 3, axis)


@pytest.mark.parametrize("axis", one_in(3, ["position", "sample", "step"]))
def test_runs_up_have_their_lengths(axis):
    """A run ends at the first descent; the draw after it is left out, so that runs are independent.

    Knuth, TAOCP 2, section 3.3.2 G and exercise 14: length r has probability r / (r + 1)!.
    """
    table = along(axis, num=512, others=512).T
    longest = 6
    counts = np.zeros(longest, dtype=np.int64)
    for column in table[:256].tolist():
        length = 1
        draws = iter(column)
        last = next(draws)
        for value in draws:
            if value > last:
                length, last = length + 1, value
                continue
            counts[min(length, longest) - 1] += 1
            length, last = 1, next(draws, -1)
    law = [r / math.factorial(r + 1) for r in range(1, longest)]
    law.append(1 - sum(law))
    result = stats.chisquare(counts, np.array(law) * counts.sum())
    assert result.pvalue > LEVEL / 3, (axis, counts)


@pytest.mark.parametrize("axis", one_in(3, ["sample", "far sample", "step", "seed", "purpose"]))
def test_streams_are_uncorrelated_one_by_one(axis):
    """Not on average only: the correlations of single pairs of streams have their own spread."""
    if axis == "purpose":
        x, y = grid(range(4096), range(512), *MASKING[:2])
    elif axis in ("sample", "far sample"):
        names = torch.arange(8192) << (32 if axis == "far sample" else 0)
        draws = grid(names, range(512))
        x, y = draws[0::2], draws[1::2]
    else:
        x, y = (grid(range(4096), range(512), **{axis: place}) for place in (5, 6))
    unit_x, unit_y = ((draws + 0.5) / RANGE * math.sqrt(12) - math.sqrt(3) for draws in (x, y))
    z = (unit_x * unit_y).sum(axis=1) / math.sqrt(x.shape[1])
    assert stats.kstest(z, "norm", method="asymp").pvalue > LEVEL / 5 / 2, axis
    # The fourth moment of a uniform number of unit variance is 9 / 5.
    spread = math.sqrt((2 + ((9 / 5) ** 2 - 3) / x.shape[1]) / z.size)
    assert abs((z**2).mean() - 1) / spread < stats.norm.isf(LEVEL / 5 / 4), axis


@pytest.mark.parametrize("share", [0.02, 0.15, 0.5])
def test_selected_counts_follow_the_binomial_law(share):
    """Over the positions of a sample, and over the samples at a position."""
    threshold = round(share * RANGE)
    selected = grid(range(2048), range(512)) < threshold
    for axis in (0, 1):
        size = selected.shape[axis]
        inner = stats.binom.ppf(np.linspace(0.05, 0.95, 10), size, threshold / RANGE)
        edges = np.unique(inner)
        bins = np.searchsorted(edges, selected.sum(axis=axis))
        law = np.diff([0, *stats.binom.cdf(edges, size, threshold / RANGE), 1])
        counts = np.bincount(bins, minlength=law.size)
        assert stats.chisquare(counts, law * counts.sum()).pvalue > LEVEL / 6, (share, axis)


@pytest.mark.parametrize("share", [0.02, 0.15])
@pytest.mark.parametrize("num_samples", [4096, pytest.param(2**17, marks=pytest.mark.slow)])
def test_corruption_is_independent_of_selection(share, num_samples):
    """Among the selected places, all draws of masking are uniform and independent."""
    threshold = round(share * RANGE)
    parts = []
    for step in range(num_samples // 2048):
        draws = grid(range(2048), range(512), *MASKING, step=step)
        parts.append(draws[:, draws[0] < threshold])
    selection, corruption, token = np.concatenate(parts, axis=1).astype(np.int64)
    level = LEVEL / 2 / 2 / 12
    columns = {
        "selection": selection * RANGE // threshold,
        "corruption": corruption,
        "token": token,
    }
    for name, column in columns.items():
        assert_uniform(column, level, name)
    for (name, x), (other, y) in itertools.combinations(columns.items(), 2):
        assert_uncorrelated(x, y, level, (name, other))
        assert_independent((x, y), 4, 27, level, (name, other))
    assert_independent((selection, corruption), 4, 0, level, "low bits")
    assert_independent((corruption, token), 4, 0, level, "low bits")
    assert_independent(tuple(columns.values()), 2, 29, level, "all three")


def flipped_share(coordinate, bit, keys, others):
    """How often each output bit changes, [31], when one input bit does."""
    ids = torch.as_tensor(others.integers(2**63, size=64))
    positions = torch.as_tensor(others.integers(2**31, size=64))
    changed = np.zeros(DRAW_BITS)
    for seed, step in keys:
        base = {"samples": ids, "positions": positions, "seed": seed, "step": step}
        flipped = base | {coordinate: base[coordinate] ^ (1 << bit)}
        x, y = (grid(**place) for place in (base, flipped))
        changed += ((x ^ y).ravel()[:, None] >> np.arange(DRAW_BITS) & 1).mean(axis=0)
    return changed / len(keys)


@pytest.mark.parametrize(
    ("coordinate", "num_bits"), [("seed", 64), ("step", 32), ("samples", 63), ("positions", 31)]
)
@pytest.mark.parametrize("num_keys", [2, pytest.param(16, marks=pytest.mark.slow)])
def test_one_changed_bit_changes_every_output_bit_half_of_the_time(coordinate, num_bits, num_keys):
    """At random places, under several keys: 190 input bits, 31 output bits."""
    rng = np.random.default_rng(20240 + num_keys)
    keys = [
        (int(rng.integers(2**64, dtype=np.uint64)), int(rng.integers(2**32)))
        for _ in range(num_keys)
    ]
    share = np.stack([flipped_share(coordinate, bit, keys, rng) for bit in range(num_bits)])
    bound = stats.norm.isf(LEVEL / 2 / (190 * 31) / 2) / math.sqrt(64 * 64 * num_keys) / 2
    worst = np.unravel_index(np.abs(share - 0.5).argmax(), share.shape)
    assert abs(share[worst] - 0.5) < bound, (coordinate, worst, share[worst])


def equal_pairs(draws):
    _, counts = np.unique(draws, return_counts=True)
    return int((counts * (counts - 1) // 2).sum())


@pytest.mark.parametrize("layout", one_in(3, ["rows", "one position", "far samples", "steps"]))
def test_draws_meet_as_often_as_by_chance(layout):
    """Equal pairs among 2**21 draws of different samples: 1024 expected.

    Within one sample, draws before the top bit is dropped are distinct, hence at most 512 of each.
    """
    size = 2**21
    if layout == "rows":
        draws = grid(range(size // 512), range(512))
    elif layout == "steps":
        draws = np.stack([grid(range(64), range(64), step=step) for step in range(512)])
    else:
        draws = grid(torch.arange(size) << (32 if layout == "far samples" else 0), [5])
    assert_poisson(equal_pairs(draws), math.comb(size, 2) / RANGE, LEVEL / 4, layout)


@pytest.mark.parametrize("layout", ["positions", "samples"])
def test_birthday_spacings_repeat_as_often_as_by_chance(layout):
    """Marsaglia's test: m birthdays in 2**31 days have about m**3 / 2**33 equal spacings."""
    draws = grid(range(8192), range(512))
    if layout == "samples":
        draws = draws[:, :32].T[:, :2048]
    births = np.sort(draws, axis=1)
    spacings = np.sort(np.diff(births.astype(np.int64), axis=1), axis=1)
    repeated = int((np.diff(spacings, axis=1) == 0).sum())
    expected = len(births) * births.shape[1] ** 3 / (4 * RANGE)
    assert_poisson(repeated, expected, LEVEL / 2, layout)


def test_streams_of_a_grid_never_meet():
    """Rows of 64 draws all differ; by chance two of these would meet once in 1e590 such tests."""
    seeds = [0, 1, 2**32 - 1, 2**32, 2**33, 2**64 - 1]
    steps = [0, 1, 2, 1 << 24, 2**32 - 1]
    samples = [0, 1, 2, 255, 1 << 24, 2**32 - 1, 2**32, 2**40, 2**63 - 1]
    rows = [
        grid(samples, range(64), *Purpose, seed=seed, step=step).reshape(-1, 64)
        for seed, step in itertools.product(seeds, steps)
    ]
    rows = np.concatenate(rows)
    assert len(rows) == len(seeds) * len(steps) * len(samples) * len(Purpose)
    assert len(np.unique(rows, axis=0)) == len(rows)


@pytest.mark.slow
@pytest.mark.parametrize("lag", [1 << bit for bit in range(24)])
def test_far_positions_of_a_sample_are_independent(lag):
    """2**22 pairs of positions that differ in one bit.

    No sequence is longer. From 2**24 on the law breaks, slightly: only the top bits of the product
    of position and step differ, and the mixing is too short to spread them.
    """
    start = torch.arange(2**16)
    start = (start // lag) * 2 * lag + start % lag
    x, y = (grid(range(64), start + shift).ravel() for shift in (0, lag))
    level = LEVEL / 24 / 5
    assert_uncorrelated(x, y, level, lag)
    for shift in (0, 9, 18, 27):
        assert_independent((x, y), 4, shift, level, (lag, shift))


@pytest.mark.slow
def test_pairs_of_neighbouring_draws_do_not_meet():
    """Among 2**24 pairs of 62 bits, two would be equal once in 32,000 such tests."""
    draws = grid(range(2**15), range(512)).astype(np.int64)
    assert equal_pairs(draws[:, :-1] << DRAW_BITS | draws[:, 1:]) == 0
