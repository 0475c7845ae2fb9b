"""Settings of a policy that contradict each other or change nothing."""

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Constant, Linear
from tidemask.masking.spans import SpanLengths
from tidemask.masking.weighting import ByClassLoss, ByFrequency, ByFunction, ByTable
from tidemask.runs.config import load_recipe, recipe_names


@all_cases("recipe", recipe_names())
def test_no_shipped_recipe_has_settings_without_effect(recipe):
    assert load_recipe(recipe).masking.ineffective_settings() == []


@pytest.mark.parametrize("unit", ["token", "word"])
def test_lengths_of_spans_without_spans_are_noted(unit):
    (sentence,) = MaskingSettings(unit=unit, spans=SpanLengths(longest=3)).ineffective_settings()
    assert sentence == f"masking.spans has no effect with masking.unit={unit}."


def test_prediction_that_is_nowhere_below_the_ratio_is_noted():
    falling = Linear(start=0.3, end=0.1)
    above = MaskingSettings(ratio=falling, prediction=Constant(ratio=0.3))
    below = MaskingSettings(ratio=falling, prediction=Constant(ratio=0.29))
    assert len(above.ineffective_settings()) == 1
    assert below.ineffective_settings() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unit", "words"), ("budget", "exact"), ("loss_weight", "inverse"), ("ratio", 0.15),
        ("prediction", 0.1), ("content", "uniform"), ("per_sequence", "beta"),
    ],
)  # fmt: skip
def test_settings_from_python_are_checked_too(name, value):
    """Past the types that the tests alone check."""
    settings = MaskingSettings()
    object.__setattr__(settings, name, value)
    with pytest.raises(ValueError, match=f"^{name}={value!r}"):
        settings.__post_init__()


CONTENTS = (
    ByClassLoss(), ByTable(weights={"NOUN": 1.0}, others=0.5), ByFrequency(), ByFunction(),
)  # fmt: skip


@all_cases("content", CONTENTS, ids=lambda content: content.weighting)
@all_cases("budget", ["expected", "fixed"])
@all_cases("unit", ["token", "word", "span"])
def test_inverse_ratio_with_weights_is_refused(unit, budget, content):
    """There the chance of a position is not the ratio: `test_loss_weight.py` has the law."""
    with pytest.raises(ValueError, match=f"content.weighting={content.weighting}"):
        MaskingSettings(unit=unit, budget=budget, content=content, loss_weight="inverse_ratio")


@pytest.mark.parametrize("unit", ["word", "span"])
def test_inverse_ratio_of_units_of_many_lengths_needs_the_expected_budget(unit):
    with pytest.raises(ValueError, match=f"inverse_ratio with budget=fixed and unit={unit}"):
        MaskingSettings(unit=unit, budget="fixed", loss_weight="inverse_ratio")


def test_inverse_ratio_with_weights_is_refused_by_its_path_in_a_configuration():
    with pytest.raises(UserError, match=r"masking\.loss_weight=inverse_ratio with content"):
        load_recipe("masked-diffusion", "masking.content.weighting=frequency")


def test_inverse_inclusion_needs_the_expected_budget():
    with pytest.raises(ValueError, match="inverse_inclusion with budget=fixed"):
        MaskingSettings(loss_weight="inverse_inclusion", budget="fixed")
