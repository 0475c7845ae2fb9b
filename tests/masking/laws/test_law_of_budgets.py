"""The budget: selected over maskable tokens is the scheduled ratio, for all that is mixed.

The text has a million maskable tokens in long rows. What each sequence has beyond its budget is
independent of the others, so the sum is normal with the variance that the sequences show.
"""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from cases import one_in
from law_policies import (
    CONTENTS,
    ESM3,
    MAX_STEPS,
    MIXTURES,
    SEQUENCES,
    UNITS,
    masked_by,
    masker_of,
    mixture,
    text,
)
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
