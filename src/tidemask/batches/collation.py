"""From a list of examples to the tensors of a batch: stacking, padding, ids. Nothing is masked.

An example is a mapping, as a tokenizer or a dataset gives it: `input_ids`, and what else is known
of each token. Values may be NumPy arrays, lists or tensors; arrays are the quickest.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from tidemask.batches.content_ids import hashed_content
from tidemask.batches.example_columns import (
    ATTENTION,
    DOCUMENT_STARTS,
    FILLING,
    KNOWN,
    PER_TOKEN,
    SAMPLE_ID,
    SPECIAL,
    TOKEN_CLASS,
    WORD_STARTS,
    TokenizedExample,
    as_array,
    as_bool,
    as_class,
    as_column,
    as_int64,
    for_model,
    is_above_int64,
    names_of_columns,
    type_of_column,
)
from tidemask.masking.batch import Batch, check_in_vocabulary
from tidemask.settings import check_integer
from tidemask.token_classes import COLUMN_FORMS, TokenColumn

_MAX_LENGTH = 1 << 23
"""Lengths are below it: so far the draws of different positions are independent."""


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
        if taken := self.columns.keys() & (KNOWN | {"input_ids"}):
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
        columns = names_of_columns(examples)
        ids = [example["input_ids"] for example in examples]
        lengths = np.array([len(row) if hasattr(row, "__len__") else 1 for row in ids])
        width = -(-int(lengths.max()) // self.pad_to_multiple_of) * self.pad_to_multiple_of
        arrays = {
            name: self._stacked(name, [example[name] for example in examples], lengths, width)
            for name in columns
        }
        inside = _inside(lengths, width, arrays.pop(ATTENTION, None))
        check_in_vocabulary(arrays["input_ids"], len(self.is_special))
        input_ids = as_int64(arrays.pop("input_ids"))
        maskable = ~self.is_special[input_ids]
        if inside is not None:
            maskable &= inside
        if SPECIAL in arrays:
            maskable &= torch.from_numpy(arrays.pop(SPECIAL)) == 0
        named = {
            name: as_column(column, arrays.pop(name))
            for name, column in self.columns.items()
            if name in arrays
        }
        sample_ids = arrays.pop(SAMPLE_ID, None)
        batch = Batch(
            input_ids=input_ids,
            maskable=maskable,
            sample_ids=hashed_content(input_ids, inside)
            if sample_ids is None
            else as_int64(sample_ids),
            word_starts=as_bool(arrays.pop(WORD_STARTS, None)),
            token_class=as_class(arrays.pop(TOKEN_CLASS, None)),
            document_starts=_document_starts(arrays),
            attention_mask=inside,
            columns=named,
        )
        return batch, {name: for_model(array) for name, array in arrays.items()}

    def _stacked(
        self, name: str, values: list[Any], lengths: NDArray[np.int64], width: int
    ) -> NDArray[Any]:
        """One column, filled up to `width`; its type holds the values of every example."""
        rows = [as_array(name, value, number) for number, value in enumerate(values)]
        per_token = name in PER_TOKEN or name in self.columns
        per_sequence = name == SAMPLE_ID or (rows[0].ndim == 0 and not per_token)
        for number, row in enumerate(rows):
            if row.shape != (() if per_sequence else (lengths[number],)):
                expected = "one value" if per_sequence else f"({lengths[number]},), one per token"
                raise ValueError(
                    f"{name} of example {number} has shape {row.shape}. Expected {expected}."
                )
            if row.dtype == np.uint64 and name != "input_ids" and is_above_int64(row):
                raise ValueError(
                    f"{name} of example {number} has the value {row.max()}. Expected numbers below "
                    "2**63."
                )
        column = self.columns.get(name)
        dtype = type_of_column(
            name, rows, is_integer=column is not None and column.kind != "weight"
        )
        if per_sequence or (lengths == width).all():
            return np.stack(rows).astype(dtype, copy=False)
        filling = self.pad_id if name == "input_ids" else FILLING.get(name, 0)
        if column is not None:
            filling = COLUMN_FORMS[column.kind][1]
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= filling <= np.iinfo(dtype).max:
            dtype = np.dtype(np.int64)
        stacked = np.full((len(rows), width), filling, dtype=dtype)
        for row, into in zip(rows, stacked, strict=True):
            into[: len(row)] = row
        return stacked


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
        return as_bool(given)
    positions = arrays.get("position_ids")
    if positions is None:
        return None
    starts = np.ones(positions.shape, dtype=np.bool_)
    starts[:, 1:] = positions[:, 1:] <= positions[:, :-1]
    return torch.from_numpy(starts)
