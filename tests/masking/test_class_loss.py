"""Cumulative class losses against the recurrences of their card, in plain Python."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases import random_examples
from tidemask.masking.class_loss import ClassLoss

LEVEL = 1e-4
NAMES = ("DET", "NOUN", "SYM")


def reference_decayed_sums(history, mu):
    """`S <- mu S + (1 - mu) loss`, `N` alike, for each class; `L = S / N`."""
    values = []
    for k in range(len(NAMES)):
        s = n = 0.0
        for losses, counts in history:
            if sum(counts) > 0:
                s = mu * s + (1 - mu) * losses[k]
                n = mu * n + (1 - mu) * counts[k]
        values.append(s / n if n else math.nan)
    return values


def reference_step_means(history, mu):
    """The authors' code: a decayed mean of class means from 0, left alone without tokens."""
    values = []
    for k in range(len(NAMES)):
        mean = 0.0
        for losses, counts in history:
            if counts[k] > 0:
                mean = mu * mean + (1 - mu) * losses[k] / counts[k]
        values.append(mean)
    return values


def floats(values):
    return torch.tensor(values, dtype=torch.float64)


def fed(history, **settings):
    class_loss = ClassLoss(NAMES, **settings)
    for step, (losses, counts) in enumerate(history):
        class_loss.update(floats(losses), floats(counts), step=step)
    return class_loss


def bits_of(class_loss):
    state = class_loss.state_dict()
    return [x.hex() for x in (*state["loss_sum"], *state["count"])]


@st.composite
def histories(draw):
    """Per step: summed loss and count of each class; some steps and classes are empty."""
    counts = draw(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), max_size=30))
    means = st.floats(0, 12, width=32)
    return [([n * draw(means) for n in step], [float(n) for n in step]) for step in counts]


@given(histories(), st.floats(2, 3000))
@random_examples(50)
def test_decayed_sums_equal_the_recurrence(history, horizon):
    value = fed(history, horizon_steps=horizon).value()
    expected = reference_decayed_sums(history, 1 - 1 / horizon)
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    assert value.dtype == torch.float64


@given(histories().filter(lambda h: any(sum(n) for _, n in h)), st.floats(2, 3000))
@random_examples(50)
def test_step_means_equal_the_authors_estimator(history, horizon):
    value = fed(history, horizon_steps=horizon, estimator="step_means").value()
    expected = reference_step_means(history, 1 - 1 / horizon)
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_step_means_underrate_a_rare_class_and_decayed_sums_do_not():
    history = [([2.0 * 9, 2.0 * 9, 2.0 * (t % 50 == 0)], [9, 9, t % 50 == 0]) for t in range(1000)]
    authors = fed(history, horizon_steps=1000.0, estimator="step_means").value()
    ours = fed(history, horizon_steps=1000.0).value()
    np.testing.assert_allclose(ours, [2, 2, 2], rtol=1e-9)
    expected = [2 * (1 - 0.999**1000), 2 * (1 - 0.999**1000), 2 * (1 - 0.999**20)]
    np.testing.assert_allclose(authors, expected, rtol=1e-9)


@pytest.mark.slow
def test_same_history_and_other_frequency_give_the_same_loss():
    """The same falling mean loss in every step at 200, 5 and 0.25 tokens a step."""
    mu, horizon, rates = 0.995, 200.0, np.array([200.0, 5.0, 0.25])
    rng = np.random.default_rng(20)
    class_loss, weighted_counts = ClassLoss(NAMES, horizon_steps=horizon), np.zeros((2, 3))
    mean = 0.0
    for step in range(2000):
        mean = 2 + 4 * math.exp(-step / 300)
        counts = rng.poisson(rates)
        losses = [rng.exponential(mean, n).sum() for n in counts]
        class_loss.update(floats(losses), floats(counts), step=step)
        weighted_counts = [mu, mu**2] * weighted_counts.T + np.stack([counts, counts], 1)
        weighted_counts = weighted_counts.T
    num_effective = weighted_counts[0] ** 2 / weighted_counts[1]
    bound = stats.norm.isf(LEVEL / 6) * mean / np.sqrt(num_effective)
    assert (np.abs(class_loss.value().numpy() - mean) < bound + 0.01).all()


def test_losses_in_proportion_to_counts_give_equal_values():
    history = [([m * n for n in (100, 3, 1)], [100, 3, 1]) for m in (9.0, 4.5, 7.25, 2.0)]
    value = fed(history, horizon_steps=7.0).value()
    np.testing.assert_allclose(value, value[0].expand(3), rtol=1e-12)


@pytest.mark.parametrize("estimator", ["decayed_sums", "step_means"])
def test_nothing_is_known_before_the_first_step(estimator):
    assert fed([], horizon_steps=9.0, estimator=estimator).value().isnan().all()


def test_class_not_yet_seen_is_nan():
    value = fed([([4.0, 6.0, 0.0], [2, 2, 0])] * 3, horizon_steps=9.0).value()
    np.testing.assert_allclose(value, [2, 3, math.nan], rtol=1e-12)


@pytest.mark.parametrize("estimator", ["decayed_sums", "step_means"])
def test_empty_step_changes_nothing(estimator):
    class_loss = fed([([4.0, 6.0, 0.0], [2, 2, 0])], horizon_steps=9.0, estimator=estimator)
    before = bits_of(class_loss)
    class_loss.update(torch.zeros(3), torch.zeros(3), step=1)
    assert bits_of(class_loss) == before


def test_class_unseen_for_very_long_keeps_its_loss_or_becomes_unseen():
    """Both sums decay towards the smallest float; their quotient must not become anything else."""
    class_loss = fed([([3.0, 2.0, 2.0], [1, 1, 1])], horizon_steps=2.0)
    for step in range(1, 1200):
        class_loss.update(torch.tensor([0.0, 2.0, 2.0]), torch.tensor([0.0, 1.0, 1.0]), step=step)
        value = float(class_loss.value()[0])
        assert math.isnan(value) or value == pytest.approx(3), step


@pytest.mark.parametrize("estimator", ["decayed_sums", "step_means"])
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_loss_that_is_not_finite_is_refused_and_moves_nothing(wrong, estimator):
    class_loss = fed([([4.0, 6.0, 1.0], [2, 2, 1])], horizon_steps=9.0, estimator=estimator)
    before = bits_of(class_loss)
    with pytest.raises(ValueError, match=r"step 41 .*\bNOUN\b") as error:
        class_loss.update(torch.tensor([1.0, wrong, 1.0]), torch.ones(3), step=41)
    assert "DET" not in str(error.value)
    assert bits_of(class_loss) == before


def test_inputs_are_left_alone():
    losses, counts = torch.ones(3, requires_grad=True), torch.ones(3)
    class_loss = ClassLoss(NAMES, horizon_steps=2.0)
    class_loss.update(losses * 2, counts, step=0)
    assert torch.equal(counts, torch.ones(3))
    assert not class_loss.value().requires_grad


@pytest.mark.parametrize("horizon", [0.0, 0.5, -1.0, math.nan])
def test_horizon_below_one_step_is_refused(horizon):
    with pytest.raises(ValueError, match=f"horizon_steps={horizon:g}"):
        ClassLoss(NAMES, horizon_steps=horizon)


@given(histories(), histories())
@random_examples(50)
def test_state_survives_json_bit_for_bit(before, after):
    unbroken = fed(before, horizon_steps=7.3)
    resumed = ClassLoss(NAMES, horizon_steps=7.3)
    resumed.load_state_dict(json.loads(json.dumps(unbroken.state_dict())))
    assert bits_of(resumed) == bits_of(unbroken)
    for step, (losses, counts) in enumerate(after):
        for class_loss in (unbroken, resumed):
            class_loss.update(floats(losses), floats(counts), step=step)
    assert bits_of(resumed) == bits_of(unbroken)


def test_saved_state_is_a_copy():
    class_loss = fed([([4.0, 6.0, 1.0], [2, 2, 1])], horizon_steps=9.0)
    state = class_loss.state_dict()
    kept = json.dumps(state)
    class_loss.update(torch.ones(3), torch.ones(3), step=1)
    assert json.dumps(state) == kept


@pytest.mark.parametrize("names", [["DET", "NOUN"], ["NOUN", "DET", "SYM"], []])
def test_state_of_other_classes_is_refused(names):
    class_loss = fed([([4.0, 6.0, 1.0], [2, 2, 1])], horizon_steps=9.0)
    before = bits_of(class_loss)
    state = ClassLoss(names, horizon_steps=9.0).state_dict()
    with pytest.raises(ValueError, match="other classes"):
        class_loss.load_state_dict(state)
    assert bits_of(class_loss) == before
