"""The budget: selected over maskable tokens is the scheduled ratio, for all that is mixed.

What is expected is a sum of chances, and exact in every sequence. What is drawn is counted over a
million maskable tokens in long rows: what each sequence has beyond its budget is independent of the
others, so the sum is normal with the variance that the sequences show.
"""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from cases import all_cases, one_in
from law_policies import (
    CONTENTS,
    ESM3,
    MAX_STEPS,
    MIXTURES,
    SEQUENCES,
    UNITS,
    at_step,
    masked_by,
    masker_of,
    mixture,
    text,
    token_weights,
    unit_means,
    units_of,
)
from tidemask.masking.explanation import explained
from tidemask.masking.policy_part import PolicyPhase, SequencePart
from tidemask.masking.schedule import Constant, Linear

LEVEL = 1e-5
WEIGHTED = (
    CONTENTS
    | MIXTURES
    | {
        "shares over time": mixture(
            uniform=Linear(start=1.0, end=0.0), scores=Linear(start=0.0, end=1.0)
        )
    }
)
"""All but one leave enough tokens of a weight above 0; `drugs` alone is capped at these ratios."""
del WEIGHTED["drugs"]
PHASES = (
    PolicyPhase(until=0.6, unit="span", content=CONTENTS["entities"]),
    PolicyPhase(until=1.0, **UNITS["group"], content=MIXTURES["accuracy and scores"]),
)
WHOLE = {
    "sequences": {"sequences": SEQUENCES},
    "phases": {"phases": PHASES},
    "ratios of ESM3": {"per_sequence": ESM3},
    "ratios of ESM3 on a mixture": {
        "per_sequence": ESM3,
        "content": MIXTURES["uniform and scores"],
        "unit": "word",
    },
    "ratios of ESM3 and sequences": {"per_sequence": ESM3, "sequences": SEQUENCES},
    "sequences under a fixed budget": {
        "budget": "fixed",
        "sequences": (
            SequencePart(share=0.5, unit="span", content=CONTENTS["scores"]),
            SequencePart(share=0.5, **UNITS["group"], content=CONTENTS["entities"]),
        ),
    },
}
GRID = list(product(UNITS, WEIGHTED))
assert {name for _, name in GRID[::5]} == set(WEIGHTED)
STEPS_FOR_A_THOUSANDTH = {
    "token": 3,
    "word": 8,
    "group": 10,
    "span of words": 22,
    "span of tokens": 9,
}


@pytest.fixture(scope="module")
def batch():
    """Its rows are of the length of large models, not of the other tests."""
    batch = text(1120, 1024, seed=3)
    assert batch.maskable.sum() > 1_000_000
    return batch


def bias(masker, batch, steps):
    """Mean of selected less scheduled over all maskable tokens, and its standard error.

    What is missing where weights of 0 cap a budget, at a ratio near 1, is no bias.
    """
    excess, missing = [], 0.0
    for step in steps:
        budget = masker.ratio(step / MAX_STEPS) * batch.maskable.sum(1).double()
        masked = masked_by(masker, batch, step=step)
        missing += 0.0 if masked.shortfall is None else float(masked.shortfall)
        excess.append((masked.selected.sum(1) - budget).numpy())
    num_tokens = len(excess) * int(batch.maskable.sum())
    all_excess = np.concatenate(excess)
    return (all_excess.sum() + missing) / num_tokens, np.sqrt((all_excess**2).sum()) / num_tokens


def chances_and_budgets(masker, batch, step=611):
    """The sum of the chances of each sequence, and its ratio times its maskable tokens."""
    given = explained(masker, batch, at_step(masker, batch, step=step))
    num_maskable = batch.maskable.sum(1).numpy()
    chances = np.array([float(one.inclusion.sum()) for one in given])
    return chances, np.array([one.ratio for one in given]) * num_maskable


EXACT = text(8, 192, seed=6)
SUMS = {"rtol": 0, "atol": 1e-5 * 180}
"""A hundred-thousandth of the tokens of a sequence, as what solves for chances promises."""


@all_cases("ratio", [0.05, 0.15])
@all_cases(("unit", "name"), GRID)
def test_law_of_budgets_chances_add_up_to_the_ratio_of_each_sequence(ratio, unit, name):
    """At ratios for which each part of a mixture has enough tokens of a weight above 0."""
    chances, budgets = chances_and_budgets(masker_of(ratio, unit, WEIGHTED[name]), EXACT)
    np.testing.assert_allclose(budgets, ratio * EXACT.maskable.sum(1).numpy(), rtol=1e-12)
    np.testing.assert_allclose(chances, budgets, **SUMS)


@all_cases("step", [0, 607, 608, MAX_STEPS])
@all_cases("name", [name for name in WHOLE if "budget" not in WHOLE[name]])
def test_law_of_budgets_chances_of_whole_policies_add_up_to_theirs(name, step):
    """Whichever part masks a sequence, and whatever ratio it has drawn: spread alone is random."""
    masker = masker_of(Linear(start=0.4, end=0.1), **WHOLE[name])
    chances, budgets = chances_and_budgets(masker, EXACT, step)
    np.testing.assert_allclose(chances, budgets, **SUMS)
    if "per_sequence" in WHOLE[name]:
        assert len(set(np.round(budgets / EXACT.maskable.sum(1).numpy(), 6))) == len(budgets)


@all_cases("ratio", [0.1, 0.4, 0.9])
@all_cases("unit", ["token", "word", "group"])
def test_law_of_budgets_chances_are_capped_by_what_has_a_weight(ratio, unit):
    """All tokens of a unit with a drug, and no more, where they are fewer than the budget."""
    weights = token_weights(CONTENTS["drugs"], EXACT, unit)
    num_eligible = (unit_means(weights, units_of(EXACT, unit)) > 0).sum(1)
    chances, budgets = chances_and_budgets(masker_of(ratio, unit, CONTENTS["drugs"]), EXACT)
    np.testing.assert_allclose(chances, np.minimum(budgets, num_eligible), **SUMS)
    if ratio == 0.9:
        assert (num_eligible < budgets).all()


@pytest.mark.parametrize(("unit", "name"), one_in(13, GRID, ids="-".join))
def test_law_of_budgets_weightings_meet_theirs_over_a_million_tokens(batch, unit, name):
    found, error = bias(masker_of(0.15, unit, WEIGHTED[name]), batch, [611])
    assert error < 3e-3
    assert abs(found) < stats.norm.isf(LEVEL / len(GRID)) * error


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "name"), GRID[::5], ids=map("-".join, GRID[::5]))
def test_law_of_budgets_weightings_are_off_by_less_than_a_thousandth(batch, unit, name):
    """So many tokens that a thousandth is five standard errors: 3 to 24 million.

    Every weighting with one of the units; the test above has every pair, less precisely.
    """
    steps = range(611, 611 + STEPS_FOR_A_THOUSANDTH[unit])
    found, error = bias(masker_of(0.15, unit, WEIGHTED[name]), batch, steps)
    assert 4.4 * error < 1e-3
    assert abs(found) < 1e-3


@pytest.mark.parametrize("name", one_in(2, WHOLE))
@pytest.mark.parametrize("ratio", [0.06, 0.3])
def test_law_of_budgets_whole_policies_meet_theirs_over_a_million_tokens(batch, name, ratio):
    found, error = bias(masker_of(ratio, **WHOLE[name]), batch, [611])
    assert abs(found) < stats.norm.isf(LEVEL / len(WHOLE)) * error


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ratios of ESM3", "ratios of ESM3 on a mixture"])
def test_law_of_budgets_ratios_of_sequences_are_off_by_less_than_a_thousandth(name):
    """So many short sequences, as each has a ratio of its own: a thousandth is 2.5 errors."""
    found, error = bias(masker_of(0.3, **WHOLE[name]), text(60_000, 20, seed=4), range(600, 607))
    assert 2.5 * error < 1e-3
    assert abs(found) < 1e-3


def test_law_of_budgets_ratio_of_phases_is_met_in_each(batch):
    masker = masker_of(Linear(start=0.4, end=0.1), phases=PHASES)
    for step in (0, 607, 608, MAX_STEPS):  # of 1,013 the first step past 0.6 is 608
        found, error = bias(masker, batch, [step])
        assert abs(found) < stats.norm.isf(LEVEL) * error
    assert masker.ratio(0.5) == Constant(ratio=0.25)(0.5)
