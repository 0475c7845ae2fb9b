"""What the masker reads and what it returns: two typed records of tensors.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

IGNORE_INDEX = -100
"""Label of a position that is not predicted; the value that PyTorch's cross-entropy skips."""

Normaliser = Literal["selected", "maskable"]
"""By what the summed loss of a step is divided: its selected or its maskable positions."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Unmasked sequences with what masking needs to know of each token.

    Attributes:
        input_ids: vocabulary ids, int64.
        maskable: true where a token is neither special nor padding.
        word_starts: true at the first subword of each word; a word reaches to the next start.
            Position 0 counts as a start whatever it says.
        token_class: class of each token's word, uint8, `NO_CLASS` where it has none.
        sample_ids: what names each sequence within the whole training stream, int64. Noise is
            keyed by it, so a sequence gets the same mask in whatever batch it travels.
        attention_mask: true where a position is not padding; `None` if nothing is padded.
    """

    input_ids: Int[Tensor, "B L"]
    maskable: Bool[Tensor, "B L"]
    word_starts: Bool[Tensor, "B L"]
    token_class: UInt8[Tensor, "B L"]
    sample_ids: Int[Tensor, "B"]
    attention_mask: Bool[Tensor, "B L"] | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with every tensor on `device`."""
        return _moved(self, device)


@dataclass(frozen=True, kw_only=True)
class MaskedBatch:
    """Sequences after selection and corruption, with all that the loss needs.

    Attributes:
        input_ids: corrupted ids, dtype of the input.
        labels: original ids at the selected positions, `IGNORE_INDEX` elsewhere.
        selected: true at the positions to predict.
        maskable: as in `Batch`.
        token_class: as in `Batch`.
        loss_weight: factor of each selected position's cross-entropy, float32; `None` means 1
            everywhere.
        normaliser: which count divides the summed loss of the global batch.
        attention_mask: as in `Batch`.
    """

    input_ids: Int[Tensor, "B L"]
    labels: Int[Tensor, "B L"]
    selected: Bool[Tensor, "B L"]
    maskable: Bool[Tensor, "B L"]
    token_class: UInt8[Tensor, "B L"]
    loss_weight: Float[Tensor, "B L"] | None = None
    normaliser: Normaliser = "selected"
    attention_mask: Bool[Tensor, "B L"] | None = None

    def to(self, device: torch.device | str) -> MaskedBatch:
        """The same batch with every tensor on `device`."""
        return _moved(self, device)

    def num_selected(self) -> Int[Tensor, ""]:
        """Number of positions to predict, int64 scalar on the batch's device."""
        return self.selected.sum()

    def num_maskable(self) -> Int[Tensor, ""]:
        """Number of tokens that are neither special nor padding, int64 scalar."""
        return self.maskable.sum()

    def num_normalising(self) -> Int[Tensor, ""]:
        """The count that divides the summed loss, int64 scalar; see `normaliser`."""
        return self.num_selected() if self.normaliser == "selected" else self.num_maskable()


_Record = TypeVar("_Record", Batch, MaskedBatch)


def _moved(record: _Record, device: torch.device | str) -> _Record:
    values = ((field.name, getattr(record, field.name)) for field in fields(record))
    tensors: dict[str, Any] = {
        name: value.to(device, non_blocking=True)
        for name, value in values
        if isinstance(value, Tensor)
    }
    return replace(record, **tensors)
