"""Collation: what a batch of examples becomes, against loops, and what is refused."""

from __future__ import annotations

import re
from collections import UserDict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases
from tidemask.batches.collation import Collation
from tidemask.batches.content_ids import hashed_content
from tidemask.masking.vocabulary import Vocabulary
from tidemask.token_classes import NO_CLASS, TokenColumn

V, PAD = 300, 1
SPECIAL_IDS = (0, 1, 2, 3, 4)
VOCABULARY = Vocabulary.of(V, 4, SPECIAL_IDS)


def collation(**others: Any) -> Collation:
    return Collation(VOCABULARY.is_special, pad_id=PAD, **others)


def example(rng: np.random.Generator, length: int) -> dict[str, Any]:
    """One sequence with every column, in the small types of a prepared dataset."""
    return {
        "input_ids": rng.integers(0, V, length).astype(np.uint16),
        "word_starts": rng.random(length) < 0.6,
        "token_class": rng.choice([0, 7, 16, NO_CLASS], length).astype(np.uint8),
        "special_tokens_mask": (rng.random(length) < 0.1).astype(np.uint8),
        "token_type_ids": rng.integers(0, 2, length).astype(np.int8),
    }


def examples_of(lengths: list[int], seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [example(rng, length) for length in lengths]


CONVERSIONS = {
    "arrays": lambda value: value,
    "lists": lambda value: value.tolist(),
    "tensors": lambda value: torch.from_numpy(value.astype(np.int64)),
    "int32": lambda value: value.astype(np.int32),
}


@all_cases("lengths", [[6, 6, 6], [9, 1, 4], [3]], ids=str)
@all_cases("form", CONVERSIONS)
def test_collation_equals_a_loop_over_positions(lengths: list[int], form: str) -> None:
    examples = examples_of(lengths)
    given = [{k: CONVERSIONS[form](v) for k, v in e.items()} for e in examples]
    batch, passed_on = collation(pad_to_multiple_of=4)(given)
    width = -(-max(lengths) // 4) * 4
    assert batch.word_starts is not None
    assert batch.token_class is not None
    assert batch.input_ids.shape == (len(lengths), width)
    assert batch.input_ids.dtype == torch.int64
    assert batch.token_class.dtype == torch.uint8
    assert (batch.attention_mask is None) == all(length == width for length in lengths)
    assert passed_on.keys() == {"token_type_ids"}
    for i, e in enumerate(examples):
        for p in range(width):
            inside = p < lengths[i]
            ids = int(e["input_ids"][p]) if inside else PAD
            assert int(batch.input_ids[i, p]) == ids
            is_special = inside and (ids in SPECIAL_IDS or bool(e["special_tokens_mask"][p]))
            assert bool(batch.maskable[i, p]) == (inside and not is_special)
            assert bool(batch.word_starts[i, p]) == (inside and bool(e["word_starts"][p]))
            assert int(batch.token_class[i, p]) == (e["token_class"][p] if inside else NO_CLASS)
            types = passed_on["token_type_ids"]
            assert int(types[i, p]) == (e["token_type_ids"][p] if inside else 0)
            if batch.attention_mask is not None:
                assert bool(batch.attention_mask[i, p]) == inside


def test_collation_reads_padding_from_the_attention_mask() -> None:
    """Tokens of any id that are not attended to are padding, on either side."""
    rows = [
        {"input_ids": [9, 8, 7, 6], "attention_mask": [0, 0, 1, 1]},
        {"input_ids": [9, 8, 7], "attention_mask": [1, 1, 0]},
    ]
    batch = collation()(rows)[0]
    expected = [[False, False, True, True], [True, True, False, False]]
    assert batch.maskable.tolist() == expected
    assert batch.attention_mask is not None
    assert batch.attention_mask.tolist() == expected


def test_collation_passes_on_what_the_model_reads() -> None:
    """Numbers per token or per sequence keep their value; texts beside them are left out."""
    rows = [
        {
            "input_ids": np.arange(9, 12 + i, dtype=np.uint8),
            "domain": i,
            "score": 0.5 * i,
            "importance": np.full(3 + i, i, np.float64),
            "text": "left out",
            "offset_mapping": [(0, 1)] * (3 + i),
        }
        for i in range(2)
    ]
    passed_on = collation()(rows)[1]
    assert passed_on.keys() == {"domain", "score", "importance"}
    assert passed_on["domain"].tolist() == [0, 1]
    assert passed_on["domain"].dtype == torch.int64
    assert passed_on["score"].tolist() == [0.0, 0.5]
    assert passed_on["score"].dtype == torch.float32
    assert passed_on["importance"].tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("first", [0, 2], ids=["from 0", "from 2, as RoBERTa"])
def test_collation_finds_documents_where_positions_fall_back(first: int) -> None:
    rows = [
        {"input_ids": [9] * 6, "position_ids": [first + p for p in (0, 1, 2, 0, 0, 1)]},
        {"input_ids": [9] * 4, "position_ids": [first + p for p in (0, 1, 2, 3)]},
    ]
    batch, passed_on = collation()(rows)
    starts = batch.document_starts
    assert starts is not None
    assert starts[0].tolist() == [True, False, False, True, True, False]
    assert starts[1, :4].tolist() == [True, False, False, False]
    assert passed_on["position_ids"][0].tolist() == rows[0]["position_ids"]


def test_collation_document_starts_as_given_come_first() -> None:
    row = {"input_ids": [9, 9, 9], "position_ids": [0, 0, 0], "document_starts": [1, 0, 1]}
    batch, passed_on = collation()([row])
    assert batch.document_starts is not None
    assert batch.document_starts.tolist() == [[True, False, True]]
    assert passed_on.keys() == {"position_ids"}


def test_collation_types_hold_every_example() -> None:
    """A later example of a wider type, an empty list (float64 to NumPy), filling above the type."""
    rows = [
        {"input_ids": np.array([9], np.uint8), "token_class": np.array([3], np.int8)},
        {"input_ids": np.array([299, 9], np.int64), "token_class": np.array([3, 4], np.int8)},
        {"input_ids": [], "token_class": []},
    ]
    batch = collation()(rows)[0]
    assert batch.input_ids.tolist() == [[9, PAD], [299, 9], [PAD, PAD]]
    assert batch.token_class is not None
    assert batch.token_class.tolist() == [[3, NO_CLASS], [3, 4], [NO_CLASS, NO_CLASS]]
    assert collation()([{"input_ids": []}])[0].input_ids.shape == (1, 0)


def test_collation_takes_any_mapping() -> None:
    """`BatchEncoding` is a `UserDict`."""
    rows: list[Any] = [UserDict(input_ids=[9, 8]), UserDict(input_ids=[7])]
    assert collation()(rows)[0].input_ids.tolist() == [[9, 8], [7, PAD]]


# ---- names of sequences ----

SEQUENCES = st.lists(st.integers(0, V - 1), min_size=1, max_size=12)


@given(st.lists(SEQUENCES, min_size=1, max_size=6), st.integers(1, 16))
def test_collation_names_depend_on_content_alone(rows: list[list[int]], multiple: int) -> None:
    """Alone, in company, padded to any width: equal sequences, and only they, have equal names."""
    together = collation(pad_to_multiple_of=multiple)([{"input_ids": row} for row in rows])
    names = together[0].sample_ids.tolist()
    alone = [int(collation()([{"input_ids": row}])[0].sample_ids) for row in rows]
    assert names == alone
    assert len(set(names)) == len({tuple(row) for row in rows})


def test_collation_names_are_spread_evenly() -> None:
    """Nearly equal sequences have unrelated names; chi-square of the low byte at LEVEL 1e-6."""
    level_1e6_of_255 = 382.0
    base = torch.full((20_000, 8), 9)
    base[:, 3] = torch.arange(20_000) % 200
    base[:, 5] = torch.arange(20_000) // 200
    names = hashed_content(base, None)
    assert len(set(names.tolist())) == 20_000
    assert int(names.min()) >= 0
    for shift in (0, 8, 24, 40):
        counts = torch.bincount((names >> shift) & 255, minlength=256).double()
        assert float(((counts - 20_000 / 256) ** 2 / (20_000 / 256)).sum()) < level_1e6_of_255


def test_collation_sample_id_overrides_the_name() -> None:
    rows = [{"input_ids": [9, 9], "sample_id": 2**62 + 1}, {"input_ids": [9, 9], "sample_id": 3}]
    assert collation()(rows)[0].sample_ids.tolist() == [2**62 + 1, 3]


# ---- what is refused ----

ROW = {"input_ids": [9, 8, 7]}
REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "nothing": ([], "no examples to collate"),
    "no ids": ([{"text": "a"}], "no column input_ids among text"),
    "no columns": ([{}], "no column input_ids among none"),
    "a column that one lacks": (
        [{**ROW, "word_starts": [1, 1, 1]}, ROW],
        "example 1 has no word_starts, which example 0 has",
    ),
    "a column that the first lacks": (
        [ROW, {**ROW, "special_tokens_mask": [1, 0, 0]}],
        "example 0 has no special_tokens_mask, which example 1 has",
    ),
    "another length": (
        [ROW, {"input_ids": [9, 8, 7, 6], "token_class": [1]}],
        "example 0 has no token_class",
    ),
    "fewer values than ids": (
        [{**ROW, "word_starts": [1, 1]}],
        r"word_starts of example 0 has shape \(2,\). Expected \(3,\), one per token",
    ),
    "a value and a row": (
        [{**ROW, "domain": 1}, {**ROW, "domain": [1, 2, 3]}],
        r"domain of example 1 has shape \(3,\). Expected one value",
    ),
    "ids with a batch dimension": (
        [{"input_ids": [[9, 8]]}],
        r"input_ids of example 0 has shape \(1, 2\)",
    ),
    "one id": ([{"input_ids": 9}], r"input_ids of example 0 has shape \(\)"),
    "an attention mask per pair": (
        [{**ROW, "attention_mask": [[1] * 3] * 3}],
        r"attention_mask of example 0 has shape \(3, 3\)",
    ),
    "an id outside": ([{"input_ids": [9, V]}], r"input_ids=300. Expected ids from 0 to 299"),
    "an id below 0": ([{"input_ids": [9, -1]}], "input_ids=-1"),
    "ids of floats": ([{"input_ids": [9.0, 8.5]}], "input_ids has the type float64. Expected int"),
    "ids of text": ([{"input_ids": ["a", "b"]}], "input_ids has the type <U1"),
    "a class above": ([{**ROW, "token_class": [0, 1, 256]}], "token_class=256"),
    "a class below 0": ([{**ROW, "token_class": [0, -1, 2]}], "token_class=-1"),
    "classes of floats": ([{**ROW, "token_class": [0.0, 1.0, 2.0]}], "token_class has the type"),
    "names of text": ([{**ROW, "sample_id": "a7"}], "column sample_id has the type <U2"),
    "names per token": (
        [{**ROW, "sample_id": [1, 2, 3]}],
        r"sample_id of example 0 has shape \(3,\)",
    ),
    "a name above": ([{**ROW, "sample_id": 2**63 + 1}], "sample_id of example 0 has the value 92"),
    "a giant number for the model": ([ROW | {"kind": 2**63}], "kind of example 0 has the value 92"),
    "text for the model": ([{**ROW, "url": "123"}], "column url has the type <U3. Expected num"),
    "nothing for the model": ([{**ROW, "word_ids": [None, 0, 1]}], "column word_ids has the type"),
    "labels": ([{**ROW, "labels": [9, 8, 7]}], "a column labels in the examples"),
    "loss weights": ([{**ROW, "loss_weight": [1, 1, 1]}], "a column loss_weight"),
}


@all_cases("case", REFUSED)
def test_collation_refuses(case: str) -> None:
    rows, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        collation()(rows)


@all_cases(
    "name",
    (
        "special_tokens_mask", "attention_mask", "word_starts", "token_class", "document_starts",
        "token_type_ids", "position_ids", "scores",
    ),
)  # fmt: skip
@all_cases("number", (2, 3))
def test_collation_refuses_one_value_for_a_sequence_where_every_token_has_one(name, number):
    """With as many sequences as positions, PyTorch would spread the values over the positions."""
    rows = [{"input_ids": [9, 8, 7], name: each % 2} for each in range(number)]
    expected = rf"{name} of example 0 has shape \(\). Expected \(3,\), one per token"
    with pytest.raises(ValueError, match=expected):
        collation(columns=[TokenColumn(name="scores", kind="weight")])(rows)


def test_collation_refuses_a_multiple_below_one() -> None:
    with pytest.raises(ValueError, match=re.escape("pad_to_multiple_of=0")):
        collation(pad_to_multiple_of=0)


def test_collation_fills_columns_up_with_no_class_no_weight_and_no_group():
    columns = (
        TokenColumn(name="entities", kind="class", class_names=("A",)),
        TokenColumn(name="scores", kind="weight"),
        TokenColumn(name="phrases", kind="group"),
    )
    collate = collation(columns=columns)
    long = {"input_ids": [5, 6], "entities": [0, 255], "scores": [0.5, 2], "phrases": [-1, 1]}
    short = {"input_ids": [7], "entities": [0], "scores": [1], "phrases": [0]}
    batch, others = collate([long, short])
    assert others == {}
    assert {name: (value.dtype, value.tolist()) for name, value in batch.columns.items()} == {
        "entities": (torch.uint8, [[0, 255], [0, 255]]),
        "scores": (torch.float32, [[0.5, 2.0], [1.0, 0.0]]),
        "phrases": (torch.int32, [[-1, 1], [0, -1]]),
    }
    for name, wrong in (("entities", [0, 256]), ("phrases", [0, 2**31]), ("phrases", [0.5, 1])):
        with pytest.raises(ValueError, match=name):
            collate([{**long, name: wrong}])
    with pytest.raises(ValueError, match="token_class is read for itself"):
        collation(columns=[TokenColumn(name="token_class", kind="group")])
