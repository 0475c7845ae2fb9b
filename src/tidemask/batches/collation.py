"""From a list of examples to the tensors of a batch: stacking, padding, ids. Nothing is masked.

An example is a mapping, as a tokenizer or a dataset gives it: `input_ids`, and what else is known
of each token. Values may be NumPy arrays, lists or tensors; arrays are the quickest.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from tidemask.masking.batch import Batch, check_in_vocabulary
from tidemask.masking.noise import philox_4x32
from tidemask.settings import check_integer, shown
from tidemask.token_classes import COLUMN_FORMS, NO_CLASS, TokenColumn

TokenizedExample = Mapping[str, Any]
"""One sequence of a dataset: `input_ids`, and by name whatever else is known of it."""

WORD_STARTS, TOKEN_CLASS, DOCUMENT_STARTS = "word_starts", "token_class", "document_starts"
SPECIAL, ATTENTION, SAMPLE_ID = "special_tokens_mask", "attention_mask", "sample_id"

_FOR_MASKING = {WORD_STARTS, TOKEN_CLASS, DOCUMENT_STARTS, SPECIAL, SAMPLE_ID}
"""Columns that masking reads and no model does."""

_LEFT_OUT = {"offset_mapping", "length", "overflow_to_sample_mapping", "text"}
"""Columns of tokenizers and datasets that neither masking nor a model reads."""

_MADE_HERE = ("labels", "loss_weight", "num_maskable")
"""Columns that masking makes; those of a dataset would be overwritten, or be taken for ours."""

_FILLING = {TOKEN_CLASS: NO_CLASS, SPECIAL: 1, WORD_STARTS: 0, DOCUMENT_STARTS: 0, ATTENTION: 0}
"""Value of a column at padded positions; 0 in any other column."""

_PER_TOKEN = {
    "input_ids", WORD_STARTS, TOKEN_CLASS, DOCUMENT_STARTS, SPECIAL, ATTENTION, "position_ids",
    "token_type_ids",
}  # fmt: skip
"""Fields with a value for every token; one value for a sequence would be spread over positions."""

_IDS = {"input_ids", TOKEN_CLASS, SAMPLE_ID}
_KNOWN = _FOR_MASKING | {ATTENTION}

_MAX_LENGTH = 1 << 23
"""Lengths are below it: so far the draws of different positions are independent."""

_HASH_KEY = (0x7DE_3A5C, 0)
_ODD = 0x2545F4914F6CDD1D


class Collation:
    """Collates examples.

    Args:
        is_special: for each vocabulary id, whether it is special; bool.
        pad_id: id that fills up shorter sequences.
        pad_to_multiple_of: the length of a batch is a multiple of this.
        columns: what is read of each token beside what `Batch` has fields for.

    Raises:
        ValueError: an argument outside its range; a column that is called as one of the fields.
    """

    def __init__(
        self,
        is_special: Bool[Tensor, "V"],
        *,
        pad_id: int,
        pad_to_multiple_of: int = 1,
        columns: Sequence[TokenColumn] = (),
    ) -> None:
        size = len(is_special)
        self.is_special = is_special
        self.pad_id = check_integer("pad_id", pad_id, minimum=0, below=size, what="an id")
        self.pad_to_multiple_of = check_integer(
            "pad_to_multiple_of", pad_to_multiple_of, minimum=1, below=_MAX_LENGTH
        )
        self.columns = {column.name: column for column in columns}
        if taken := self.columns.keys() & (_KNOWN | {"input_ids"}):
            raise ValueError(f"columns: {min(taken)} is read for itself. Expected another name.")

    def __call__(self, examples: Sequence[TokenizedExample]) -> tuple[Batch, dict[str, Tensor]]:
        """Stack the examples' columns.

        The id of a sequence without `sample_id` is a hash of its content, so that its noise does
        not depend on the rest of its batch, on the worker, or on the rank.

        Returns:
            What masking reads; and the columns that go to the model as they are (`token_type_ids`,
            `position_ids`, ...), int64 or float32, [B, L] or [B].

        Raises:
            ValueError: no examples, no `input_ids`, columns that some examples lack, that masking
                itself makes, that are not numbers, or whose lengths differ from those of the ids;
                an id outside the vocabulary.
        """
        columns = _columns(examples)
        ids = [example["input_ids"] for example in examples]
        lengths = np.array([len(row) if hasattr(row, "__len__") else 1 for row in ids])
        width = -(-int(lengths.max()) // self.pad_to_multiple_of) * self.pad_to_multiple_of
        arrays = {
            name: self._stacked(name, [example[name] for example in examples], lengths, width)
            for name in columns
        }
        inside = _inside(lengths, width, arrays.pop(ATTENTION, None))
        check_in_vocabulary(arrays["input_ids"], len(self.is_special))
        input_ids = _as_int64(arrays.pop("input_ids"))
        maskable = ~self.is_special[input_ids]
        if inside is not None:
            maskable &= inside
        if SPECIAL in arrays:
            maskable &= torch.from_numpy(arrays.pop(SPECIAL)) == 0
        named = {
            name: _as_column(column, arrays.pop(name))
            for name, column in self.columns.items()
            if name in arrays
        }
        sample_ids = arrays.pop(SAMPLE_ID, None)
        batch = Batch(
            input_ids=input_ids,
            maskable=maskable,
            sample_ids=hashed_content(input_ids, inside)
            if sample_ids is None
            else _as_int64(sample_ids),
            word_starts=_as_bool(arrays.pop(WORD_STARTS, None)),
            token_class=_as_class(arrays.pop(TOKEN_CLASS, None)),
            document_starts=_document_starts(arrays),
            attention_mask=inside,
            columns=named,
        )
        return batch, {name: _for_model(array) for name, array in arrays.items()}

    def _stacked(
        self, name: str, values: list[Any], lengths: NDArray[np.int64], width: int
    ) -> NDArray[Any]:
        """One column, filled up to `width`; its type holds the values of every example."""
        rows = [_as_array(name, value, number) for number, value in enumerate(values)]
        per_token = name in _PER_TOKEN or name in self.columns
        per_sequence = name == SAMPLE_ID or (rows[0].ndim == 0 and not per_token)
        for number, row in enumerate(rows):
            if row.shape != (() if per_sequence else (lengths[number],)):
                expected = "one value" if per_sequence else f"({lengths[number]},), one per token"
                raise ValueError(
                    f"{name} of example {number} has shape {row.shape}. Expected {expected}."
                )
            if row.dtype == np.uint64 and name != "input_ids" and _is_above_int64(row):
                raise ValueError(
                    f"{name} of example {number} has the value {row.max()}. Expected numbers below "
                    "2**63."
                )
        column = self.columns.get(name)
        dtype = _dtype(name, rows, is_integer=column is not None and column.kind != "weight")
        if per_sequence or (lengths == width).all():
            return np.stack(rows).astype(dtype, copy=False)
        filling = self.pad_id if name == "input_ids" else _FILLING.get(name, 0)
        if column is not None:
            filling = COLUMN_FORMS[column.kind][1]
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= filling <= np.iinfo(dtype).max:
            dtype = np.dtype(np.int64)
        stacked = np.full((len(rows), width), filling, dtype=dtype)
        for row, into in zip(rows, stacked, strict=True):
            into[: len(row)] = row
        return stacked


def _is_above_int64(row: NDArray[Any]) -> bool:
    return bool(row.size and row.max() > np.iinfo(np.int64).max)


def _columns(examples: Sequence[TokenizedExample]) -> list[str]:
    """Names of the columns to collate, the same in all examples."""
    if not examples:
        raise ValueError("no examples to collate. Expected at least one sequence.")
    first = examples[0]
    if not isinstance(first, Mapping):
        raise ValueError(f"an example is {shown(first)}. Expected a mapping with input_ids.")
    if "input_ids" not in first:
        raise ValueError(
            f"no column input_ids among {', '.join(map(str, first)) or 'none'}. Expected "
            "tokenised examples; with the stock Trainer, set remove_unused_columns=False."
        )
    for name in _MADE_HERE:
        if name in first:
            raise ValueError(
                f"a column {name} in the examples, which masking makes itself. Remove it; "
                f"positions that are never to be masked are those where {SPECIAL} is 1."
            )
    for number, example in enumerate(examples):
        if differing := (first.keys() ^ example.keys()) - _LEFT_OUT:
            name = min(differing)
            has, lacks = (0, number) if name in first else (number, 0)
            raise ValueError(f"example {lacks} has no {name}, which example {has} has.")
    return [name for name in first if name not in _LEFT_OUT]


def _as_array(name: str, value: Any, number: int) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError as error:  # of lists of several lengths
        raise ValueError(
            f"{name} of example {number} is {shown(value)}. Expected one value per token."
        ) from error


def _dtype(name: str, rows: list[NDArray[Any]], *, is_integer: bool) -> np.dtype[Any]:
    """The type of a column: numbers, and integers where they name or count something."""
    dtypes = {row.dtype for row in rows if row.size} or {np.dtype(np.int64)}
    dtype = np.result_type(*dtypes) if len(dtypes) > 1 else dtypes.pop()
    kinds = "iu" if name in _IDS or is_integer else "biu" if name in _KNOWN else "biuf"
    if dtype.kind not in kinds:
        what = "numbers" if kinds == "biuf" else "integers"
        raise ValueError(
            f"column {name} has the type {dtype}. Expected {what}; remove a column that the model "
            "does not read."
        )
    return dtype


def hashed_content(
    input_ids: Int[Tensor, "B L"], inside: Bool[Tensor, "B L"] | None
) -> Int[Tensor, "B"]:
    """A sample id for each sequence: a hash of its ids, padding left out, in [0, 2**63).

    Multilinear hashing: the sum of `(id + 1) c[position]` with fixed random odd 64-bit factors `c`,
    modulo 2**64, its bits mixed and its sign dropped. Equal sequences get equal ids.
    """
    # `id + 1`, so that an id of 0 differs from padding, which adds nothing.
    factors = _hash_factors(input_ids.shape[1])
    ids = input_ids + 1 if inside is None else (input_ids + 1) * inside
    total = (ids * factors).sum(1)
    total = (total ^ ((total >> 32) & 0xFFFFFFFF)) * _ODD
    return (total ^ ((total >> 32) & 0xFFFFFFFF)) & (2**63 - 1)


@lru_cache(maxsize=64)
def _hash_factors(length: int) -> Int[Tensor, "L"]:
    """Fixed random odd numbers, int64, one per position."""
    positions = torch.arange(length, dtype=torch.int64, device="cpu")
    zeros = torch.zeros_like(positions)
    low, high, *_ = philox_4x32((positions, zeros, zeros, zeros), _HASH_KEY)
    return (high << 32) | low | 1


def _inside(
    lengths: NDArray[np.int64], width: int, attention: NDArray[Any] | None
) -> Bool[Tensor, "B L"] | None:
    """True where a position is not padding; `None` if nothing is padded."""
    inside = np.arange(width) < lengths[:, None] if attention is None else attention != 0
    return None if inside.all() else torch.from_numpy(inside)


def _document_starts(arrays: dict[str, NDArray[Any]]) -> Bool[Tensor, "B L"] | None:
    """The column if there is one; else true where position ids do not rise, as in packed rows."""
    given = arrays.pop(DOCUMENT_STARTS, None)
    if given is not None:
        return _as_bool(given)
    positions = arrays.get("position_ids")
    if positions is None:
        return None
    starts = np.ones(positions.shape, dtype=np.bool_)
    starts[:, 1:] = positions[:, 1:] <= positions[:, :-1]
    return torch.from_numpy(starts)


def _as_int64(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(array.astype(np.int64, copy=False))


def _as_bool(array: NDArray[Any] | None) -> Tensor | None:
    return None if array is None else torch.from_numpy(array.astype(np.bool_, copy=False))


def _as_class(array: NDArray[Any] | None) -> Tensor | None:
    """Raises ValueError for a class that does not fit eight bits."""
    if array is None:
        return None
    _check_class(TOKEN_CLASS, array)
    return torch.from_numpy(array.astype(np.uint8, copy=False))


def _check_class(name: str, array: NDArray[Any]) -> None:
    if array.dtype != np.uint8 and array.size and not 0 <= array.min() <= array.max() <= NO_CLASS:
        worst = array.max() if array.max() > NO_CLASS else array.min()
        raise ValueError(f"{name}={worst}. Expected a class, or {NO_CLASS} for none.")


def _as_column(column: TokenColumn, array: NDArray[Any]) -> Tensor:
    """A column as its kind has it; raises ValueError for a number that does not fit."""
    if column.kind == "class":
        _check_class(column.name, array)
    kind = COLUMN_FORMS[column.kind][0]
    if column.kind == "group" and array.size and array.max() > np.iinfo(kind).max:
        raise ValueError(f"{column.name}={array.max()}. Expected ids of groups below 2**31.")
    return torch.from_numpy(array.astype(kind, copy=False))


def _for_model(array: NDArray[Any]) -> Tensor:
    kind = np.float32 if np.issubdtype(array.dtype, np.floating) else np.int64
    return torch.from_numpy(array.astype(kind, copy=False))
