"""The columns that batches have, as a policy names them, and what they hold of a batch.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int32, UInt8
from torch import Tensor

from tidemask.errors import did_you_mean
from tidemask.masking.batch import COLUMN_TYPES, Batch
from tidemask.masking.class_loss import check_class_names
from tidemask.settings import shown
from tidemask.token_classes import NO_CLASS, UPOS_COLUMN, ColumnKind, TokenColumn

KnownColumns = Mapping[str, TokenColumn]
"""Columns by name; those of `Batch.token_class` are `UPOS_COLUMN`."""


def known_columns(class_names: Sequence[str], columns: Sequence[TokenColumn]) -> KnownColumns:
    """The columns of batches by name.

    Args:
        class_names: names of the classes of `Batch.token_class`; empty where it has none.
        columns: what `Batch.columns` has.

    Raises:
        ValueError: names of classes that are wrong; a column is there twice, or is called `upos`.
    """
    known: dict[str, TokenColumn] = {}
    if names := check_class_names(class_names):
        if len(names) > NO_CLASS:
            raise ValueError(
                f"{len(names)} class names. Expected at most {NO_CLASS}: a class is a uint8, and "
                f"{NO_CLASS} stands for none."
            )
        known[UPOS_COLUMN] = TokenColumn(name=UPOS_COLUMN, kind="class", class_names=names)
    for column in columns:
        if not isinstance(column, TokenColumn):
            raise ValueError(f"columns: {shown(column)}. Expected TokenColumn for each.")
        if column.name in known or column.name == UPOS_COLUMN:
            raise ValueError(f"columns: {column.name} is there twice. Expected different names.")
        known[column.name] = column
    return known


def named_column(known: KnownColumns, name: str, kind: ColumnKind, *, setting: str) -> TokenColumn:
    """The column that a setting of a policy names.

    Raises:
        ValueError: there is none of that name, or it is of another kind.
    """
    column = known.get(name)
    if column is not None and column.kind == kind:
        return column
    if column is not None:  # the corpus may have others, which are read where a policy names them
        raise ValueError(
            f"{setting}={name} names a column of kind {column.kind}. Expected one of kind {kind}; "
            "`tidemask inspect` lists the columns of a corpus with their kinds."
        )
    fitting = [each.name for each in known.values() if each.kind == kind]
    expected = f"one of {', '.join(fitting)}" if fitting else "one that `tidemask annotate` writes"
    raise ValueError(
        f"{setting}={name} names no column. Expected {expected}, of kind {kind}."
        f"{did_you_mean(name, fitting)}"
    )


def classes_in(batch: Batch, column: TokenColumn) -> UInt8[Tensor, "B L"]:
    """Class of each position, with the number of classes in the place of `NO_CLASS`, uint8.

    A class outside the table is an error on a CPU; on a GPU, where looking would wait for the
    device, it counts as no class.

    Raises:
        ValueError: no classes, or one outside the table.
    """
    classes, name = _values(batch, column), _shown_name(column)
    num_classes = len(column.class_names)
    if classes.numel() and not classes.is_cuda and int((classes + 1).max()) > num_classes:
        worst = int(classes[classes != NO_CLASS].max())
        raise ValueError(
            f"{name}={worst}. Expected a class from 0 to {num_classes - 1}, or {NO_CLASS} for none."
        )
    return classes.clamp(max=num_classes)


def raw_classes_in(batch: Batch, column: TokenColumn | None) -> UInt8[Tensor, "B L"] | None:
    """Class of each position as the batch has it; `None` where it has none.

    Args:
        batch: with the column.
        column: of classes; `None` for those that preparation recorded.

    Raises:
        ValueError: the batch lacks a named column.
    """
    if column is None or column.name == UPOS_COLUMN:
        return batch.token_class
    return _values(batch, column)


def weights_in(batch: Batch, column: TokenColumn) -> Float[Tensor, "B L"]:
    """Weight of each position, float32; 0 where it is not maskable.

    A negative weight of a maskable token, or one that is not finite, is an error on a CPU; on a
    GPU, where looking would wait for the device, it counts as 0.

    Raises:
        ValueError: no weights, or a wrong one, whose place is named.
    """
    weights = _values(batch, column)
    right = (weights >= 0).bitwise_and_(weights < math.inf).bitwise_and_(batch.maskable)
    if not weights.is_cuda and not torch.equal(right, batch.maskable):
        row, position = (batch.maskable & ~right).nonzero()[0].tolist()
        raise ValueError(
            f"{_shown_name(column)}[{row}, {position}]={float(weights[row, position]):g}. Expected "
            "finite weights of at least 0."
        )
    return torch.where(right, weights, 0.0)


def groups_in(batch: Batch, column: TokenColumn) -> Int32[Tensor, "B L"]:
    """Group of each position, in [0, L), or a negative number for none, int32.

    An id outside is an error on a CPU; on a GPU, where looking would wait for the device, it counts
    as none.

    Raises:
        ValueError: no groups, or an id that is no position of a sequence.
    """
    groups = _values(batch, column)
    length = groups.shape[1]
    if not groups.is_cuda and groups.numel() and int(groups.max()) >= length:
        raise ValueError(
            f"{_shown_name(column)}={int(groups.max())}. Expected ids of groups from 0 to "
            f"{length - 1}, as a sequence has no more groups than tokens, or -1 for none."
        )
    return groups if not groups.is_cuda else groups.masked_fill(groups >= length, -1)


def _values(batch: Batch, column: TokenColumn) -> Tensor:
    """A column of a batch, of the type that its kind has."""
    if column.name == UPOS_COLUMN:
        if batch.token_class is None:
            raise ValueError(
                "token_class=None. Expected the class of each position: classes have weights."
            )
        return batch.token_class
    if column.name not in batch.columns:
        raise ValueError(
            f"no {_shown_name(column)} in the batch. Expected the {column.kind} of each position, "
            "which the masking policy reads."
        )
    values = batch.columns[column.name]
    if values.dtype != COLUMN_TYPES[column.kind]:
        raise ValueError(
            f"{_shown_name(column)} of type {values.dtype}. Expected {COLUMN_TYPES[column.kind]}, "
            f"as it is of kind {column.kind}."
        )
    return values


def _shown_name(column: TokenColumn) -> str:
    return "token_class" if column.name == UPOS_COLUMN else f"columns[{column.name!r}]"
