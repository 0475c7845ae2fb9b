"""What recipes on columns mask, against what the code of their sources does."""

from __future__ import annotations

import pytest
import torch

from tidemask import Batch, Masker, StepKey, TokenColumn, Vocabulary, load_recipe
from tidemask.token_classes import NO_CLASS, NO_GROUP

VOCABULARY = Vocabulary.of(size=97, mask_id=4, special_ids=range(5))
ROWS, LENGTH = 64, 40
NAMED = "DATE: 1.0, PERSON: 1.0"


def concepts_batch() -> Batch:
    """Concepts of two tokens, each stage and no concept in turn; each token is a word."""
    stage = torch.arange(LENGTH // 2).repeat_interleave(2) % 4
    classes = torch.where(stage == 3, NO_CLASS, stage).to(torch.uint8)
    groups = torch.where(stage == 3, NO_GROUP, torch.arange(LENGTH) // 2).to(torch.int32)
    return Batch(
        input_ids=torch.randint(5, 90, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0)),
        maskable=torch.ones(ROWS, LENGTH, dtype=torch.bool),
        word_starts=torch.ones(ROWS, LENGTH, dtype=torch.bool),
        sample_ids=torch.arange(ROWS),
        columns={
            "concepts": classes.expand(ROWS, LENGTH),
            "concept_spans": groups.expand(ROWS, LENGTH),
        },
    )


@pytest.mark.parametrize("tenth", range(10))
def test_ccm_masks_the_stages_of_its_code(tenth: int) -> None:
    """Its counter of curricula goes from 0 to 4 and starts again, a tenth of the steps each: 0 is
    random tokens, and another one all concepts of so many stages, the fourth being other words."""
    masker = Masker(
        load_recipe("ccm").masking,
        VOCABULARY,
        columns=[
            TokenColumn(name="concepts", kind="class", class_names=("1", "2", "3")),
            TokenColumn(name="concept_spans", kind="group"),
        ],
        max_steps=1000,
    )
    batch = concepts_batch()
    step = tenth * 100
    masked = masker(batch, progress=step / 1000, key=StepKey(seed=0, step=step))
    stage = torch.arange(LENGTH // 2).repeat_interleave(2) % 4
    found = {int(stage[position]) + 1 for position in masked.selected.nonzero()[:, 1]}
    curriculum = tenth % 5
    assert found == set(range(1, (curriculum or 4) + 1))
    pairs = masked.selected.reshape(ROWS, -1, 2)[:, stage[::2] < 3]
    together = bool((pairs.sum(2) != 1).all())
    assert together == (curriculum > 0)  # concepts whole, unless tokens are drawn
    share = masked.selected.float().mean().item()
    assert share == pytest.approx(0.15, abs=0.025)  # five standard errors, pairs drawn together


def test_salient_spans_are_names_and_dates_alone() -> None:
    """Pairs of tokens are a person, a number, a date and no entity; two kinds are to be masked."""
    names = ("CARDINAL", "DATE", "PERSON")
    kind = torch.tensor([2, 0, 1, NO_CLASS]).repeat(LENGTH // 8).repeat_interleave(2)
    groups = torch.where(kind == NO_CLASS, NO_GROUP, torch.arange(LENGTH) // 2)
    batch = Batch(
        input_ids=torch.full((ROWS, LENGTH), 9),
        maskable=torch.ones(ROWS, LENGTH, dtype=torch.bool),
        word_starts=torch.ones(ROWS, LENGTH, dtype=torch.bool),
        sample_ids=torch.arange(ROWS),
        columns={
            "entity_types": kind.to(torch.uint8).expand(ROWS, LENGTH),
            "entities": groups.to(torch.int32).expand(ROWS, LENGTH),
        },
    )
    masking = load_recipe("salient-spans", [f"masking.content.weights={{{NAMED}}}"]).masking
    columns = [
        TokenColumn(name="entity_types", kind="class", class_names=names),
        TokenColumn(name="entities", kind="group"),
    ]
    masker = Masker(masking, VOCABULARY, columns=columns, max_steps=10)
    masked = masker(batch, progress=0.0, key=StepKey(seed=0, step=0))
    pairs = masked.selected.reshape(ROWS, -1, 2)
    assert (pairs[:, :, 0] == pairs[:, :, 1]).all()
    of_kind = {int(kind[at]) for at in masked.selected.nonzero()[:, 1]}
    assert of_kind == {names.index("DATE"), names.index("PERSON")}
    assert (masked.input_ids[masked.selected] == VOCABULARY.mask_id).all()


def test_genemask_draws_spans_in_proportion_to_their_mean() -> None:
    """Its spans have 11 tokens on average; one of twice the score has a chance by the formula."""
    masking = load_recipe("genemask").masking
    lengths = torch.tensor([0.0, *masking.spans.cumulative]).diff()
    assert lengths.tolist() == pytest.approx([1 / 21] * 21, rel=0.02)
    rows, length = 1000, 200
    scores = torch.where(torch.arange(length) < length // 2, 1.0, 2.0).expand(rows, length)
    batch = Batch(
        input_ids=torch.full((rows, length), 9),
        maskable=torch.ones(rows, length, dtype=torch.bool),
        sample_ids=torch.arange(rows),
        columns={"npmi": scores},
    )
    masker = Masker(
        masking, VOCABULARY, columns=[TokenColumn(name="npmi", kind="weight")], max_steps=10
    )
    selected = masker(batch, progress=0.0, key=StepKey(seed=0, step=0)).selected.float()
    low, high = selected[:, : length // 2].mean().item(), selected[:, length // 2 :].mean().item()
    assert (low + high) / 2 == pytest.approx(0.15, abs=0.006)
    # 1 - exp(-W tau) with W of 1 and 2: low + high is 0.3 where exp(-tau) is 0.8955...
    rest = (-1 + (1 + 4 * 1.7) ** 0.5) / 2  # the root of x + x^2 = 2 - 0.3
    assert low == pytest.approx(1 - rest, abs=0.012)
    assert high == pytest.approx(1 - rest**2, abs=0.012)
