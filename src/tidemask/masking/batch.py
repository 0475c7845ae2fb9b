"""What the masker reads and what it returns: two typed records of tensors.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor

from tidemask.settings import shown
from tidemask.token_classes import COLUMN_FORMS, ColumnKind

IGNORE_INDEX = -100
"""Label of a position that is not predicted; the value that PyTorch's cross-entropy skips."""

HEAD_MULTIPLE = 64
"""The head's matrix products are padded to a multiple of this many rows. The number of selected
rows changes with every draw, and for each new number the CPU's matrix library would plan and keep
another kernel, which costs time and gigabytes."""

Normaliser = Literal["selected", "maskable"]
"""Which count divides the summed loss of a step: that of selected or of maskable positions."""


_Same = TypeVar("_Same", bound="_Tensors")


@dataclass(frozen=True, kw_only=True)
class _Tensors:
    def to(self: _Same, device: torch.device | str) -> _Same:
        """The same batch with every tensor on `device`."""
        # A non-blocking copy from a GPU to the CPU could be read before it is complete.
        non_blocking = torch.device(device).type != "cpu"
        return self._changed(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def _changed(self: _Same, change: Callable[[Tensor], Tensor]) -> _Same:
        changed: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Tensor):
                changed[each.name] = change(value)
            elif isinstance(value, Mapping):
                changed[each.name] = {name: change(one) for name, one in value.items()}
        return replace(self, **changed)


@dataclass(frozen=True, kw_only=True)
class Batch(_Tensors):
    """Unmasked sequences with what masking needs to know of each token.

    Attributes:
        input_ids: vocabulary ids, of a signed integer type.
        maskable: true where a token is neither special nor padding.
        sample_ids: what names each sequence within the whole training stream, int64. Noise is
            keyed by it, so a sequence gets the same mask whatever else is in its batch.
        word_starts: true at the first subword of each word; a word reaches to the next start.
            Position 0 always counts as a start. `None` if words are not known.
        token_class: class of each token's word, uint8, `NO_CLASS` where it has none. `None` if
            there are no classes.
        document_starts: true at the first token of each document in a packed sequence; words and
            spans do not reach across. `None` if a sequence is one document, or if its documents
            are held apart by special tokens, across which nothing reaches either.
        attention_mask: true where a position is not padding; `None` if nothing is padded.
        columns: by name, what else is known of each token, [B, L] each: classes, uint8; weights,
            float32; groups, int32 (see `ColumnKind`).

    Example:
        >>> import torch
        >>> ids = torch.tensor([[2, 10, 11, 12, 3], [2, 20, 21, 3, 0]])
        >>> batch = Batch(input_ids=ids, maskable=ids > 3, sample_ids=torch.tensor([0, 1]))
        >>> batch.maskable.sum(1).tolist()
        [3, 2]
    """

    input_ids: Int[Tensor, "B L"]
    maskable: Bool[Tensor, "B L"]
    sample_ids: Int[Tensor, "B"]
    word_starts: Bool[Tensor, "B L"] | None = None
    token_class: UInt8[Tensor, "B L"] | None = None
    document_starts: Bool[Tensor, "B L"] | None = None
    attention_mask: Bool[Tensor, "B L"] | None = None
    columns: Mapping[str, Shaped[Tensor, "B L"]] = field(default_factory=dict)

    def pin_memory(self) -> Batch:
        """The same batch in memory that a GPU reads by itself; a `DataLoader` calls this."""
        return self._changed(Tensor.pin_memory)


@dataclass(frozen=True, kw_only=True)
class MaskedBatch(_Tensors):
    """Sequences after selection and corruption, with all that the loss needs.

    Attributes:
        input_ids: corrupted ids, dtype of the input.
        labels: original ids at the selected positions, `IGNORE_INDEX` elsewhere; dtype of the
            input.
        selected: true at the positions to predict.
        corrupted: true at the positions that the masking ratio counts: whatever the input shows
            there, it was drawn. The same tensor as `selected`, unless fewer are predicted.
        maskable: as in `Batch`.
        token_class: as in `Batch`, or the column whose classes the policy weights, where it names
            one.
        document_starts: as in `Batch`.
        attention_mask: as in `Batch`.
        loss_weight: factor of each selected position's cross-entropy, float32, 0 elsewhere; `None`
            means 1 everywhere.
        normaliser: which count divides the summed loss of the global batch.
        shortfall: tokens by which budgets were capped because weights of 0 left too few, summed
            over the sequences, float64 scalar; `None` where no weight can be 0.

    Example:
        >>> import torch
        >>> from tidemask import Batch, Masker, MaskingSettings, StepKey, Vocabulary
        >>> from tidemask.masking.schedule import Constant
        >>> ids = torch.arange(5, 45).reshape(1, 40)
        >>> batch = Batch(input_ids=ids, maskable=ids >= 5, sample_ids=torch.tensor([0]))
        >>> policy = MaskingSettings(ratio=Constant(ratio=0.25), unit="token", budget="fixed")
        >>> masker = Masker(policy, Vocabulary.of(50, 4, range(5)), max_steps=10)
        >>> masked = masker(batch, progress=0.0, key=StepKey(seed=0, step=0))
        >>> int(masked.num_selected()), int(masked.num_maskable())
        (10, 40)
        >>> torch.equal(masked.labels[masked.selected], ids[masked.selected])
        True
    """

    input_ids: Int[Tensor, "B L"]
    labels: Int[Tensor, "B L"]
    selected: Bool[Tensor, "B L"]
    corrupted: Bool[Tensor, "B L"]
    maskable: Bool[Tensor, "B L"]
    token_class: UInt8[Tensor, "B L"] | None = None
    document_starts: Bool[Tensor, "B L"] | None = None
    attention_mask: Bool[Tensor, "B L"] | None = None
    loss_weight: Float[Tensor, "B L"] | None = None
    normaliser: Normaliser = "selected"
    shortfall: Float[Tensor, ""] | None = None

    def num_selected(self) -> Int[Tensor, ""]:
        """Number of positions to predict, int64 scalar on the batch's device."""
        return self.selected.sum()

    def num_corrupted(self) -> Int[Tensor, ""]:
        """Number of positions that the masking ratio counts, int64 scalar."""
        return self.corrupted.sum()

    def num_maskable(self) -> Int[Tensor, ""]:
        """Number of tokens that are neither special nor padding, int64 scalar."""
        return self.maskable.sum()

    def num_normalising(self) -> Int[Tensor, ""]:
        """The count that divides the summed loss, int64 scalar; see `normaliser`."""
        return self.num_selected() if self.normaliser == "selected" else self.num_maskable()


def check_batch(batch: Batch, vocab_size: int) -> None:
    """Refuse tensors of other shapes or types than `Batch` names, and ids outside the vocabulary.

    On a GPU, where reading a value would wait for the device, ids are not looked at.

    Raises:
        ValueError: names the tensor, what it is and what was expected.
    """
    _check_tensors(batch)
    shape, ids = batch.input_ids.shape, batch.input_ids.dtype
    if len(shape) != 2:
        raise ValueError(f"input_ids of shape {tuple(shape)}. Expected two dimensions, [B, L].")
    if ids not in (torch.int16, torch.int32, torch.int64):
        raise ValueError(f"input_ids of type {ids}. Expected int16, int32 or int64.")
    for name, expected in _PER_TOKEN.items():
        value = getattr(batch, name)
        if value is not None:
            _check_per_token(name, value, shape, expected)
    for name, value in batch.columns.items():
        _check_per_token(f"columns[{name!r}]", value, shape, *COLUMN_TYPES.values())
    if batch.sample_ids.shape != shape[:1] or batch.sample_ids.dtype != torch.int64:
        raise ValueError(
            f"sample_ids of shape {tuple(batch.sample_ids.shape)} and type "
            f"{batch.sample_ids.dtype}. Expected ({shape[0]},), one per sequence, int64."
        )
    if not batch.input_ids.is_cuda:
        check_in_vocabulary(batch.input_ids, vocab_size)


def _check_per_token(name: str, value: Tensor, shape: torch.Size, *expected: torch.dtype) -> None:
    if value.shape != shape:
        raise ValueError(
            f"{name} of shape {tuple(value.shape)}. "
            f"Expected {tuple(shape)}, the shape of input_ids."
        )
    if value.dtype not in expected:
        kinds = " or ".join(map(str, expected))
        raise ValueError(f"{name} of type {value.dtype}. Expected {kinds}.")


def _check_tensors(batch: Batch) -> None:
    if not isinstance(batch, Batch):
        raise ValueError(f"batch={shown(batch)}. Expected a Batch.")
    if not isinstance(batch.columns, Mapping):
        raise ValueError(f"columns={shown(batch.columns)}. Expected a mapping to tensors.")
    may_lack = {each.name for each in fields(batch) if each.default is None}
    values = {each.name: getattr(batch, each.name) for each in fields(batch)}
    del values["columns"]
    for name, value in {**values, **batch.columns}.items():
        if not isinstance(value, Tensor) and (value is not None or name not in may_lack):
            raise ValueError(f"{name}={shown(value)}. Expected a tensor.")


def check_in_vocabulary(input_ids: Any, vocab_size: int) -> None:
    """Refuse ids outside the vocabulary, before anything narrows them.

    Args:
        input_ids: a tensor, or an array of NumPy.
        vocab_size: number of ids.

    Raises:
        ValueError: names the largest id, or the lowest if only that is outside.
    """
    if 0 in input_ids.shape:
        return
    lowest, highest = int(input_ids.min()), int(input_ids.max())
    if lowest < 0 or highest >= vocab_size:
        worst = highest if highest >= vocab_size else lowest
        raise ValueError(
            f"input_ids={worst}. Expected ids from 0 to {vocab_size - 1}, those of the vocabulary."
        )


COLUMN_TYPES: dict[ColumnKind, torch.dtype] = {
    kind: getattr(torch, name) for kind, (name, _) in COLUMN_FORMS.items()
}
"""Type of a column of each kind."""

_PER_TOKEN = {
    "maskable": torch.bool,
    "word_starts": torch.bool,
    "token_class": torch.uint8,
    "document_starts": torch.bool,
    "attention_mask": torch.bool,
}
