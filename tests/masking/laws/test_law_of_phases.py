"""Phases: which step is the first of the next one, for awkward fractions and numbers of steps.

The phase of a step is seen in what it does: at a ratio of 1 its corruption shows the mask token
everywhere, or leaves every token, or replaces every token. Steps are counted with fractions.
"""

from fractions import Fraction
from math import nextafter

import pytest
import torch

from cases import all_cases
from law_policies import FIRST_ID, MASK_ID, masked_by, masker_of, text
from tidemask.masking.corruption import Corruption
from tidemask.masking.mixture import ByMixture, ContentPart
from tidemask.masking.policy_part import PolicyPhase, SequencePart
from tidemask.masking.schedule import Constant, Phase, Phases
from tidemask.masking.weighting import ByTable, Uniform

BATCH = text(2, 60, seed=12)
CORRUPTIONS = {
    "mask": Corruption(mask=1.0, random=0.0, keep=0.0),
    "keep": Corruption(mask=0.0, random=0.0, keep=1.0),
    "random": Corruption(mask=0.0, random=1.0, keep=0.0),
}
ENDS = {
    "thirds": ((1 / 3, Fraction(1, 3)), (2 / 3, Fraction(2, 3))),
    "tenths": ((0.1, Fraction(1, 10)), (0.7, Fraction(7, 10))),
    "three times a tenth": ((0.1 * 3, Fraction(0.1 * 3)), (0.9, Fraction(9, 10))),
    "sevenths": ((3 / 7, Fraction(3, 7)), (6 / 7, Fraction(6, 7))),
    "next to each other": ((0.5, Fraction(1, 2)), (nextafter(0.5, 1), Fraction(nextafter(0.5, 1)))),
    "at the very ends": ((5e-324, Fraction(5e-324)), (nextafter(1, 0), Fraction(nextafter(1, 0)))),
}
RUNS = [1, 3, 7, 10, 210, 1013]


def phases(ends):
    until = [end for end, _ in ends] + [1.0]
    return tuple(
        PolicyPhase(until=end, corruption=corruption)
        for end, corruption in zip(until, CORRUPTIONS.values(), strict=True)
    )


def seen(masked):
    """Which corruption each sequence shows, by the name of it."""
    of_rows = []
    for ids, labels, selected in zip(masked.input_ids, masked.labels, masked.selected, strict=True):
        ids, labels = ids[selected], labels[selected]
        assert len(ids) > 5
        if (ids == MASK_ID).all():
            of_rows.append("mask")
        else:
            of_rows.append("keep" if torch.equal(ids, labels) else "random")
            assert (ids >= FIRST_ID).all()
    return of_rows


def steps_near(ends, max_steps):
    """Those on either side of each border, and the first and last."""
    around = {round(end * max_steps) + i for end, _ in ends for i in (-1, 0, 1)}
    return sorted(step for step in around | {0, max_steps - 1, max_steps} if 0 <= step <= max_steps)


@all_cases("max_steps", RUNS)
@all_cases("name", [*ENDS])
def test_law_of_phases_next_one_begins_at_the_step_of_its_fraction(name, max_steps):
    masker = masker_of(1.0, max_steps=max_steps, phases=phases(ENDS[name]))
    for step in steps_near(ENDS[name], max_steps):
        over = sum(Fraction(step, max_steps) >= end for _, end in ENDS[name])
        masked = masked_by(masker, BATCH, step=step, max_steps=max_steps)
        assert seen(masked) == [[*CORRUPTIONS][over]] * 2, f"step {step} of {max_steps}"


@pytest.mark.slow
@all_cases("max_steps", RUNS)
@all_cases("name", [*ENDS])
def test_law_of_phases_ratio_and_shares_change_at_the_same_step(name, max_steps):
    """Phases of the ratio, phases of shares by sequence, phases of shares of weightings."""
    borders = [end for end, _ in ENDS[name]] + [1.0]

    def schedule(*values):
        return Phases(
            phases=tuple(
                Phase(until=end, ratio=Constant(ratio=value))
                for end, value in zip(borders, values, strict=True)
            )
        )

    one_of_three = [schedule(*(float(i == j) for j in range(3))) for i in range(3)]
    by_sequence = tuple(
        SequencePart(share=share, corruption=corruption)
        for share, corruption in zip(one_of_three, CORRUPTIONS.values(), strict=True)
    )
    contents = [ByTable(weights={name: 1.0}) for name in ("NOUN", "VERB")] + [Uniform()]
    of_budget = ByMixture(
        parts=tuple(
            ContentPart(share=share, content=content)
            for share, content in zip(one_of_three, contents, strict=True)
        )
    )
    ratio = schedule(1.0, 0.5, 0.25)
    masker = masker_of(1.0, max_steps=max_steps, content=of_budget, sequences=by_sequence)
    for step in steps_near(ENDS[name], max_steps):
        over = sum(Fraction(step, max_steps) >= end for _, end in ENDS[name])
        assert ratio(step / max_steps) == [1.0, 0.5, 0.25][over]
        masked = masked_by(masker, BATCH, step=step, max_steps=max_steps)
        assert seen(masked) == [[*CORRUPTIONS][over]] * 2
        classes = BATCH.token_class[masked.selected].unique().tolist()
        assert classes == [[0], [1], [0, 1, 2, 255]][over]


@pytest.mark.parametrize("step", [0, 337, 338, 1012])
def test_law_of_phases_masks_are_those_of_its_settings_alone(step):
    """Noise does not know of phases: of 1,013 steps, 338 is the first past a third."""
    corruption, other = CORRUPTIONS["mask"], CORRUPTIONS["random"]
    both = masker_of(
        0.4,
        phases=(
            PolicyPhase(until=1 / 3, unit="word", corruption=corruption),
            PolicyPhase(until=1.0, unit="span", corruption=other),
        ),
    )
    unit = "word" if step < 338 else "span of words"
    alone = masker_of(
        0.4, unit, corruption=corruption if step < 338 else other, spans=both.settings.spans
    )
    for name in ("input_ids", "labels", "selected"):
        one, two = (getattr(masked_by(m, BATCH, step=step), name) for m in (both, alone))
        assert torch.equal(one, two)
