"""The module that is trained: a masked language model with its head at the selected positions.

Dimensions: `B` sequences, `L` positions, `S` selected positions, `H` hidden size, `V` vocabulary.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from tidemask.errors import UserError
from tidemask.modeling.documents import document_starts, encode_separately, separation_problem
from tidemask.modeling.heads import HEADS, freeze_unused_bias
from tidemask.modeling.linear_cross_entropy import (
    cross_entropy_and_choice,
    linear_cross_entropy,
    linear_cross_entropy_and_choice,
)
from tidemask.modeling.padding_id import unpadded
from tidemask.settings import check_integer, shown

HeadLoss = Callable[[Tensor, Tensor, Tensor | None, Tensor], Tensor]
"""Called with features, output embeddings, their bias and targets; returns cross-entropies."""

HeadOutput = Literal["loss", "loss_and_choice", "entropy"]
"""What a forward pass returns of each position: its cross-entropy; also whether the target has the
largest logit; or the entropy of the prediction, which reads no target."""

logger = logging.getLogger(__name__)


class SelectedPositionsLM(nn.Module):
    """A masked language model that computes logits and losses at given positions only.

    An architecture whose head is not in the table runs its full head, with a warning.

    Args:
        model: any `AutoModelForMaskedLM`; trained in place and saved by itself.
        separator_id: keeps the documents of a row apart, which end in this id; `None` lets every
            token see its whole row.

    Raises:
        UserError: the model cannot keep documents apart.
        ValueError: the model is not one of transformers, or has no such separator.

    Example:
        >>> from transformers import BertConfig, BertForMaskedLM
        >>> config = BertConfig(
        ...     vocab_size=64, hidden_size=8, num_hidden_layers=1, num_attention_heads=2
        ... )
        >>> model = SelectedPositionsLM(BertForMaskedLM(config))
        >>> model.language_model.config.model_type
        'bert'
    """

    accepts_loss_kwargs = False

    def __init__(self, model: PreTrainedModel, *, separator_id: int | None = None) -> None:
        super().__init__()
        if not isinstance(model, PreTrainedModel):
            raise ValueError(f"model={shown(model)}. Expected a model of transformers.")
        if separator_id is not None:
            embeddings: Any = model.get_input_embeddings()
            check_integer(
                "separator_id", separator_id, minimum=0, below=len(embeddings.weight), what="an id"
            )
        self.language_model = model
        self.head_loss: HeadLoss = linear_cross_entropy
        freeze_unused_bias(model)
        self.separator_id = separator_id
        if separator_id is not None:
            _check_separable(model)
        architecture = str(model.config.model_type)
        self._head = HEADS.get(architecture)
        if self._head is None:
            logger.warning(
                "%s: no head at selected positions for this architecture; the full one runs.",
                architecture,
            )
            self._takes_mask = "attention_mask" in inspect.signature(model.forward).parameters

    @property
    def runs_full_head(self) -> bool:
        """Whether the head runs at all positions, as the table has none for the architecture."""
        return self._head is None

    def forward(
        self,
        input_ids: Int[Tensor, "B L"],
        positions: Int[Tensor, "S"],
        targets: Int[Tensor, "S"],
        attention_mask: Bool[Tensor, "B L"] | None = None,
        document_starts: Bool[Tensor, "B L"] | None = None,
        output: HeadOutput = "loss",
    ) -> Float[Tensor, "S"] | tuple[Float[Tensor, "S"], Bool[Tensor, "S"]]:
        """Cross-entropy at each selected position, nats, float32; or what `output` asks for.

        Args:
            input_ids: corrupted ids.
            positions: indices of the selected positions in the flattened batch.
            targets: original ids at those positions.
            attention_mask: true where a position is not padding; `None` if nothing is padded.
            document_starts: true at the first token of each document, to keep the documents of a
                row apart; `None` leaves that to `separator_id`.
            output: which of the position's numbers are returned.

        Raises:
            UserError: there are `document_starts`, and the model cannot keep documents apart.
        """
        if self._head is None or output == "entropy":
            logits = self.logits(input_ids, positions, attention_mask, document_starts)
            if output == "entropy":
                return entropy(logits)
            scored = cross_entropy_and_choice(logits.float(), targets)
            return scored if output == "loss_and_choice" else scored[0]
        hidden = self._hidden(input_ids, attention_mask, document_starts)
        projection = self._head(self.language_model, hidden.flatten(0, 1)[positions])
        if output == "loss_and_choice":
            return linear_cross_entropy_and_choice(*projection, targets)
        return self.head_loss(*projection, targets)

    def logits(
        self,
        input_ids: Int[Tensor, "B L"],
        positions: Int[Tensor, "S"],
        attention_mask: Bool[Tensor, "B L"] | None = None,
        document_starts: Bool[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "S V"]:
        """Logits at each selected position; arguments as for `forward`."""
        if self._head is None:
            return self._full(input_ids, attention_mask, document_starts).flatten(0, 1)[positions]
        hidden = self._hidden(input_ids, attention_mask, document_starts)
        projection = self._head(self.language_model, hidden.flatten(0, 1)[positions])
        return nn.functional.linear(*projection)

    def _hidden(
        self, input_ids: Tensor, attention_mask: Tensor | None, starts: Tensor | None
    ) -> Tensor:
        """Last hidden states [B, L, H]."""
        if starts is not None:
            _check_separable(self.language_model)
        elif self.separator_id is not None:
            starts = document_starts(input_ids, self.separator_id)
        if starts is not None:
            return encode_separately(self.language_model, input_ids, starts, attention_mask)
        mask = None if attention_mask is None else attention_mask.long()
        hidden: Tensor = self.language_model.base_model(input_ids=input_ids, attention_mask=mask)[0]
        return hidden

    def _full(
        self, input_ids: Tensor, attention_mask: Tensor | None, starts: Tensor | None
    ) -> Tensor:
        """Logits [B, L, V] of the model's own forward."""
        if starts is not None:
            _check_separable(self.language_model)
        inputs = unpadded(self.language_model, input_ids)
        if attention_mask is not None and self._takes_mask:
            inputs["attention_mask"] = attention_mask.long()
        logits: Tensor = self.language_model(**inputs, return_dict=True).logits
        return logits


def entropy(logits: Float[Tensor, "S V"]) -> Float[Tensor, "S"]:
    """Entropy of each prediction, nats, at least 0, float32."""
    log_chance = torch.log_softmax(logits.float(), 1)
    return (log_chance.exp() * log_chance).sum(1).neg().clamp(min=0.0)


def _check_separable(model: PreTrainedModel) -> None:
    reason = separation_problem(model)
    if reason is not None:
        raise UserError(
            f"documents cannot be kept apart: the model {reason}. Expected an architecture that "
            "can, such as BERT or ModernBERT. Set model.documents=together."
        )
