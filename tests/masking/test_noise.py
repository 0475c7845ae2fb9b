"""Known answers, slow references on Python integers, and what a draw must not depend on.

The laws that the draws obey as random numbers are in `test_noise_laws.py`. Statistical tests are
seeded and reject at LEVEL each.
"""

import math
from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases import random_examples
from tidemask.masking.noise import DRAW_BITS, Purpose, StepKey, Streams, permutation, philox_4x32

LEVEL = 1e-4
WORD = 2**32 - 1
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((WORD,) * 4, (WORD, WORD), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
SEEDS = [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1]
STEPS = [0, 1, 2**31, 2**32 - 1]
SAMPLES = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40 + 5, 2**63 - 1]
POSITIONS = [0, 1, 511, 2**20, 2**31 - 1]
words = st.integers(0, WORD)
seeds = st.integers(0, 2**64 - 1) | st.sampled_from(SEEDS)
steps = words | st.sampled_from(STEPS)
sample_ids = st.integers(0, 2**63 - 1) | st.sampled_from(SAMPLES)
positions = st.integers(0, 2**31 - 1) | st.sampled_from(POSITIONS)


def philox_reference(counter, key):
    """Salmon et al. 2011, section 3.3, on Python integers."""
    (a, b, c, d), (k, m) = counter, key
    for _ in range(10):
        high_0, low_0 = divmod(0xD2511F53 * a, 2**32)
        high_1, low_1 = divmod(0xCD9E8D57 * c, 2**32)
        a, b, c, d = high_1 ^ b ^ k, low_1, high_0 ^ d ^ m, low_0
        k, m = (k + 0x9E3779B9) % 2**32, (m + 0xBB67AE85) % 2**32
    return a, b, c, d


def mixed_reference(x):
    """Wellons' `lowbias32` on Python integers."""
    x = (x ^ x >> 16) * 0x7FEB352D % 2**32
    x = (x ^ x >> 15) * 0x846CA68B % 2**32
    return x ^ x >> 16


def draw_reference(seed, step, purpose, sample, position):
    """Philox words of the stream, offset and odd step of the sample, the draw at the position."""
    stream = philox_reference((int(purpose), step, 0, 1), (seed % 2**32, seed >> 32))
    first, second = (
        mixed_reference(
            ((mixed_reference(sample % 2**32 ^ stream[i]) ^ sample >> 32) + stream[i + 2]) % 2**32
        )
        for i in (0, 1)
    )
    return mixed_reference((position * (second | 1) + first) % 2**32) % 2**DRAW_BITS


def philox(counter, key):
    return tuple(int(w) for w in philox_4x32(tuple(torch.tensor([c]) for c in counter), key))


def int32(values):
    return torch.tensor(values, dtype=torch.int32)


def streams(samples, *purposes, seed=7, step=3):
    samples = torch.as_tensor(samples, dtype=torch.int64)
    return Streams(StepKey(seed, step), samples, purposes or (Purpose.SELECTION,))


def draw(samples, places, *, purpose=Purpose.SELECTION, **key):
    return streams(samples, purpose, **key).draws(purpose, int32(list(places)))


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_known_answers_of_random123(counter, key, expected):
    assert philox_reference(counter, key) == expected
    assert philox_4x32(counter, key) == expected
    assert philox(counter, key) == expected


@given(st.tuples(words, words, words, words), st.tuples(words, words))
@random_examples(100)
def test_philox_equals_arithmetic_on_python_integers(counter, key):
    expected = philox_reference(counter, key)
    assert philox_4x32(counter, key) == expected
    assert philox(counter, key) == expected


def test_philox_broadcasts_tensors_and_leaves_them_unchanged():
    counter = tuple(torch.tensor(c) for c in ([[1], [WORD]], [[2]], [3, 4, WORD], 5))
    before = [c.clone() for c in counter]
    grid = torch.stack(torch.broadcast_tensors(*philox_4x32(counter, (6, WORD))), dim=-1)
    for i, j in product(range(2), range(3)):
        place = (int(counter[0][i, 0]), 2, int(counter[2][j]), 5)
        assert tuple(grid[i, j].tolist()) == philox_reference(place, (6, WORD))
    assert all(torch.equal(*pair) for pair in zip(counter, before, strict=True))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((0, 0, Purpose.SELECTION, 0, 0), 45472942),
        ((7, 3, Purpose.CORRUPTION, 2**32, 511), 1151744492),
        ((7, 3, Purpose.RANDOM_TOKEN, 123456789, 1), 1642000014),
        ((2**64 - 1, 2**32 - 1, Purpose.PREDICTION, 2**63 - 1, 2**31 - 1), 737222838),
    ],
)
def test_draws_are_pinned(place, expected):
    """Other draws would give every resumed run other masks."""
    seed, step, purpose, sample, position = place
    assert draw_reference(*place) == expected
    assert int(draw([sample], [position], seed=seed, step=step, purpose=purpose)) == expected


@pytest.mark.parametrize("purpose", Purpose)
def test_draws_equal_the_reference_at_awkward_places(purpose):
    for seed, step in product(SEEDS, STEPS):
        draws = draw(SAMPLES, POSITIONS, seed=seed, step=step, purpose=purpose)
        expected = [[draw_reference(seed, step, purpose, s, p) for p in POSITIONS] for s in SAMPLES]
        assert draws.tolist() == expected, (seed, step)


@given(seeds, steps, st.sampled_from(Purpose), sample_ids, positions)
@random_examples(100)
def test_draws_equal_the_reference(seed, step, purpose, sample, position):
    draws = draw([sample], [position], seed=seed, step=step, purpose=purpose)
    assert draws.shape == (1, 1)
    assert draws.dtype == torch.int32
    assert int(draws) == draw_reference(seed, step, purpose, sample, position)


@given(st.data(), st.lists(sample_ids, max_size=6), st.lists(positions, max_size=9))
@random_examples(50)
def test_draws_do_not_depend_on_batch_order_or_positions_around(data, samples, places):
    order = data.draw(st.permutations(range(len(samples))))
    column_order = data.draw(st.permutations(range(len(places))))
    whole = draw(samples, places)
    shuffled = draw([samples[i] for i in order], [places[i] for i in column_order])
    assert torch.equal(shuffled, whole[order][:, column_order])
    for row, column in product(range(len(samples)), range(len(places))):
        assert draw([samples[row]], [places[column]]).item() == whole[row, column]


@given(st.lists(st.sampled_from(Purpose), min_size=1, unique=True))
@random_examples(50)
def test_draws_do_not_depend_on_the_other_purposes(purposes):
    together = streams([3, 2**32], *purposes)
    for purpose in reversed(purposes):
        alone = draw([3, 2**32], range(20), purpose=purpose)
        assert torch.equal(together.draws(purpose, int32(range(20))), alone)
        assert torch.equal(together.draws(purpose, int32(range(20))), alone), "asked again"


def test_a_purpose_that_was_not_asked_for_is_an_error():
    with pytest.raises(KeyError, match="CORRUPTION"):
        streams([0], Purpose.SELECTION).draws(Purpose.CORRUPTION, int32([0]))


@given(st.data(), st.lists(sample_ids, max_size=5), st.lists(positions, max_size=8))
@random_examples(100)
def test_all_ways_to_ask_agree(data, samples, places):
    """Positions [L] and [B, L], and places one by one; equal positions get equal draws."""
    purposes = (Purpose.CORRUPTION, Purpose.SELECTION, Purpose.HELD_OUT)
    batch = streams(samples, *purposes)
    rows = int32([data.draw(st.permutations(places)) for _ in samples])
    rows = rows.reshape(len(samples), len(places))
    sample, column = (
        axis.flatten()
        for axis in torch.meshgrid(
            torch.arange(len(samples)), torch.arange(len(places)), indexing="ij"
        )
    )
    for purpose in purposes:
        one_by_one = batch.draws_at(purpose, sample, rows[sample, column])
        of_rows = batch.draws(purpose, rows)
        shared = batch.draws(purpose, int32(places))
        assert one_by_one.dtype == of_rows.dtype == torch.int32
        assert torch.equal(one_by_one.reshape(rows.shape), of_rows)
        for row, draws in enumerate(of_rows):
            expected = dict(zip(places, shared[row].tolist(), strict=True))
            assert draws.tolist() == [expected[p] for p in rows[row].tolist()]


@pytest.mark.parametrize(("samples", "length"), [(0, 0), (0, 5), (2, 0), (1, 1)])
def test_draws_of_empty_batches(samples, length):
    batch = streams(range(samples))
    for places in (torch.arange(length), torch.arange(length).expand(samples, length)):
        draws = batch.draws(Purpose.SELECTION, places.to(torch.int32))
        assert draws.shape == (samples, length)
        assert draws.dtype == torch.int32
    nowhere = batch.draws_at(Purpose.SELECTION, torch.arange(0), int32([]))
    assert nowhere.shape == (0,)
    assert nowhere.dtype == torch.int32
    assert streams(range(samples)).draws(Purpose.SELECTION, int32([])).shape == (samples, 0)


def test_draws_leave_their_inputs_unchanged():
    inputs = [torch.tensor([5, 2**40]), int32([0, 9]), int32([[1, 2], [3, 4]]), torch.tensor([1])]
    before = [tensor.clone() for tensor in inputs]
    samples, line, grid, row = inputs
    batch = Streams(StepKey(0, 0), samples, [Purpose.SELECTION])
    first = batch.draws(Purpose.SELECTION, line)
    batch.draws(Purpose.SELECTION, grid)
    batch.draws_at(Purpose.SELECTION, row, line[1:])
    assert all(torch.equal(*pair) for pair in zip(inputs, before, strict=True))
    first.zero_()
    assert batch.draws(Purpose.SELECTION, line).all(), "a result is a tensor of its own"


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (2**64 - 1, 2**32 - 1)])
def test_step_key_accepts_the_ends_of_its_range(seed, step):
    assert draw([0], range(4), seed=seed, step=step).shape == (1, 4)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_outside_its_range_is_refused(seed):
    with pytest.raises(ValueError, match=f"seed={seed}"):
        StepKey(seed, 0)
    with pytest.raises(ValueError, match=f"seed={seed}"):
        permutation(seed, Purpose.DATA_ORDER, 0, 3)


@pytest.mark.parametrize("step", [-1, 2**32])
def test_step_outside_its_range_is_refused(step):
    with pytest.raises(ValueError, match=f"step={step}"):
        StepKey(0, step)
    with pytest.raises(ValueError, match=f"step={step}"):
        permutation(0, Purpose.DATA_ORDER, step, 3)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((0, Purpose.DATA_ORDER, 0), [6, 7, 3, 4, 2, 8, 0, 9, 5, 1]),
        ((1, Purpose.DATA_ORDER, 2), [6, 5, 9, 3, 8, 0, 2, 4, 7, 1]),
        ((2**64 - 1, Purpose.HELD_OUT, 2**32 - 1), [2, 8, 6, 5, 0, 9, 1, 3, 7, 4]),
        ((2**32, Purpose.SELECTION, 2**24), [9, 1, 8, 6, 3, 5, 10, 0, 7, 2, 4]),
    ],
)
def test_permutation_is_pinned(place, expected):
    """Prepared corpora are split and ordered by these."""
    assert permutation(*place, size=len(expected)).tolist() == expected


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 1000])
def test_permutation_sorts_pairs_of_philox_words(size):
    seed = 2**63 + 5
    draws = []
    for block in range(size):
        counter = (Purpose.DATA_ORDER << 24, 9, block, 0)
        a, b, c, d = philox_reference(counter, (seed % 2**32, seed >> 32))
        draws += [(a << 31) ^ b, (c << 31) ^ d]
    order = permutation(seed, Purpose.DATA_ORDER, 9, size)
    assert order.dtype == torch.int64
    assert order.tolist() == sorted(range(size), key=draws.__getitem__)


def test_permutation_depends_on_all_that_names_it():
    places = list(product([0, 1, 2**32], [Purpose.DATA_ORDER, Purpose.HELD_OUT], [0, 1, 2]))
    orders = {tuple(permutation(*place, 50).tolist()) for place in places}
    assert len(orders) == len(places)
    again = permutation(0, Purpose.DATA_ORDER, 0, 50).tolist()
    assert tuple(again) in orders


@pytest.mark.slow
def test_permutation_takes_every_order_equally_often():
    counts = dict.fromkeys(permutations(range(4)), 0)
    for epoch in range(1200):
        counts[tuple(permutation(11, Purpose.DATA_ORDER, epoch, 4).tolist())] += 1
    assert stats.chisquare(list(counts.values())).pvalue > LEVEL


@pytest.mark.parametrize("place", [(0, 1), (1, 0)], ids=["next epoch", "next seed"])
def test_permutations_of_neighbours_are_uncorrelated(place):
    size = 30_000
    x = permutation(0, Purpose.DATA_ORDER, 0, size).numpy()
    y = permutation(place[0], Purpose.DATA_ORDER, place[1], size).numpy()
    bound = stats.norm.isf(LEVEL / 4) / math.sqrt(size)
    assert abs(np.corrcoef(x, y)[0, 1]) < bound
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < bound


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("seed", "step"), [(0, 0), (2**64 - 5, 2**32 - 1)])
def test_gpu_gives_the_bits_of_the_cpu(seed, step):
    samples = torch.cat([torch.tensor(SAMPLES), torch.arange(1000)])
    line = torch.cat([int32(POSITIONS), torch.arange(4097, dtype=torch.int32)])
    rows = torch.arange(len(samples))
    here, there = (
        Streams(StepKey(seed, step), ids, tuple(Purpose)) for ids in (samples, samples.to("cuda"))
    )
    for purpose in Purpose:
        draws = here.draws(purpose, line)
        assert torch.equal(there.draws(purpose, line.to("cuda")).cpu(), draws)
        at = there.draws_at(purpose, rows.to("cuda"), line[rows].to("cuda"))
        assert torch.equal(at.cpu(), draws[rows, rows])
