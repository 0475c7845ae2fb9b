"""The collator: the masker's own masks in whatever batch, evaluation, columns."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import one_in, random_examples
from collators import MASK, POLICIES, V, collator_of, expected, row_of, same, zeros
from tidemask import MaskingCollator, MaskingSettings
from tidemask.masking.schedule import Constant


@pytest.mark.parametrize("policy", POLICIES)
def test_collator_masks_as_the_masker_does(policy: str) -> None:
    collator = collator_of(policy, 5)
    for step in range(5):
        rows = [row_of(3 * step + i) for i in range(3)]
        assert same(collator(rows), expected(policy, rows, step, 5))
        collator.step_done(*zeros(collator))


@pytest.mark.parametrize("policy", one_in(7, POLICIES))
@random_examples(25)
@given(
    lengths=st.lists(st.integers(3, 40), min_size=1, max_size=5),
    multiple=st.integers(1, 16),
    step=st.integers(0, 9),
)
def test_collator_mask_of_a_sequence_does_not_depend_on_its_batch(
    policy: str, lengths: list[int], multiple: int, step: int
) -> None:
    """Named by content: alone, in company, padded to another width, in another order."""
    rows = [row_of(i, length) for i, length in enumerate(lengths)]
    rows = [{k: v for k, v in row.items() if k != "sample_id"} for row in rows]
    collator = collator_of(policy, 10, pad_to_multiple_of=multiple)
    losses = torch.tensor([1.0, 5.0, 2.0]).repeat(V // 3)[: 3 if "class" in policy else V]
    if collator.class_loss is not None:
        collator.step_done(losses, torch.ones_like(losses))
    collator.start(step)
    together = collator(rows[::-1])
    for number, row in enumerate(rows):
        collator.start(step)
        alone = collator([row])
        for name in ("input_ids", "labels"):
            in_company = together[name][len(rows) - 1 - number, : lengths[number]]
            assert torch.equal(in_company, alone[name][0, : lengths[number]])


# ---- evaluation ----


def test_collator_evaluation_is_the_same_each_time_and_moves_nothing() -> None:
    """Uniform tokens at one ratio, all mask tokens. Binomial bound at LEVEL 1e-6 (4.9 sigma)."""
    rows = [row_of(i, 200) for i in range(50)]
    collator = collator_of("class loss", 10)
    collator.is_training = lambda: False
    first = collator([{"input_ids": row["input_ids"]} for row in rows])
    for step in range(3):
        again = collator(rows)
        assert again.keys() == {"input_ids", "labels", "row"}
        unnamed = [{"input_ids": row["input_ids"]} for row in rows]
        assert same(collator(unnamed), first)
        collator.is_training = lambda: True
        assert same(collator(rows[:2]), expected("class loss", rows[:2], step, 10))
        collator.step_done(*zeros(collator))
        collator.is_training = lambda: False
    predicted = first["labels"] >= 0
    assert bool((first["input_ids"][predicted] == MASK).all())
    number, chosen = 50 * 198, int(predicted.sum())
    assert abs(chosen - 0.15 * number) < 4.9 * math.sqrt(number * 0.15 * 0.85)


# ---- columns ----


def test_collator_columns_are_those_that_the_loss_reads() -> None:
    rows = [row_of(0), row_of(1)]
    assert collator_of("words", 2)(rows).keys() == {"input_ids", "labels", "row"}
    by_loss = collator_of("class loss", 2)(rows)
    assert by_loss.keys() == {"input_ids", "labels", "row", "token_class"}
    weighted = collator_of("masked diffusion", 2)(rows)
    assert weighted.keys() == {"input_ids", "labels", "row", "loss_weight", "num_maskable"}
    assert weighted["num_maskable"].tolist() == [22, 22]
    predicted = weighted["labels"] >= 0
    assert bool((weighted["loss_weight"][~predicted] == 0).all())
    assert bool((weighted["loss_weight"][predicted] >= 1).all())


def test_collator_attention_mask_where_it_says_something_or_was_given() -> None:
    collator = collator_of("tokens", 9)
    plain, short = {"input_ids": [2, 9, 9, 3]}, {"input_ids": [2, 3]}
    assert "attention_mask" not in collator([plain, plain])
    assert collator([plain, short])["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    given_mask = {**plain, "attention_mask": [1, 1, 1, 1]}
    assert collator([given_mask])["attention_mask"].tolist() == [[1, 1, 1, 1]]


def test_collator_keeps_documents_of_packed_rows_apart() -> None:
    """One word start at the row's beginning, so each of the two documents is one word."""
    row = {
        "input_ids": np.arange(10, 22),
        "word_starts": np.arange(12) == 0,
        "position_ids": np.arange(12) % 6,
    }
    selected = set()
    for step in range(40):
        collator = collator_of(MaskingSettings(ratio=Constant(ratio=0.5)), 40)
        collator.start(step)
        labels = collator([row])["labels"][0] >= 0
        assert bool((labels[:6] == labels[0]).all())
        assert bool((labels[6:] == labels[6]).all())
        selected.add((bool(labels[0]), bool(labels[6])))
    assert len(selected) == 4


@pytest.mark.parametrize(
    ("policy", "left_out", "named"),
    [
        ("words", "word_starts", "word_starts"),
        ("class loss", "token_class", "token_class"),
        ("class loss", "word_starts", "word_starts"),
    ],
)
def test_collator_names_the_column_that_the_policy_lacks(
    policy: str, left_out: str, named: str
) -> None:
    row = {k: v for k, v in row_of(0).items() if k != left_out}
    message = f"no column {named} in the examples.*remove_unused_columns=False"
    with pytest.raises(ValueError, match=message):
        collator_of(policy, 2)([row])


def test_collator_refuses_a_class_outside_the_table() -> None:
    row = {**row_of(0), "token_class": np.full(24, 3)}
    with pytest.raises(ValueError, match=r"token_class=3. Expected a class from 0 to 2"):
        collator_of("class loss", 2)([row])


# ---- vocabulary ----


def tokenizer_of(ids: dict[str, int], **others: Any) -> Any:
    defaults = {"mask_token_id": 4, "pad_token_id": 0, "all_special_ids": [0, 4]}
    return SimpleNamespace(**{**defaults, **others}, get_vocab=lambda: ids)


def test_collator_for_a_tokenizer_reads_its_vocabulary() -> None:
    """Ids may leave gaps: the size is one more than the largest, not the number of tokens."""
    tokenizer = tokenizer_of({"[PAD]": 0, "[MASK]": 4, "a": 7, "b": 90})
    collator = MaskingCollator.for_tokenizer(POLICIES["tokens"], tokenizer, max_steps=3)
    assert collator.masker.vocabulary.size == 91
    batch = collator([{"input_ids": [7, 90, 7]}, {"input_ids": [90]}])
    assert batch["input_ids"][1, 1:].tolist() == [0, 0]
    assert batch["labels"][1, 1:].tolist() == [-100, -100]


@pytest.mark.parametrize("name", ["mask_token_id", "pad_token_id"])
def test_collator_refuses_a_tokenizer_without_the_token(name: str) -> None:
    tokenizer = tokenizer_of({"a": 0}, **{name: None})
    with pytest.raises(ValueError, match=f"{name}=None"):
        MaskingCollator.for_tokenizer(POLICIES["tokens"], tokenizer, max_steps=3)
