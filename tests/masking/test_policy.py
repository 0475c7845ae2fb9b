"""Settings of a policy that contradict each other or change nothing."""

import pytest

from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Constant, Linear
from tidemask.masking.units import SpanLengths
from tidemask.runs.config import load_recipe, recipe_names


@pytest.mark.parametrize("recipe", recipe_names())
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


def test_inverse_inclusion_needs_the_expected_budget():
    with pytest.raises(ValueError, match="inverse_inclusion with budget=fixed"):
        MaskingSettings(loss_weight="inverse_inclusion", budget="fixed")
