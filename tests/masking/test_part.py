"""Parts of a policy, by sequence and in phases, against policies that are each part alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from cases import all_cases
from masking_texts import (
    CONTENTS,
    LATE,
    MAX_STEPS,
    NAMES,
    ONLY_NOUNS,
    TOKEN_COUNTS,
    VOCABULARY,
    masked_by,
    random_batch,
    rows,
    tensors_of,
)
from tidemask.masking.corruption import Corruption
from tidemask.masking.masker import Masker
from tidemask.masking.mixture import ByMixture, ContentPart
from tidemask.masking.noise import Purpose, StepKey, Streams
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.policy_part import PolicyPhase, SequencePart
from tidemask.masking.schedule import Constant, Linear, Phase, Phases
from tidemask.masking.sequence_ratio import BetaAround
from tidemask.masking.spans import SpanLengths
from tidemask.masking.weighting import ByClassLoss, ByFrequency, ByTable, Uniform

LEVEL = 1e-4
LEARNING = CONTENTS["class loss"]
ALL_MASKED = Corruption(mask=1.0, random=0.0, keep=0.0)
EVEN = ContentPart(share=0.5, content=Uniform())
CHOICES = [
    {"unit": "token"},
    {"unit": "span", "spans": SpanLengths(longest=4, of="token"), "corruption": ALL_MASKED},
    {"unit": "word", "content": LEARNING},
    {"unit": "span", "content": ONLY_NOUNS},
]
SHARES = [0.4, 0.3, 0.2, 0.1]
POLICIES = {
    "plain": {},
    "fixed budget": {"budget": "fixed"},
    "fewer predicted": {"prediction": Constant(ratio=0.1)},
    "inverse inclusion": {"loss_weight": "inverse_inclusion"},
    "ratio per sequence": {"per_sequence": BetaAround()},
    "mixture as the content of all": {
        "content": ByMixture(parts=(EVEN, ContentPart(share=0.5, content=ByFrequency())))
    },
}


def masker_by(**policy):
    settings = MaskingSettings(**{"ratio": Constant(ratio=0.3), **policy})
    return Masker(
        settings, VOCABULARY, class_names=NAMES, max_steps=MAX_STEPS, token_counts=TOKEN_COUNTS
    )


def by_sequence(**policy):
    parts = (SequencePart(share=s, **choice) for s, choice in zip(SHARES, CHOICES, strict=True))
    return masker_by(sequences=tuple(parts), **policy)


def batch_of(num_sequences=400, length=30, seed=41):
    return random_batch(np.random.default_rng(seed), num_sequences, length)


def part_by_hand(batch, key):
    """Where in the divided range of draws the first one of the stream `PART` falls."""
    streams = Streams(key, batch.sample_ids, [Purpose.PART])
    draws = streams.draws(Purpose.PART, torch.zeros(1, dtype=torch.int32))[:, 0].numpy() / 2**31
    return np.searchsorted(np.cumsum(SHARES), draws, side="right")


@pytest.mark.parametrize("policy", POLICIES.values(), ids=[*POLICIES])
def test_each_sequence_is_masked_as_by_its_part_alone(policy):
    batch = batch_of()
    masked = masked_by(by_sequence(**policy), batch)
    part = part_by_hand(batch, StepKey(1, LATE))
    for number, choice in enumerate(CHOICES):
        of_part = torch.tensor(np.flatnonzero(part == number))
        assert len(of_part) > 10
        alone = masked_by(masker_by(**{**policy, **choice}), rows(batch, of_part))
        for name, value in tensors_of(alone).items():
            if name != "shortfall":
                assert torch.equal(tensors_of(masked)[name][of_part], value), (number, name)


def test_shortfalls_of_parts_are_those_of_their_sequences():
    batch = batch_of()
    part = part_by_hand(batch, StepKey(1, LATE))
    nouns = rows(batch, torch.tensor(np.flatnonzero(part == 3)))
    expected = masked_by(masker_by(**CHOICES[3]), nouns).shortfall
    assert float(expected) > 0
    assert float(masked_by(by_sequence(), batch).shortfall) == pytest.approx(float(expected))


def test_parts_are_drawn_with_their_shares_and_again_at_each_step():
    batch = batch_of(20_000, 2)
    part = part_by_hand(batch, StepKey(1, LATE))
    counts = np.bincount(part, minlength=4)
    assert stats.chisquare(counts, np.array(SHARES) * len(part)).pvalue > LEVEL
    later = part_by_hand(batch, StepKey(1, LATE + 1))
    table = np.histogram2d(part, later, bins=4)[0]
    assert stats.chi2_contingency(table).pvalue > LEVEL


def test_part_of_a_sequence_does_not_depend_on_its_batch():
    batch, masker = batch_of(), by_sequence()
    whole = masked_by(masker, batch)
    some = torch.tensor([7, 3, 250])
    assert torch.equal(masked_by(masker, rows(batch, some)).input_ids, whole.input_ids[some])


def test_budget_of_parts_is_met_over_a_million_tokens():
    batch = batch_of(2000, 500)
    even = [{**choice, "content": Uniform()} for choice in CHOICES]
    parts = (SequencePart(share=s, **choice) for s, choice in zip(SHARES, even, strict=True))
    masked = masked_by(masker_by(sequences=tuple(parts), ratio=Constant(ratio=0.15)), batch)
    assert abs(int(masked.selected.sum()) / int(batch.maskable.sum()) - 0.15) < 1e-3


def test_one_part_with_all_sequences_gives_its_own_bits():
    batch = batch_of(30)
    masker = masker_by(sequences=(SequencePart(share=1.0, **CHOICES[1]),))
    masked, alone = masked_by(masker, batch), masked_by(masker_by(**CHOICES[1]), batch)
    assert torch.equal(masked.input_ids, alone.input_ids)


UNTIL = 1 / 3
PHASES = (PolicyPhase(until=UNTIL, **CHOICES[0]), PolicyPhase(until=1.0, **CHOICES[1]))


@all_cases("progress", [0.0, 0.2, np.nextafter(UNTIL, 0), UNTIL, np.nextafter(UNTIL, 1), 0.7, 1.0])
def test_phases_are_exact_at_their_borders(progress):
    """Up to the border, itself not included, the bits of the first policy; from it on the second's.

    The same rule as that of the phases of a ratio.
    """
    batch, progress = batch_of(30), float(progress)
    ratio = Phases(phases=(Phase(until=UNTIL, ratio=0.3), Phase(until=1.0, ratio=0.2)))
    masked = masked_by(masker_by(phases=PHASES, ratio=ratio), batch, progress=progress)
    number = int(progress >= UNTIL)
    alone = masker_by(**CHOICES[number], ratio=Constant(ratio=[0.3, 0.2][number]))
    expected = masked_by(alone, batch, progress=progress)
    assert torch.equal(masked.input_ids, expected.input_ids)
    assert torch.equal(masked.labels, expected.labels)


@all_cases("max_steps", [3, 7, 10, 1000])
def test_phases_change_at_the_step_that_reaches_the_border(max_steps):
    """Progress is step / max_steps: with 10 steps and a border at 0.3, step 3 is the first."""
    settings = MaskingSettings(
        phases=(PolicyPhase(until=0.3, unit="token"), PolicyPhase(until=1.0, unit="word"))
    )
    first = [settings.shares(step / max_steps)[0] for step in range(max_steps)]
    assert first == [float(step / max_steps < 0.3) for step in range(max_steps)]
    assert [sum(settings.shares(step / max_steps)) for step in range(max_steps)] == [
        1.0
    ] * max_steps


def test_shares_that_jump_are_phases():
    batch = batch_of(30)
    falling = Phases(phases=(Phase(until=UNTIL, ratio=1.0), Phase(until=1.0, ratio=0.0)))
    rising = Phases(phases=(Phase(until=UNTIL, ratio=0.0), Phase(until=1.0, ratio=1.0)))
    jumping = masker_by(
        sequences=(
            SequencePart(share=falling, **CHOICES[0]),
            SequencePart(share=rising, **CHOICES[1]),
        )
    )
    for progress in (0.0, 0.3, UNTIL, 0.9):
        masked = masked_by(jumping, batch, progress=progress)
        in_phases = masked_by(masker_by(phases=PHASES), batch, progress=progress)
        assert torch.equal(masked.input_ids, in_phases.input_ids)


def test_part_has_what_it_leaves_out_from_its_policy():
    settings = MaskingSettings(
        unit="span",
        spans=SpanLengths(longest=3),
        content=LEARNING,
        phases=(PolicyPhase(until=0.5), PolicyPhase(until=1.0, unit="word", corruption=ALL_MASKED)),
    )
    first, second = settings.parts
    assert first == replace(settings, phases=())
    assert second == replace(first, unit="word", corruption=ALL_MASKED)
    assert MaskingSettings().parts == (MaskingSettings(),)


def test_policy_needs_what_one_of_its_parts_needs():
    words = MaskingSettings(unit="token", phases=(PolicyPhase(until=0.5),
                                                  PolicyPhase(until=1.0, unit="word")))  # fmt: skip
    assert words.uses_word_starts
    assert not replace(words, phases=()).uses_word_starts
    learning = MaskingSettings(sequences=(SequencePart(share=0.5, content=LEARNING),
                                          SequencePart(share=0.5)))  # fmt: skip
    assert learning.uses_token_classes
    assert learning.uses_class_loss
    assert not learning.uses_vocabulary_loss
    assert masker_by(sequences=learning.sequences).new_class_loss().horizon_steps == 50


def test_class_weights_are_those_of_the_phase():
    masker = masker_by(
        phases=(
            PolicyPhase(until=0.5, content=ByTable(weights={"NOUN": 2.0}, others=1.0)),
            PolicyPhase(until=1.0),
        )
    )
    assert masker.class_weights(None, progress=0.2, step=200).tolist() == [1.0, 2.0, 1.0]
    assert masker.class_weights(None, progress=0.7, step=700) is None


REFUSED = {
    "one phase": (
        {"phases": (PolicyPhase(until=1.0),)},
        r"^phases: only one, until 1\. Expected at least two",
    ),
    "a gap at the end": (
        {"phases": (PolicyPhase(until=0.5), PolicyPhase(until=0.9))},
        r"^phases end at \[0.5, 0.9\]\. Expected ascending ends above 0, the last 1: nothing "
        r"holds after 0\.9 of the run\.",
    ),
    "wrong order": (
        {"phases": (PolicyPhase(until=0.5), PolicyPhase(until=0.4), PolicyPhase(until=1.0))},
        r"^phases end at \[0.5, 0.4, 1.0\]",
    ),
    "an empty phase": (
        {"phases": (PolicyPhase(until=0.0), PolicyPhase(until=1.0))},
        r"^phases end at \[0.0, 1.0\]",
    ),
    "both kinds": (
        {"phases": PHASES, "sequences": (SequencePart(share=1.0),)},
        r"^phases=2 parts and sequences=1 parts\. Expected one of them",
    ),
    "shares": (
        {"sequences": (SequencePart(share=0.5), SequencePart(share=Linear(start=0.5, end=0.4)))},
        r"^sequences: the shares 0.5 \+ 0.499 add up to 0.999 at progress 0.01\.",
    ),
    "a part of a part": (
        {
            "loss_weight": "inverse_ratio",
            "phases": (PolicyPhase(until=0.5), PolicyPhase(until=1.0, content=ByFrequency())),
        },
        r"^phases.1: loss_weight=inverse_ratio with content.weighting=frequency",
    ),
    "mixtures under the fixed budget": (
        {"budget": "fixed", "sequences": (SequencePart(share=1.0, content=ByMixture(
            parts=(EVEN, EVEN))),)},
        r"^sequences.0: content.weighting=mixture with budget=fixed",
    ),
    "two memories of a class loss": (
        {"phases": (PolicyPhase(until=0.5, content=ByClassLoss(horizon_steps=5)),
                    PolicyPhase(until=1.0, content=ByClassLoss()))},
        r"^content.horizon_steps=5 in one part and horizon_steps=auto in another\.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("policy", "message"), REFUSED.values(), ids=[*REFUSED])
def test_parts_that_make_no_policy_are_refused_in_one_line(policy, message):
    with pytest.raises(ValueError, match=message) as refused:
        MaskingSettings(**policy)
    assert "\n" not in str(refused.value)


def test_settings_that_every_part_replaces_are_noted():
    settings = MaskingSettings(unit="token", content=LEARNING, phases=PHASES)
    assert settings.ineffective_settings() == [
        "masking.unit has no effect: every part has its own."
    ]
    assert MaskingSettings(phases=PHASES).ineffective_settings() == []
    own_spans = (SequencePart(share=1.0, unit="token", spans=SpanLengths(longest=3)),)
    assert MaskingSettings(sequences=own_spans).ineffective_settings() == [
        "masking.sequences.0.spans has no effect with masking.unit=token."
    ]
