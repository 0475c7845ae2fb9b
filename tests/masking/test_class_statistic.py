"""Statistics of classes against sums over all tokens so far, each with its weight, in NumPy."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases, random_examples
from masking_texts import VOCABULARY
from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.class_statistic import ClassStatistic, statistic_weights
from tidemask.masking.learned_weighting import ByClassStatistic
from tidemask.masking.map_settings import PowerMap, RankMap
from tidemask.masking.masker import Masker
from tidemask.masking.mixture import ByMixture, ContentPart
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.statistic_sums import class_statistic_sums
from tidemask.masking.weighting import ByClassLoss, Uniform

NAMES = ("DET", "NOUN", "SYM")
STATISTICS = ("loss", "accuracy", "inverted_loss", "learnability", "progress")
HORIZON, FAST = 20, 5


def tokens_of(seed, steps=12):
    """Losses, classes (3 is none) and first choices of each step's tokens; some have none."""
    rng = np.random.default_rng(seed)
    history = []
    for step in range(steps):
        size = 0 if step % 5 == 3 else int(rng.integers(1, 9))
        classes = rng.choice([0, 1, 3] if step < 4 else [0, 1, 2, 3], size)
        losses = rng.gamma(2.0, 1.0 + classes)
        history.append((losses, classes, rng.random(size) < np.exp(-losses / 3)))
    return history


def fed(history, statistic, **settings):
    content = ByClassStatistic(
        statistic=statistic, horizon_steps=HORIZON, fast_horizon_steps=FAST, **settings
    )
    state = ClassStatistic(NAMES, content, max_steps=1000)
    for step, (losses, classes, choices) in enumerate(history):
        labels = torch.full(losses.shape, 7)
        sums = class_statistic_sums(
            statistic,
            torch.tensor(losses),
            labels,
            torch.tensor(classes),
            num_classes=3,
            first_choice=torch.tensor(choices),
        )
        state.update(*sums, step=step)
    return state


def weighted(history, k, horizon):
    """Losses and choices of the tokens of a class, and the weight of each; no step is empty."""
    mu, kept = 1 - 1 / horizon, [step for step in history if (step[1] < 3).any()]
    losses, choices, weights = [], [], []
    for age, (loss, classes, choice) in enumerate(reversed(kept)):
        ours = classes == k
        losses += list(loss[ours])
        choices += list(choice[ours])
        weights += [(1 - mu) * mu**age] * int(ours.sum())
    return np.array(losses), np.array(choices, float), np.array(weights)


def reference(history, statistic, prior=0.0):
    values = []
    for k in range(3):
        loss, choice, a = weighted(history, k, HORIZON)
        _, _, b = weighted(history, k, FAST)
        if not len(loss):
            values.append(math.nan)
        elif statistic == "accuracy":
            values.append(np.average(choice, weights=a))
        elif statistic == "learnability":
            values.append(np.average(np.exp(-loss) * (1 - np.exp(-loss)), weights=a))
        elif statistic == "progress":
            a, b = a / a.sum(), b / b.sum()
            mean = (a * loss).sum()
            variance = (a * (loss - mean) ** 2).sum()
            error = math.sqrt(variance * ((a - b) ** 2).sum())
            values.append((mean - (b * loss).sum()) / error if error > 1e-6 else math.nan)
        else:
            values.append(np.average(loss, weights=a))
    values = np.array(values)
    if statistic == "inverted_loss":
        low, high = np.nanmin(values), np.nanmax(values)
        return 1 - (values - low) / (high - low)
    return values


@all_cases("statistic", STATISTICS)
def test_statistic_equals_the_sums_over_all_tokens(statistic):
    for seed in range(6):
        history = tokens_of(seed)
        np.testing.assert_allclose(
            fed(history, statistic).value(), reference(history, statistic), rtol=1e-9
        )


def test_loss_has_the_bits_of_the_class_loss():
    history = tokens_of(1)
    class_loss = ClassLoss(NAMES, horizon_steps=float(HORIZON))
    for step, (losses, classes, _) in enumerate(history):
        class_loss.update(
            torch.tensor(np.bincount(classes, losses, 4)[:3]).double(),
            torch.tensor(np.bincount(classes, minlength=4)[:3]).double(),
            step=step,
        )
    assert torch.equal(
        fed(history, "loss").value().nan_to_num(-1), class_loss.value().nan_to_num(-1)
    )


def test_progress_of_losses_that_do_not_move_is_a_standard_normal():
    """4,000 classes of independent losses of one law: mean 0 and variance 1 to five errors."""
    generator = torch.Generator().manual_seed(0)
    content = ByClassStatistic(statistic="progress", horizon_steps=50, fast_horizon_steps=5)
    state = ClassStatistic([str(i) for i in range(4000)], content, max_steps=1000)
    for step in range(300):
        losses = 3 + torch.randn(4, 4000, generator=generator, dtype=torch.float64)
        sums = torch.stack([losses.sum(0), losses.square().sum(0)])
        state.update(sums, torch.full((4000,), 4.0), step=step)
    z = state.value()
    assert abs(float(z.mean())) < 5 / math.sqrt(4000)
    # The variance is estimated from the about 200 tokens in memory, which widens it by 1 %.
    assert abs(float(z.var()) - 1.0) < 0.01 + 5 * math.sqrt(2 / 4000)


def test_progress_is_above_zero_where_losses_fall_and_below_where_they_rise():
    history = [
        (np.array([9.0 - t / 3, 1 + t / 3, 3.0 + t % 2]), np.array([0, 1, 2]), np.zeros(3, bool))
        for t in range(20)
    ]
    falling, rising, neither = fed(history, "progress").value().tolist()
    assert falling > 2
    assert rising < -2
    assert abs(neither) < 1


def test_prior_draws_a_class_towards_the_mean_by_its_tokens():
    """One step: 8 of 8 right, 0 of 2 right, with 10 tokens of the mean, which is 0.8."""
    content = ByClassStatistic(statistic="accuracy", horizon_steps=4, prior_tokens=10.0)
    state = ClassStatistic(NAMES, content, max_steps=100)
    state.update(torch.tensor([[8.0, 0.0, 0.0]]), torch.tensor([8.0, 2.0, 0.0]), step=0)
    expected = [(8 + 10 * 0.8) / 18, 10 * 0.8 / 12, math.nan]
    np.testing.assert_allclose(state.value(), expected, rtol=1e-12)


def test_values_are_held_between_updates_and_across_a_restart():
    history = tokens_of(3)
    state = fed(history[:7], "learnability", update_every_steps=5)
    held = fed(history[:5], "learnability").value()
    assert torch.equal(state.value().nan_to_num(-1), held.nan_to_num(-1))
    content = state.content
    again = ClassStatistic(NAMES, content, max_steps=1000)
    again.load_state_dict(json.loads(json.dumps(state.state_dict())))
    assert again.state_dict() == state.state_dict()
    assert torch.equal(again.value().nan_to_num(-1), held.nan_to_num(-1))


def test_nothing_is_known_before_the_first_update():
    state = fed(tokens_of(2)[:4], "loss", update_every_steps=5)
    assert state.value().isnan().all()


@given(st.integers(0, 2**31), st.sampled_from(STATISTICS))
@random_examples(40)
def test_micro_batches_and_whole_steps_agree(seed, statistic):
    rng = np.random.default_rng(seed)
    loss, labels = torch.tensor(rng.gamma(2, 1, 30)), torch.tensor(rng.integers(-1, 9, 30))
    labels[labels < 0] = -100
    classes, choice = torch.tensor(rng.integers(0, 4, 30)), torch.tensor(rng.random(30) < 0.5)

    def sums(part):
        return class_statistic_sums(
            statistic, loss[part], labels[part], classes[part],
            num_classes=3, first_choice=choice[part],
        )  # fmt: skip

    whole, first, rest = sums(slice(None)), sums(slice(11)), sums(slice(11, None))
    for all_at_once, a, b in zip(whole, first, rest, strict=True):
        torch.testing.assert_close(all_at_once, a + b, rtol=1e-12, atol=1e-12)


def test_weights_fall_with_accuracy_and_rise_with_learnability():
    values = torch.tensor([0.1, 0.2, math.nan], dtype=torch.float64)
    by_accuracy = ByClassStatistic(statistic="accuracy", mapping=PowerMap())
    np.testing.assert_allclose(
        statistic_weights(values, by_accuracy), [0.9 / 0.85, 0.8 / 0.85, 1.0], rtol=1e-12
    )
    by_learnability = ByClassStatistic(statistic="learnability", mapping=RankMap())
    assert statistic_weights(values, by_learnability).tolist() == [0.5, 1.5, 1.0]


def test_weights_stay_between_floor_and_ceiling():
    content = ByClassStatistic(statistic="loss", mapping=PowerMap(), floor=0.3, ceiling=1.25)
    assert statistic_weights(torch.tensor([0.0, 1.0, 3.0]), content).tolist() == [0.3, 0.75, 1.25]


def test_wrong_sums_leave_the_state_as_it_was():
    state = fed(tokens_of(4), "loss")
    before = state.state_dict()
    count = torch.ones(3)
    with pytest.raises(ValueError, match="class statistic not finite at step 9 for NOUN"):
        state.update(torch.tensor([[1.0, math.nan, 1.0]]), count, step=9)
    with pytest.raises(ValueError, match=r"sums of shape \(2, 3\). Expected .*, \(1, 3\)"):
        state.update(torch.ones(2, 3), count, step=9)
    assert state.state_dict() == before


def test_state_of_others_is_refused():
    state = fed(tokens_of(4), "loss").state_dict()
    others = ClassStatistic(["A", "B"], ByClassStatistic(statistic="loss"), max_steps=10)
    with pytest.raises(ValueError, match="class statistic of other classes"):
        others.load_state_dict(state)
    progress = ClassStatistic(NAMES, ByClassStatistic(statistic="progress"), max_steps=10)
    with pytest.raises(ValueError, match=r"Expected \(8, 3\), as for progress"):
        progress.load_state_dict(state)


def _parts(*contents):
    share = 1 / len(contents)
    return ByMixture(parts=tuple(ContentPart(share=share, content=each) for each in contents))


def test_parts_of_a_mixture_may_follow_the_same_statistic_through_other_maps():
    steep = ByClassStatistic(statistic="accuracy", mapping=PowerMap(exponent=3.0))
    policy = MaskingSettings(
        content=_parts(Uniform(), steep, ByClassStatistic(statistic="accuracy"))
    )
    masker = Masker(policy, VOCABULARY, class_names=NAMES, max_steps=100)
    assert isinstance(masker.new_learned(), ClassStatistic)
    values = torch.tensor([0.1, 0.5, 0.9])
    by_hand = statistic_weights(values, steep)
    weights = masker.class_weights(values, progress=1.0, step=100)
    np.testing.assert_allclose(weights, by_hand)


@all_cases(
    "other",
    [
        ByClassLoss(),
        ByClassStatistic(statistic="loss"),
        ByClassStatistic(statistic="accuracy", update_every_steps=3),
    ],
)
def test_parts_that_follow_something_else_are_refused(other):
    with pytest.raises(ValueError, match=r"in one part and .* in another"):
        MaskingSettings(content=_parts(ByClassStatistic(statistic="accuracy"), other))


def test_prior_tokens_of_progress_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^prior_tokens=2 with statistic=progress\. Expected 0"):
        ByClassStatistic(statistic="progress", prior_tokens=2.0)
