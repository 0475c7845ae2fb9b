"""The table of a weighting at a step: fixed weights, weights by loss, how they blend in, checks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from masking_texts import HIGH, LATE, LOSSES, MAX_STEPS, NAMES, TOKEN_COUNTS, TOKEN_LOSSES
from tidemask.masking.schedule import Linear
from tidemask.masking.token_weights import TokenWeights
from tidemask.masking.weight_table import scaled_table
from tidemask.masking.weighting import ByClassLoss, ByFrequency, ByTable
from tidemask.masking.weights import frequency_weights

RISING = Linear(start=0.0, end=1.0)
TABLE = ByTable(weights={"NOUN": 3.0, "DET": 0.2})


def table_of(content, **given):
    asked = {
        "class_names": NAMES,
        "vocab_size": 50,
        "max_steps": MAX_STEPS,
        "token_counts": TOKEN_COUNTS,
    }
    return TokenWeights(content, **{**asked, **given})


def at(content, progress=0.5, step=LATE, losses=LOSSES):
    return table_of(content).table(losses, progress=progress, step=step).tolist()


def test_fixed_table_blends_in_from_uniform():
    """Towards the weight 1 for all, whatever the step."""
    full = [0.2, 3.0, 0.0, 0.0]
    assert at(TABLE) == full
    blended = replace(TABLE, blend=RISING)
    for progress in (0.0, 0.25, 1.0):
        expected = [1 - progress + progress * weight for weight in full]
        assert at(blended, progress, losses=None) == pytest.approx(expected)


def test_frequency_blends_in_from_the_mean_weight_of_the_corpus():
    full = frequency_weights(TOKEN_COUNTS, power=0.5, least_count=10).numpy()
    np.testing.assert_allclose(at(ByFrequency()), full)
    for progress in (0.0, 0.25, 1.0):
        expected = 1 - progress + progress * full
        np.testing.assert_allclose(at(ByFrequency(blend=RISING), progress), expected)


def test_weights_by_loss_blend_in_over_the_second_horizon_and_with_their_schedule():
    for step, begun in ((0, 0), (50, 0), (75, 0.5), (100, 1), (LATE, 1)):
        for content, blend in (
            (ByClassLoss(), begun),
            (ByClassLoss(blend=RISING), 0.5 * begun),
            (ByClassLoss(blend_in=False), 1),
            (ByClassLoss(blend_in=False, blend=RISING), 0.5),
        ):
            steep = 0.5 + blend * (HIGH - 0.5)
            assert at(content, step=step) == pytest.approx([1 - steep, steep, 0.5, 0.5])


def test_weights_by_loss_are_neutral_before_any_loss():
    assert at(ByClassLoss(), losses=None) == [0.5] * 4
    assert at(ByClassLoss(classes="vocabulary"), losses=None) == [0.5] * 50


def test_weights_of_entries_have_one_for_each_and_none_for_the_rest():
    result = np.array(at(ByClassLoss(classes="vocabulary"), losses=TOKEN_LOSSES))
    assert result.shape == (50,)
    assert (result[::3] == 0.5).all()
    order = np.argsort(TOKEN_LOSSES[1::3].numpy())
    assert (np.diff(result[1::3][order]) >= 0).all()


@pytest.mark.parametrize("content", [ByClassLoss(), ByClassLoss(classes="vocabulary")])
@pytest.mark.parametrize("num_losses", [0, 1, 2, 4, 49, 51])
def test_losses_of_another_number_of_classes_are_refused(content, num_losses):
    with pytest.raises(ValueError, match=rf"class_loss of shape \({num_losses},\)"):
        table_of(content).table(torch.zeros(num_losses), progress=0.5, step=LATE)


@pytest.mark.parametrize("content", [ByClassLoss(), TABLE])
def test_weighting_by_class_without_classes_is_refused(content):
    with pytest.raises(ValueError, match=f"weighting={content.weighting} needs token classes"):
        table_of(content, class_names=())


def test_frequency_without_counts_or_with_those_of_another_vocabulary_is_refused():
    with pytest.raises(ValueError, match="needs token_counts"):
        table_of(ByFrequency(), token_counts=None)
    with pytest.raises(ValueError, match=r"token_counts of shape \(49,\)"):
        table_of(ByFrequency(), token_counts=TOKEN_COUNTS[1:])


@pytest.mark.parametrize("weights", [[0.5, 0.0, 1.0], [0.5, 0.1, 1.0]])
@pytest.mark.parametrize("precise", [True, False])
def test_scaled_table_shows_whether_a_weight_is_zero(weights, precise):
    table, some_zero = scaled_table(torch.tensor(weights, dtype=torch.float64), precise=precise)
    assert some_zero == (0.0 in weights)
    assert table.dtype == (torch.float64 if precise else torch.float32)
    assert table.tolist() == pytest.approx(weights)


def test_table_that_training_does_not_change_is_scaled_once():
    at_a_step = {"progress": 0.5, "step": LATE, "precise": True}
    table = table_of(TABLE)
    assert table.scaled(None, **at_a_step) is table.scaled(None, **at_a_step)
    rising = table_of(replace(TABLE, blend=RISING))
    assert rising.scaled(None, **at_a_step) is not rising.scaled(None, **at_a_step)
