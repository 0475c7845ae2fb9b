"""How many positions an encoder has, and from which number it counts them."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel


def first_position(encoder: nn.Module) -> int:
    """Number of a sequence's first position.

    RoBERTa and its relatives reserve the positions up to that of padding and count from the next;
    their position embeddings have a `padding_idx`.
    """
    embeddings = getattr(encoder, "embeddings", None)
    padding = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def num_positions(model: PreTrainedModel) -> int | None:
    """Longest sequence that a model takes, tokens; `None` if its configuration sets no limit."""
    limit = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    return limit - first_position(model.base_model)


def missing_positions(model: PreTrainedModel, sequence_length: int) -> int:
    """By how many positions a model is too short for sequences of a length; 0 if it is not."""
    limit = num_positions(model)
    return 0 if limit is None else max(0, sequence_length - limit)
