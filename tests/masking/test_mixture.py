"""Mixtures of weightings: chances against the mean of the parts' own, budgets, bits, refusals."""

import numpy as np
import pytest
import torch
from scipy import stats

from cases import all_cases
from masking_texts import (
    CLASSES,
    CONTENTS,
    ONLY_NOUNS,
    TOKEN_COUNTS,
    UNITS,
    WEIGHTS,
    WORDS,
    Text,
    masked_by,
    masker_of,
    random_batch,
    repeated,
    slow_inclusion,
    slow_units,
    tensors_of,
)
from tidemask.masking.mixture import ByMixture, ContentPart
from tidemask.masking.noise import StepKey
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Linear, Phase, Phases
from tidemask.masking.weighting import ByColumn, ByFrequency, ByTable, Uniform

LEVEL = 1e-4
LEARNING = CONTENTS["class loss"]
TABLE = ByTable(weights={"DET": 0.2, "NOUN": 3.0}, others=1.0)
DRUGS = ByTable(classes="entities", weights={"DRUG": 3.0}, others=1.0)
MIXTURES = {
    "even and class loss": ((0.6, Uniform()), (0.4, LEARNING)),
    "class loss and table": ((0.25, LEARNING), (0.75, TABLE)),
    "frequency and even": ((0.5, ByFrequency()), (0.5, Uniform())),
    "two columns of classes and one of weights": (
        (0.5, TABLE), (0.3, DRUGS), (0.2, ByColumn(column="scores")),
    ),
    "frequency, table and even": ((0.3, ByFrequency()), (0.2, TABLE), (0.5, Uniform())),
}  # fmt: skip


def mixture_of(*parts):
    return ByMixture(parts=tuple(ContentPart(share=s, content=c) for s, c in parts))


def weights_by_hand(content, batch, row):
    """Weight of each position, as the cards have it."""
    ids, classes = batch.input_ids[row].numpy(), batch.token_class[row].tolist()
    if isinstance(content, Uniform):
        return np.ones(len(ids))
    if isinstance(content, ByColumn):
        return batch.columns["scores"][row].double().numpy()
    if content is DRUGS:
        return np.where(batch.columns["entities"][row].numpy() == 0, 3.0, 1.0)
    if isinstance(content, ByFrequency):
        return np.maximum(TOKEN_COUNTS.numpy()[ids], 10.0) ** -0.5
    of_class = WEIGHTS if content is LEARNING else [0.2, 3.0, 1.0, 1.0]
    return np.array([of_class[CLASSES.index(k)] for k in classes])


def chances_by_hand(parts, batch, row, starts, *, by_start, ratio):
    """Share-weighted mean of the chances of each position's unit under each part."""
    maskable, starts = batch.maskable[row].numpy(), np.array(starts)
    mean = np.zeros(len(starts))
    for share, content in parts:
        each = weights_by_hand(content, batch, row)
        weights = np.zeros(len(starts))
        for start in set(starts.tolist()):
            unit = (starts == start) & maskable
            of_class = by_start and not isinstance(content, ByFrequency | ByColumn)
            if unit.any():
                weights[unit] = each[start] if of_class else each[unit].mean()
        chances = slow_inclusion(np.ones(maskable.sum()), weights[maskable], ratio)
        mean[maskable] += share * chances
    return mean


@all_cases("unit", [*UNITS])
@all_cases("parts", MIXTURES.values(), ids=[*MIXTURES])
def test_inclusion_is_the_mean_of_the_parts_weighted_by_their_shares(unit, parts):
    """Among 1,500 copies of small sequences every unit is drawn, with one over its chance."""
    batch = random_batch(np.random.default_rng(31), 4, 9)
    masker = masker_of(0.4, unit, mixture_of(*parts), loss_weight="inverse_inclusion")
    seen = np.zeros((4, 9))
    wide = repeated(batch, 1500)
    key = StepKey(1, 500)
    masked = masked_by(masker, wide)
    if unit.startswith("span"):  # spans are drawn: a sequence of each name has its own units
        for row in range(40):
            starts = slow_units(wide, row, masker, key)
            expected = chances_by_hand(parts, wide, row, starts, by_start=False, ratio=0.4)
            drawn = masked.selected[row].numpy()
            np.testing.assert_allclose(
                1 / masked.loss_weight[row].numpy()[drawn], expected[drawn], rtol=3e-5
            )
        return
    for row in range(4):
        starts = slow_units(batch, row, masker, key)
        expected = chances_by_hand(
            parts, batch, row, starts, by_start=unit in ("token", "word"), ratio=0.4
        )
        assert expected.sum() == pytest.approx(0.4 * int(batch.maskable[row].sum()), abs=1e-9)
        for copy in range(row, len(wide.sample_ids), 4):
            drawn = masked.selected[copy].numpy()
            seen[row][drawn] = 1 / masked.loss_weight[copy].numpy()[drawn]
        np.testing.assert_allclose(seen[row], expected, rtol=3e-5, atol=1e-9)


@pytest.mark.parametrize("parts", MIXTURES.values(), ids=[*MIXTURES])
def test_budget_of_a_mixture_is_met_over_a_million_tokens(parts):
    batch = random_batch(np.random.default_rng(32), 2000, 500, maskable=0.95)
    masked = masked_by(masker_of(0.15, "word", mixture_of(*parts)), batch)
    share = int(masked.selected.sum()) / int(batch.maskable.sum())
    assert abs(share - 0.15) < 1e-3


@pytest.mark.parametrize("ratio", [0.02, 0.15])
def test_words_are_masked_by_the_mixed_chance(ratio):
    text = Text(WORDS, 4000, seed=33)
    parts = MIXTURES["even and class loss"]
    drawn = text.drawn_words(masker_of(ratio, "word", mixture_of(*parts)))
    pi = sum(share * text.pi(ratio, content) for share, content in parts)
    for k in range(4):
        words = drawn[text.classes == k]
        assert stats.binomtest(int(words.sum()), words.size, pi[k]).pvalue > LEVEL / 8


@all_cases("unit", [*UNITS])
@all_cases("name", [*CONTENTS])
def test_mixture_of_one_part_gives_the_bits_of_the_part(name, unit):
    batch = random_batch(np.random.default_rng(34), 30, 40)
    alone = masker_of(0.3, unit, CONTENTS[name])
    expected = tensors_of(masked_by(alone, batch))
    masker = masker_of(0.3, unit, mixture_of((1.0, CONTENTS[name])))
    assert masker.settings.uses_vocabulary_loss == alone.settings.uses_vocabulary_loss
    masked = tensors_of(masked_by(masker, batch))
    assert masked.keys() == expected.keys()
    assert all(torch.equal(masked[name], expected[name]) for name in expected)


def test_shares_follow_their_schedules():
    batch = random_batch(np.random.default_rng(35), 30, 40)
    rising = Linear(start=0.0, end=1.0)
    mixture = mixture_of((Linear(start=1.0, end=0.0), Uniform()), (rising, TABLE))
    masker = masker_of(0.3, "word", mixture)
    for progress, content in ((0.0, Uniform()), (1.0, TABLE)):
        alone = masked_by(masker_of(0.3, "word", content), batch, progress=progress)
        masked = masked_by(masker, batch, progress=progress)
        assert torch.equal(masked.input_ids, alone.input_ids)
    half = masked_by(masker, batch, progress=0.5).selected
    assert not torch.equal(half, masked_by(masker, batch, progress=0.0).selected)


def test_shortfall_of_a_mixture_is_that_of_its_parts_by_their_shares():
    batch = random_batch(np.random.default_rng(36), 40, 30)
    alone = masked_by(masker_of(0.5, "token", ONLY_NOUNS), batch).shortfall
    mixture = masker_of(0.5, "token", mixture_of((0.3, ONLY_NOUNS), (0.7, Uniform())))
    assert float(alone) > 0
    assert float(masked_by(mixture, batch).shortfall) == pytest.approx(0.3 * float(alone))


def test_all_is_masked_at_ratio_one():
    batch = random_batch(np.random.default_rng(37), 10, 30)
    masked = masked_by(masker_of(1.0, "word", mixture_of(*MIXTURES["class loss and table"])), batch)
    assert torch.equal(masked.selected, batch.maskable)


def test_weights_of_classes_are_those_of_the_part_that_has_some():
    masker = masker_of(0.15, "word", mixture_of((0.5, ByFrequency()), (0.5, TABLE)))
    weights = masker.class_weights(None, progress=0.5, step=5)
    assert weights.tolist() == [0.2, 3.0, 1.0]
    assert masker_of(0.15, "word", mixture_of((1.0, ByFrequency()))).class_weights(
        None, progress=0.5, step=5
    ) is None  # fmt: skip


STEP = Phases(phases=(Phase(until=1 / 3, ratio=0.5), Phase(until=1.0, ratio=0.0)))
WRONG_SHARES = {
    "add up to less": ((0.3, 0.3), r"parts: the shares 0.3 \+ 0.3 add up to 0.6 at progress 0\."),
    "add up to more later": (
        (0.5, Linear(start=0.5, end=0.6)),
        r"0.5 \+ 0.501 add up to 1.001 at progress 0.01\.",
    ),
    "differ after a border alone": ((0.5, STEP), r"add up to 0.5 at progress 0.333333\."),
    "none": ((), r"parts=\[\]\. Expected at least one part"),
    "outside": ((-0.5, 1.5), r"share=-0.5. Expected a number from 0 to 1"),
}


@pytest.mark.parametrize(("shares", "message"), WRONG_SHARES.values(), ids=[*WRONG_SHARES])
def test_shares_that_do_not_add_up_are_refused_with_the_progress(shares, message):
    with pytest.raises(ValueError, match=message):
        mixture_of(*((share, Uniform()) for share in shares))


def test_mixture_under_the_fixed_budget_is_refused():
    with pytest.raises(ValueError, match=r"^content.weighting=mixture with budget=fixed"):
        MaskingSettings(budget="fixed", content=mixture_of((1.0, Uniform())))


def test_mixture_with_the_inverse_ratio_is_refused():
    with pytest.raises(ValueError, match=r"inverse_ratio with content.weighting=mixture"):
        MaskingSettings(loss_weight="inverse_ratio", content=mixture_of((1.0, Uniform())))


def test_parts_that_follow_different_class_losses_are_refused():
    other = CONTENTS["loss of entries"]
    with pytest.raises(ValueError, match=r"content.classes=upos in one part and classes=voc"):
        MaskingSettings(content=mixture_of((0.5, LEARNING), (0.5, other)))
