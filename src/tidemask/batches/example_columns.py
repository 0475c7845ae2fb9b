"""The columns of examples: which are known, what type each has, and what is refused of them.

Nothing is padded here, and nothing made of several columns.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tidemask.settings import shown
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

FILLING = {TOKEN_CLASS: NO_CLASS, SPECIAL: 1, WORD_STARTS: 0, DOCUMENT_STARTS: 0, ATTENTION: 0}
"""Value of a column at padded positions; 0 in any other column."""

PER_TOKEN = {
    "input_ids", WORD_STARTS, TOKEN_CLASS, DOCUMENT_STARTS, SPECIAL, ATTENTION, "position_ids",
    "token_type_ids",
}  # fmt: skip
"""Fields with a value for every token; one value for a sequence would be spread over positions."""

KNOWN = _FOR_MASKING | {ATTENTION}
"""Columns beside the ids that collation reads."""

_IDS = {"input_ids", TOKEN_CLASS, SAMPLE_ID}


def names_of_columns(examples: Sequence[TokenizedExample]) -> list[str]:
    """Names of the columns to collate, the same in all examples.

    Raises:
        ValueError: no examples, one that is no mapping, no `input_ids`, a column that masking
            makes, or one that some examples lack.
    """
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


def as_array(name: str, value: Any, number: int) -> NDArray[Any]:
    """What the example of a number has in a column.

    Raises:
        ValueError: lists of several lengths.
    """
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name} of example {number} is {shown(value)}. Expected one value per token."
        ) from error


def is_above_int64(row: NDArray[Any]) -> bool:
    """Whether a value is above the largest of 64 bits with a sign."""
    return bool(row.size and row.max() > np.iinfo(np.int64).max)


def type_of_column(name: str, rows: list[NDArray[Any]], *, is_integer: bool) -> np.dtype[Any]:
    """The type of a column: numbers, and integers where they name or count something.

    Raises:
        ValueError: the rows hold something else.
    """
    dtypes = {row.dtype for row in rows if row.size} or {np.dtype(np.int64)}
    dtype = np.result_type(*dtypes) if len(dtypes) > 1 else dtypes.pop()
    kinds = "iu" if name in _IDS or is_integer else "biu" if name in KNOWN else "biuf"
    if dtype.kind not in kinds:
        what = "numbers" if kinds == "biuf" else "integers"
        raise ValueError(
            f"column {name} has the type {dtype}. Expected {what}; remove a column that the model "
            "does not read."
        )
    return dtype


def as_int64(array: NDArray[Any]) -> Tensor:
    """Ids as int64."""
    return torch.from_numpy(array.astype(np.int64, copy=False))


def as_bool(array: NDArray[Any] | None) -> Tensor | None:
    """Marks as bool, where there are any."""
    return None if array is None else torch.from_numpy(array.astype(np.bool_, copy=False))


def as_class(array: NDArray[Any] | None) -> Tensor | None:
    """Classes as uint8, where there are any; raises ValueError for one that does not fit."""
    if array is None:
        return None
    _check_class(TOKEN_CLASS, array)
    return torch.from_numpy(array.astype(np.uint8, copy=False))


def _check_class(name: str, array: NDArray[Any]) -> None:
    if array.dtype != np.uint8 and array.size and not 0 <= array.min() <= array.max() <= NO_CLASS:
        worst = array.max() if array.max() > NO_CLASS else array.min()
        raise ValueError(f"{name}={worst}. Expected a class, or {NO_CLASS} for none.")


def as_column(column: TokenColumn, array: NDArray[Any]) -> Tensor:
    """A column as its kind has it; raises ValueError for a number that does not fit."""
    if column.kind == "class":
        _check_class(column.name, array)
    kind = COLUMN_FORMS[column.kind][0]
    if column.kind == "group" and array.size and array.max() > np.iinfo(kind).max:
        raise ValueError(f"{column.name}={array.max()}. Expected ids of groups below 2**31.")
    return torch.from_numpy(array.astype(kind, copy=False))


def for_model(array: NDArray[Any]) -> Tensor:
    """What is passed on to the model: float32 or int64."""
    kind = np.float32 if np.issubdtype(array.dtype, np.floating) else np.int64
    return torch.from_numpy(array.astype(kind, copy=False))
