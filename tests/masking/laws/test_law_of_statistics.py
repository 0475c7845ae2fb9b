"""Statistics of classes against plain numpy over every token that was ever logged, without decay.

The reference is that of `logged_predictions`, with its few classes and short memory.
"""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases, random_examples
from law_policies import masker_of
from logged_predictions import Log, plain_map
from tidemask import class_statistic_sums
from tidemask.masking.learned_weighting import ByClassStatistic
from tidemask.masking.map_settings import PowerMap, RankMap, SigmoidMap

STATISTICS = ["loss", "accuracy", "inverted_loss", "learnability", "progress"]
FALLING = ("accuracy", "inverted_loss")
HORIZON, FAST, NUM_CLASSES = 7, 2, 3


def content_of(statistic, **settings):
    horizons = {"horizon_steps": HORIZON, "fast_horizon_steps": FAST, "classes": "entities"}
    return ByClassStatistic(statistic=statistic, blend_in=False, **{**horizons, **settings})


@all_cases("seed", range(4))
@all_cases("prior", [0.0, 2.5])
@all_cases("statistic", STATISTICS)
def test_law_of_statistics_state_equals_all_tokens_that_were_logged(statistic, prior, seed):
    if statistic == "progress" and prior:
        return
    log = Log(seed, 25)
    state = masker_of(content=content_of(statistic, prior_tokens=prior)).new_class_statistic()
    begun = False
    for step, (_, _, classes) in enumerate(log.steps):
        log.take_in(statistic, state, step)
        begun |= bool((classes < NUM_CLASSES).any())
        if begun and step > 5:
            expected = log.expected(statistic, step, prior)
            np.testing.assert_allclose(state.value().numpy(), expected, rtol=1e-6, atol=1e-9)


@all_cases("every", [1, 3, 10])
@all_cases("statistic", STATISTICS)
def test_law_of_statistics_weights_are_looked_at_every_so_many_steps(statistic, every):
    log = Log(3, 25, empty=0.0)
    state = masker_of(content=content_of(statistic, update_every_steps=every)).new_class_statistic()
    for step in range(25):
        log.take_in(statistic, state, step)
        last = (step + 1) // every * every - 1
        if last < 5:
            continue
        np.testing.assert_allclose(state.value().numpy(), log.expected(statistic, last), rtol=1e-6)


@pytest.mark.slow
@all_cases("every", [1, 4])
@all_cases("statistic", STATISTICS)
def test_law_of_statistics_state_goes_on_bit_for_bit_from_any_step(statistic, every):
    """Through the text of a checkpoint: JSON."""
    masker = masker_of(content=content_of(statistic, update_every_steps=every))
    log, unbroken = Log(5, 20), masker.new_class_statistic()
    saved = []
    for step in range(20):
        saved.append(json.dumps(unbroken.state_dict()))
        log.take_in(statistic, unbroken, step)
    for begin, text in enumerate(saved):
        resumed = masker.new_class_statistic()
        resumed.load_state_dict(json.loads(text))
        for step in range(begin, 20):
            log.take_in(statistic, resumed, step)
        assert torch.equal(resumed.value().isnan(), unbroken.value().isnan())
        assert torch.equal(resumed.value().nan_to_num(), unbroken.value().nan_to_num())
        assert resumed.state_dict() == unbroken.state_dict()


MAPPINGS = st.one_of(
    st.builds(SigmoidMap, sharpness=st.floats(0, 8)),
    st.builds(PowerMap, exponent=st.floats(0, 4)),
    st.just(RankMap()),
)


@given(
    st.sampled_from(STATISTICS),
    MAPPINGS,
    st.lists(st.floats(0.0, 1.0).map(lambda x: round(x, 3)), min_size=3, max_size=3),
    st.floats(0, 1),
    st.one_of(st.just("none"), st.floats(1, 3)),
    st.integers(0, 2),
)
@random_examples(200)
def test_law_of_statistics_weights_are_the_map_between_floor_and_ceiling(
    statistic, mapping, values, floor, ceiling, unseen
):
    """All are relative to 1, the neutral weight."""
    numbers = np.array(values)
    numbers[0] = np.nan if unseen else numbers[0]
    content = content_of(statistic, mapping=mapping, floor=floor, ceiling=ceiling)
    weights = masker_of(content=content).class_weights(
        torch.tensor(numbers), progress=0.5, step=500
    )
    known = ~np.isnan(numbers)
    x = 1 - numbers[known] if statistic in FALLING else numbers[known]
    expected = np.ones(NUM_CLASSES)
    if known.sum() > 1 and np.ptp(x) > 0:
        expected[known] = plain_map(x, mapping)
        expected[known] = np.clip(expected[known], floor, None if ceiling == "none" else ceiling)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-6, atol=1e-9)


def test_law_of_statistics_number_of_micro_batches_is_nothing():
    """Sums of parts of a step add up to the step's."""
    log = Log(9, 1, empty=0.0)
    loss, right, classes = (torch.tensor(np.asarray(a)) for a in log.steps[0])
    labels = torch.full(loss.shape, 9)
    for statistic in STATISTICS:
        choices = [
            class_statistic_sums(
                statistic,
                loss[part],
                labels[part],
                classes[part].to(torch.uint8),
                num_classes=NUM_CLASSES,
                first_choice=right[part],
            )
            for part in (slice(None), slice(0, 3), slice(3, None))
        ]
        for whole, one, two in zip(*choices, strict=True):
            torch.testing.assert_close(whole, one + two)
        assert int(choices[0][1].sum()) == int((classes < NUM_CLASSES).sum())


@pytest.mark.parametrize("statistic", STATISTICS)
def test_law_of_statistics_class_of_no_token_is_unknown(statistic):
    state = masker_of(content=content_of(statistic)).new_class_statistic()
    assert state.value().isnan().all()
    if statistic == "progress":
        return
    sums, count = torch.tensor([[1.0, 0.0, 3.0]]), torch.tensor([2.0, 0.0, 4.0])
    state.update(sums.double(), count.double(), step=0)
    assert state.value().isnan().tolist() == [False, True, False]
