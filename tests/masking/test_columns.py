"""Policies over columns: one counts as what it replaces, groups are whole, wrong ones refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases import all_cases, random_examples
from masking_texts import (
    COLUMNS,
    MAX_STEPS,
    VOCABULARY,
    masked_by,
    masker_of,
    random_batch,
    repeated,
    slow_groups,
    slow_inclusion,
)
from tidemask.masking.columns import known_columns
from tidemask.masking.masker import Masker
from tidemask.masking.noise import StepKey
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Constant
from tidemask.masking.spans import Grouped
from tidemask.masking.units import starts_of_groups
from tidemask.masking.weighting import ByClassLoss, ByColumn, ByTable
from tidemask.token_classes import NO_CLASS, NO_GROUP, TokenColumn

ENTITIES, SCORES, PHRASES = COLUMNS
KEY = StepKey(1, MAX_STEPS // 2)
LEVEL = 1e-4


def batch_of(num_sequences=4, length=24, seed=161, **kind):
    return random_batch(np.random.default_rng(seed), num_sequences, length, **kind)


def with_column(batch, name, values):
    """Past the shape check that the tests, and they alone, put on the record itself."""
    object.__setattr__(batch, "columns", {**batch.columns, name: values})
    return batch


@all_cases("unit", ["token", "word", "span of words", "group"])
@all_cases("content", [ByClassLoss(), ByTable(weights={"DRUG": 3.0}, others=1.0)])
def test_columns_of_classes_count_as_the_classes_of_preparation(unit, content):
    """A masker whose prepared classes are the column's draws the same."""
    batch, losses = batch_of(), torch.tensor([0.5, 2.5])
    column = masker_of(0.3, unit, replace(content, classes="entities"))
    prepared = masker_of(0.3, unit, content, names=ENTITIES.class_names)
    as_prepared = replace(batch, token_class=batch.columns["entities"])
    found = column(batch, progress=0.5, key=KEY, class_loss=losses)
    expected = prepared(as_prepared, progress=0.5, key=KEY, class_loss=losses)
    assert torch.equal(found.corrupted, expected.corrupted)
    assert torch.equal(found.token_class, batch.columns["entities"])
    assert column.class_names == ENTITIES.class_names
    assert column.new_class_loss().class_names == ENTITIES.class_names


def test_columns_that_no_weighting_of_classes_names_leave_the_classes_of_preparation():
    batch = batch_of()
    for content in (None, ByColumn(column="scores")):
        masked = masked_by(masker_of(0.3, "group", content), batch)
        assert torch.equal(masked.token_class, batch.token_class)


@given(
    st.integers(0, 2**32), st.integers(0, 4), st.integers(0, 30), st.sampled_from([0.0, 0.7, 1.0])
)
@random_examples(60)
def test_columns_of_groups_equal_a_loop_over_positions(seed, num_sequences, length, maskable):
    batch = batch_of(num_sequences, length, seed, maskable=maskable, documents=0.1)
    starts = starts_of_groups(batch, PHRASES)
    assert starts.dtype == torch.int32
    assert starts.tolist() == [slow_groups(batch, row) for row in range(num_sequences)]


@given(st.integers(0, 2**32), st.sampled_from(["expected", "fixed"]), st.floats(0.05, 0.95))
@random_examples(40)
def test_columns_of_groups_are_masked_whole_or_not_at_all(seed, budget, ratio):
    batch = batch_of(4, 40, seed)
    masked = masked_by(masker_of(ratio, "group", budget=budget), batch)
    for row in range(4):
        groups = batch.columns["phrases"][row]
        for group in groups[groups >= 0].unique():
            inside = (groups == group) & batch.maskable[row]
            assert masked.corrupted[row][inside].unique().numel() <= 1


def test_columns_of_groups_meet_the_budget_in_expectation():
    """Over 1e6 maskable tokens; the error of the mean by the spread between sequences."""
    batch = repeated(batch_of(8, 64), 2400)
    for ratio in (0.02, 0.15, 0.5):
        masked = masked_by(masker_of(ratio, "group"), batch)
        maskable = batch.maskable.sum(1).double()
        excess = masked.corrupted.sum(1) - ratio * maskable
        assert maskable.sum() > 1e6
        bound = stats.norm.isf(LEVEL / 6) * float(excess.std()) * math.sqrt(len(excess))
        assert abs(float(excess.sum())) < bound
        assert bound / float(maskable.sum()) < 4e-3


@pytest.mark.parametrize("ratio", [0.02, 0.3])
def test_columns_of_weights_give_each_token_its_inclusion_probability(ratio):
    one = batch_of(1, 40, maskable=1.0)
    weights = one.columns["scores"][0].numpy().astype(float)
    drawn = masked_by(masker_of(ratio, "token", ByColumn(column="scores")), repeated(one, 20_000))
    expected = slow_inclusion(np.ones(40), weights, ratio)
    counts = drawn.corrupted.sum(0).numpy()
    tests = [
        stats.binomtest(int(k), 20_000, float(pi)) for k, pi in zip(counts, expected, strict=True)
    ]
    assert min(test.pvalue for test in tests) > LEVEL / 40


def test_columns_of_weights_only_differ_by_their_quotients():
    batch = batch_of()
    masker = masker_of(0.3, "word", ByColumn(column="scores"))
    larger = replace(batch, columns={**batch.columns, "scores": batch.columns["scores"] * 1024})
    assert torch.equal(masked_by(masker, batch).corrupted, masked_by(masker, larger).corrupted)


def test_columns_of_weights_blend_towards_the_mean_of_the_sequence():
    batch = batch_of(2, 10)
    batch.columns["scores"][1] = 0.0
    half = ByColumn(column="scores", blend=Constant(ratio=0.5))
    weights = batch.columns["scores"][0].double()
    mean = weights[batch.maskable[0]].mean()
    expected = 0.5 * (weights + mean)
    by_hand = replace(batch, columns={"scores": torch.stack([expected, expected]).float()})
    first = masked_by(masker_of(0.4, "token", half), batch)
    assert torch.equal(
        first.corrupted[0],
        masked_by(masker_of(0.4, "token", ByColumn(column="scores")), by_hand).corrupted[0],
    )
    assert not first.corrupted[1].any()


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf])
def test_columns_with_a_wrong_weight_are_refused_with_its_place(wrong):
    batch = batch_of(3, 8, maskable=1.0)
    batch.columns["scores"][1, 5] = wrong
    masker = masker_of(content=ByColumn(column="scores"))
    with pytest.raises(ValueError, match=rf"columns\['scores'\]\[1, 5\]={wrong:g}\. Expected"):
        masked_by(masker, batch)
    batch.maskable[1, 5] = False
    assert not masked_by(masker, batch).corrupted[1, 5]


def test_columns_with_an_id_beyond_the_sequence_are_refused():
    batch = batch_of(2, 8)
    batch.columns["phrases"][1, 3] = 8
    with pytest.raises(ValueError, match=r"columns\['phrases'\]=8\. Expected ids .* from 0 to 7"):
        masked_by(masker_of(unit="group"), batch)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"unit": Grouped(group="phrase")},
         "masking.unit.group=phrase names no column. Expected one of phrases, of kind group. Did "
         "you mean phrases?"),
        ({"unit": Grouped(group="scores")},
         "masking.unit.group=scores names a column of kind weight. Expected one of kind group; "
         "`tidemask inspect` lists"),
        ({"content": ByColumn(column="entities")},
         "masking.content.column=entities names a column of kind class. Expected one of kind "
         "weight; "),
        ({"content": ByClassLoss(classes="topics")},
         "masking.content.classes=topics names no column. Expected one of upos, entities"),
        ({"content": ByTable(classes="scores", weights={"DRUG": 1.0})},
         "masking.content.classes=scores names a column of kind weight"),
        ({"content": ByTable(classes="entities", weights={"NOUN": 1.0})},
         "masking.content.weights.NOUN names no class. Expected some of DRUG, DISEASE"),
    ],
)  # fmt: skip
def test_columns_that_a_policy_names_must_be_there(policy, message):
    with pytest.raises(ValueError, match="^" + message.replace(".", r"\.").replace("?", r"\?")):
        Masker(
            MaskingSettings(**policy),
            VOCABULARY,
            class_names=["NOUN"],
            columns=COLUMNS,
            max_steps=9,
        )


def test_columns_are_written_by_annotate_where_there_are_none():
    with pytest.raises(ValueError, match="Expected one that `tidemask annotate` writes"):
        Masker(MaskingSettings(unit=Grouped(group="phrases")), VOCABULARY, max_steps=9)


def test_columns_that_a_batch_lacks_or_has_of_another_type_are_refused():
    masker, batch = masker_of(unit="group"), batch_of(2, 8)
    with pytest.raises(ValueError, match=r"no columns\['phrases'\] in the batch"):
        masked_by(masker, replace(batch, columns={}))
    floats = {"phrases": batch.columns["scores"]}
    with pytest.raises(ValueError, match=r"phrases'\] of type torch.float32. Expected torch.int32"):
        masked_by(masker, replace(batch, columns=floats))
    with pytest.raises(ValueError, match=r"columns\['new'\] of type torch.int64. Expected"):
        masked_by(masker, with_column(batch, "new", torch.zeros(2, 8, dtype=torch.int64)))
    with pytest.raises(ValueError, match=r"columns\['new'\] of shape \(2, 7\)"):
        masked_by(masker, with_column(batch, "new", torch.zeros(2, 7)))
    with pytest.raises(ValueError, match=r"new=1\.5\. Expected a tensor"):
        masked_by(masker, with_column(batch, "new", 1.5))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "1st", "kind": "weight"}, "column='1st'. Expected letters"),
        ({"name": "../up", "kind": "weight"}, "column='../up'. Expected letters"),
        ({"name": "a", "kind": "text"}, "kind='text'. Expected class, weight or group"),
        ({"name": "vocabulary", "kind": "weight"}, "column=vocabulary, a name that policies use"),
        ({"name": "a", "kind": "class"}, "0 names of classes for the column a of kind class"),
        ({"name": "a", "kind": "group", "class_names": ("A",)}, "1 names .* kind group"),
        ({"name": "a", "kind": "class", "class_names": ("A", "A")}, "'A' is there twice"),
    ],
)
def test_columns_of_wrong_names_and_kinds_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        TokenColumn(**given)


def test_columns_are_known_by_one_name_each():
    assert list(known_columns(["A"], COLUMNS)) == ["upos", "entities", "scores", "phrases"]
    with pytest.raises(ValueError, match="scores is there twice"):
        known_columns((), [SCORES, SCORES])
    with pytest.raises(ValueError, match="upos is there twice"):
        known_columns((), [TokenColumn(name="upos", kind="class", class_names=("A",))])


def test_columns_move_with_their_batch():
    batch = batch_of(2, 6)
    moved = batch.to("meta")
    assert {name: value.device.type for name, value in moved.columns.items()} == dict.fromkeys(
        ("entities", "scores", "phrases"), "meta"
    )
    assert (NO_GROUP, NO_CLASS) == (-1, 255)
