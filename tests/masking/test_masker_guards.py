"""What surrounds a masker must not reach its masks: autocast, gradients, defaults, odd tensors."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tidemask.masking.batch import Batch
from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.corruption import Corruption
from tidemask.masking.masker import Masker
from tidemask.masking.noise import StepKey
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Constant, Cyclic, Phase, Phases, WarmupLinear
from tidemask.masking.sequence_ratio import RatioMixture, RatioPart, Same
from tidemask.masking.shares import check_shares
from tidemask.masking.vocabulary import Vocabulary
from tidemask.masking.weighting import ByClassLoss, ByFrequency, ByFunction

VOCABULARY = Vocabulary.of(50, 4, range(5))
SHAPE = (6, 40)


def batch_of(**changes):
    rng = np.random.default_rng(5)
    batch = Batch(
        input_ids=torch.tensor(rng.integers(5, 50, SHAPE)),
        maskable=torch.tensor(rng.random(SHAPE) < 0.9),
        sample_ids=torch.arange(6),
        word_starts=torch.tensor(rng.random(SHAPE) < 0.7),
        token_class=torch.tensor(rng.integers(0, 3, SHAPE), dtype=torch.uint8),
    )
    for name, value in changes.items():  # past the checks that tests put on the record itself
        object.__setattr__(batch, name, value)
    return batch


def masker_of(**policy):
    settings = MaskingSettings(**{"ratio": Constant(ratio=0.3), **policy})
    function = isinstance(settings.content, ByFunction)
    return Masker(
        settings, VOCABULARY, class_names=("A", "B", "C"), max_steps=10,
        token_counts=torch.arange(50) ** 2,
        weight_of=(lambda batch: torch.linspace(0.1, 3, 40).expand(SHAPE)) if function else None,
    )  # fmt: skip


def masked(masker, batch):
    losses = torch.tensor([0.5, 1.0, 3.0])
    vocabulary = masker.settings.learns_entries
    return masker(
        batch, progress=0.5, key=StepKey(1, 5), class_loss=torch.rand(50) if vocabulary else losses
    )


POLICIES = {
    "frequency": {"content": ByFrequency(power=1.5)},
    "class loss": {"content": ByClassLoss(blend_in=False), "loss_weight": "inverse_inclusion"},
    "function": {"content": ByFunction(), "budget": "fixed"},
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_autocast_reaches_no_mask(policy):
    masker = masker_of(**policy)
    plain = masked(masker, batch_of())
    with torch.autocast("cpu", torch.bfloat16):
        cast = masked(masker, batch_of())
    assert torch.equal(plain.labels, cast.labels)
    assert torch.equal(plain.input_ids, cast.input_ids)
    if plain.loss_weight is not None:
        assert torch.equal(plain.loss_weight, cast.loss_weight)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_default_dtype_reaches_no_mask(policy):
    masker = masker_of(**policy)
    plain = masked(masker, batch_of())
    torch.set_default_dtype(torch.bfloat16)
    try:
        other = masked(masker, batch_of())
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(plain.labels, other.labels)
    if plain.loss_weight is not None:
        assert other.loss_weight.dtype == torch.float32
        assert torch.equal(plain.loss_weight, other.loss_weight)


def test_weights_with_gradients_leave_none_behind():
    scores = torch.rand(SHAPE, requires_grad=True)
    settings = MaskingSettings(
        unit="token", content=ByFunction(), loss_weight="inverse_inclusion",
        ratio=Constant(ratio=0.3),
    )  # fmt: skip
    masker = Masker(settings, VOCABULARY, max_steps=1, weight_of=lambda batch: scores * 2)
    result = masker(batch_of(), progress=0.0, key=StepKey(0, 0))
    assert not result.loss_weight.requires_grad


WRONG = {
    "input_ids": torch.zeros(SHAPE, dtype=torch.uint8),
    "maskable": torch.ones(6, 1, dtype=torch.bool),
    "word_starts": torch.ones(1, 40, dtype=torch.bool),
    "token_class": torch.zeros(SHAPE, dtype=torch.int64),
    "document_starts": torch.zeros(1, 40, dtype=torch.bool),
    "attention_mask": torch.ones(SHAPE),
    "sample_ids": torch.arange(6).unsqueeze(1),
}


@pytest.mark.parametrize("name", WRONG)
def test_tensor_of_another_shape_or_type_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"^{name} of "):
        masked(masker_of(), batch_of(**{name: WRONG[name]}))


SPIKE = Phases(
    phases=(
        Phase(until=0.0051, ratio=0.5),
        Phase(until=0.0052, ratio=0.9),
        Phase(until=1.0, ratio=0.5),
    )
)
WARM = Phases(
    phases=(
        Phase(until=0.5, ratio=0.5),
        Phase(until=1.0, ratio=WarmupLinear(start=0.5, peak=0.51, end=0.5, warmup=1e-9)),
    )
)


@pytest.mark.parametrize(
    ("share", "other", "message"),
    [
        (SPIKE, 0.5, r"add up to 1\.4 at progress 0\.0051"),
        (
            WarmupLinear(start=0.5, peak=1.0, end=0.5, warmup=1e-3),
            WarmupLinear(start=0.5, peak=0.0, end=0.5, warmup=2e-3),
            r"add up to 1\.25 at progress 0\.001",
        ),
        (WARM, 0.5, r"add up to 1\.01 at progress 0\.5\."),
        (
            Cyclic(start=0.5, end=0.3, cycles=100),
            Cyclic(start=0.5, end=0.7, cycles=200),
            r"add up to 0\.9 at progress 0\.005",
        ),
    ],
)
def test_shares_that_do_not_add_up_for_a_moment_are_refused_before_the_run(share, other, message):
    """Between two of the hundred points at which curves are looked at; a run would end there."""
    with pytest.raises(ValueError, match=message):
        Corruption(mask=share, random=0.0, keep=other)
    with pytest.raises(ValueError, match=message):
        check_shares([share, other], "parts")


def test_ratio_that_is_too_high_for_a_part_for_a_moment_is_refused_before_the_run():
    parts = [RatioPart(share=0.5, mean=mean, of=Same()) for mean in (1.0, 3.0)]
    with pytest.raises(ValueError, match=r"a part has a mean ratio of 1\.35 at progress 0\.0051"):
        MaskingSettings(ratio=SPIKE, per_sequence=RatioMixture(parts=tuple(parts)))


def test_counts_that_are_no_counts_are_refused():
    counts = torch.ones(50, dtype=torch.int64)
    counts[7] = -1
    with pytest.raises(ValueError, match="token_counts"):
        Masker(MaskingSettings(content=ByFrequency()), VOCABULARY, max_steps=1, token_counts=counts)


def test_exponent_that_leaves_no_weight_is_refused():
    counts = torch.full((50,), 10**6)
    with pytest.raises(ValueError, match="power=60"):
        Masker(
            MaskingSettings(content=ByFrequency(power=60.0)), VOCABULARY, max_steps=1,
            token_counts=counts,
        )  # fmt: skip


def test_more_classes_than_eight_bits_hold_are_refused():
    with pytest.raises(ValueError, match="256 class names"):
        Masker(MaskingSettings(), VOCABULARY, class_names=[str(i) for i in range(256)], max_steps=1)


@pytest.mark.parametrize("count", [math.nan, math.inf, -1.0])
def test_count_that_is_none_is_refused_and_changes_nothing(count):
    losses = ClassLoss(("A", "B"), horizon_steps=3.0)
    losses.update(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]), step=0)
    before = losses.state_dict()
    with pytest.raises(ValueError, match="step 1 for B"):
        losses.update(torch.tensor([1.0, 2.0]), torch.tensor([1.0, count]), step=1)
    assert losses.state_dict() == before


@pytest.mark.parametrize("place", [(3.7, 0), (0, 1.5)])
def test_seed_or_step_that_is_no_integer_is_refused(place):
    """Past the types that the tests alone check."""
    key = StepKey(0, 0)
    for name, value in zip(("seed", "step"), place, strict=True):
        object.__setattr__(key, name, value)
    with pytest.raises(ValueError, match=r"Expected an integer from 0 to 2\*\*"):
        key.__post_init__()


@pytest.mark.parametrize("scale", [1e-300, 1e39, 1e300])
def test_scale_of_weights_is_of_no_account(scale):
    def of_scale(factor):
        settings = MaskingSettings(
            unit="word", budget="fixed", content=ByFunction(), ratio=Constant(ratio=0.25)
        )
        return Masker(
            settings, VOCABULARY, max_steps=1,
            weight_of=lambda batch: batch.input_ids.double() * factor,
        )  # fmt: skip

    plain = of_scale(1.0)(batch_of(), progress=0.0, key=StepKey(2, 0))
    scaled = of_scale(scale)(batch_of(), progress=0.0, key=StepKey(2, 0))
    differing = int((plain.selected != scaled.selected).sum())
    assert differing <= 4  # a rounding may turn a pair of clocks around
    assert int(scaled.num_selected()) == pytest.approx(int(plain.num_selected()), abs=4)


def test_replaced_field_is_checked_too():
    batch = replace(batch_of(), word_starts=None)
    with pytest.raises(ValueError, match="word_starts=None"):
        masked(masker_of(unit="word"), batch)


def test_more_steps_than_a_key_has_bits_for_are_refused():
    for steps in (2**32, 10**30):
        with pytest.raises(
            ValueError, match=r"max_steps=.*Expected an integer from 1 to 2\*\*32 - 1"
        ):
            Masker(MaskingSettings(), VOCABULARY, max_steps=steps)
