"""Known answers, a slow reference, and the laws that keyed noise has to obey.

Statistical tests are seeded and reject at LEVEL each; a grid of `n` of them at LEVEL / n.
"""

import math
from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tidemask.noise import MAX_LENGTH, Purpose, StepKey, permutation, philox_4x32, random_bits

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
words = st.integers(0, WORD)
sample_names = st.integers(0, 2**63 - 1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Beside other processes, waiting for a second thread costs a hundredfold."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def philox_reference(counter, key):
    """Salmon et al. 2011, section 3.3, on Python integers."""
    (a, b, c, d), (k, m) = counter, key
    for _ in range(10):
        high_0, low_0 = divmod(0xD2511F53 * a, 2**32)
        high_1, low_1 = divmod(0xCD9E8D57 * c, 2**32)
        a, b, c, d = high_1 ^ b ^ k, low_1, high_0 ^ d ^ m, low_0
        k, m = (k + 0x9E3779B9) % 2**32, (m + 0xBB67AE85) % 2**32
    return a, b, c, d


def philox(counter, key):
    return tuple(int(w) for w in philox_4x32(tuple(torch.tensor([c]) for c in counter), key))


def draw(samples, length, *, seed=7, step=3, purpose=Purpose.SELECTION):
    return random_bits(StepKey(seed, step), purpose, torch.as_tensor(samples), length)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_known_answers_of_random123(counter, key, expected):
    assert philox_reference(counter, key) == expected
    assert philox(counter, key) == expected


@given(st.tuples(words, words, words, words), st.tuples(words, words))
@settings(deadline=None, max_examples=100)
def test_philox_equals_arithmetic_on_python_integers(counter, key):
    assert philox(counter, key) == philox_reference(counter, key)


@given(st.integers(0, 2**64 - 1), words, st.sampled_from(Purpose), sample_names, st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_random_bits_layout_is_pinned(seed, step, purpose, sample, position):
    """Another layout of the counter would give every resumed run other masks."""
    counter = (position // 4 + (purpose << 24), step, sample % 2**32, sample >> 32)
    expected = philox_reference(counter, (seed % 2**32, seed >> 32))[position % 4]
    bits = draw([sample], position + 1, seed=seed, step=step, purpose=purpose)
    assert bits.shape == (1, position + 1)
    assert bits.dtype == torch.int64
    assert int(bits[0, position]) == expected


@given(st.data(), st.lists(sample_names, max_size=6), st.integers(0, 40))
@settings(deadline=None, max_examples=50)
def test_random_bits_do_not_depend_on_batch_order_or_length(data, samples, length):
    samples = torch.tensor(samples, dtype=torch.int64)
    order = torch.tensor(data.draw(st.permutations(range(len(samples)))), dtype=torch.int64)
    whole = draw(samples, length)
    assert torch.equal(draw(samples[order], length), whole[order])
    for row, sample in enumerate(samples):
        longer = draw(sample[None], length + data.draw(st.integers(0, 9)))
        assert torch.equal(longer[0, :length], whole[row])


@pytest.mark.parametrize(("samples", "length"), [([], 0), ([], 5), ([1, 2], 0), ([3], 1)])
def test_random_bits_of_empty_batches(samples, length):
    bits = draw(torch.tensor(samples, dtype=torch.int64), length)
    assert bits.shape == (len(samples), length)
    assert bits.dtype == torch.int64


@pytest.mark.parametrize("length", [-1, MAX_LENGTH + 1])
def test_random_bits_refuse_length_outside_range(length):
    with pytest.raises(ValueError, match=f"length={length}"):
        draw([0], length)


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (2**64 - 1, 2**32 - 1)])
def test_step_key_accepts_the_ends_of_its_range(seed, step):
    assert draw([0], 4, seed=seed, step=step).shape == (1, 4)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_step_key_refuses_seed_outside_range(seed):
    with pytest.raises(ValueError, match=f"seed={seed}"):
        StepKey(seed, 0)


@pytest.mark.parametrize("step", [-1, 2**32])
def test_step_key_refuses_step_outside_range(step):
    with pytest.raises(ValueError, match=f"step={step}"):
        StepKey(0, step)


def test_streams_of_a_grid_never_meet():
    """128-bit blocks all differ; by chance two of these would meet once in 1e28 such tests."""
    seeds = [0, 1, 2**32 - 1, 2**32, 2**33, 2**64 - 1]
    steps = [0, 1, 2, 1 << 24, 2**32 - 1]
    samples = [0, 1, 2, 255, 1 << 24, 2**32 - 1, 2**32, 2**40, 2**63 - 1]
    blocks = [
        draw(samples, 64, seed=seed, step=step, purpose=purpose).reshape(-1, 4)
        for seed, step, purpose in product(seeds, steps, Purpose)
    ]
    blocks = torch.cat(blocks).numpy()
    assert len(np.unique(blocks, axis=0)) == len(blocks)


def test_bits_are_uniform():
    bits = draw(range(500), 1024).flatten().numpy()
    assert bits.min() >= 0
    assert bits.max() <= WORD
    assert stats.kstest((bits + 0.5) / 2**32, "uniform").pvalue > LEVEL
    for shift in (0, 8, 16, 24):
        counts = np.bincount(bits >> shift & 255, minlength=256)
        assert stats.chisquare(counts).pvalue > LEVEL / 4
    ones = [int((bits >> bit & 1).sum()) for bit in range(32)]
    bound = stats.norm.isf(LEVEL / 64) * math.sqrt(bits.size) / 2
    assert max(abs(n - bits.size / 2) for n in ones) < bound, ones


def neighbours(axis):
    """Draws of places that differ by one in one coordinate, every draw used once."""
    if axis == "position":
        bits = draw(range(500), 512)
        return bits[:, 0::2], bits[:, 1::2]
    if axis == "block":
        bits = draw(range(1000), 512)
        return bits[:, 3:-1:4], bits[:, 4::4]
    if axis == "sample":
        bits = draw(range(1000), 256)
        return bits[0::2], bits[1::2]
    other = {
        "far sample": {"samples": range(2**32, 2**32 + 500)},
        "step": {"step": 4},
        "seed": {"seed": 8},
        "far seed": {"seed": 7 + 2**32},
        "purpose": {"purpose": Purpose.CORRUPTION},
    }[axis]
    samples = other.pop("samples", range(500))
    return draw(range(500), 256), draw(samples, 256, **other)


AXES = ["position", "block", "sample", "far sample", "step", "seed", "far seed", "purpose"]


@pytest.mark.parametrize("axis", AXES)
def test_neighbouring_draws_are_independent(axis):
    x, y = (bits.flatten().numpy() for bits in neighbours(axis))
    correlation = float(np.corrcoef(x, y)[0, 1])
    assert abs(correlation) * math.sqrt(x.size) < stats.norm.isf(LEVEL / 4 / len(AXES))
    for shift in (0, 28):
        joint = np.bincount((x >> shift & 15) * 16 + (y >> shift & 15), minlength=256)
        assert stats.chisquare(joint).pvalue > LEVEL / 4 / len(AXES)


@pytest.mark.parametrize(("coordinate", "num_bits"), [("seed", 64), ("step", 32), ("samples", 63)])
def test_one_changed_bit_changes_half_of_the_output(coordinate, num_bits):
    base = {"seed": 0x243F6A8885A308D3, "step": 0x13198A2E, "samples": 0x0370734449A09382}
    for bit in range(num_bits):
        flipped = base | {coordinate: base[coordinate] ^ (1 << bit)}
        x, y = (draw([k["samples"]], 256, seed=k["seed"], step=k["step"]) for k in (base, flipped))
        changed = sum(int(word).bit_count() for word in (x ^ y).flatten())
        assert stats.binomtest(changed, 256 * 32).pvalue > LEVEL / num_bits, (bit, changed)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 1000])
def test_permutation_holds_each_index_once(size):
    order = permutation(5, Purpose.DATA_ORDER, 0, size)
    assert order.dtype == torch.int64
    assert torch.equal(order.sort().values, torch.arange(size))


def test_permutation_depends_on_all_that_names_it():
    places = list(product([0, 1, 2**32], [Purpose.DATA_ORDER, Purpose.HELD_OUT], [0, 1, 2]))
    orders = {tuple(permutation(*place, 50).tolist()) for place in places}
    assert len(orders) == len(places)
    again = permutation(0, Purpose.DATA_ORDER, 0, 50).tolist()
    assert tuple(again) in orders


def test_permutation_takes_every_order_equally_often():
    counts = dict.fromkeys(permutations(range(4)), 0)
    for epoch in range(2400):
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
@pytest.mark.parametrize("purpose", Purpose)
def test_gpu_gives_the_bits_of_the_cpu(purpose):
    samples = torch.tensor([0, 1, 2**32 - 1, 2**32, 2**63 - 1])
    key = StepKey(2**64 - 5, 2**32 - 1)
    bits = random_bits(key, purpose, samples, 4097)
    assert torch.equal(random_bits(key, purpose, samples.to("cuda"), 4097).cpu(), bits)
