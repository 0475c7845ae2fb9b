"""An encoder's output at one position of each sequence, its last layer computed there alone.

The last layer needs keys and values of all positions, but only the position that is wanted needs a
query, the projection after the attention and the feed-forward network: this saves ten twelfths of a
layer of BERT, about a third of the work of a model of two layers. Only the order of sums differs
from the model's own forward, as `tests/tasks/zero_shot/test_scoring.py` shows for every
architecture.

Dimensions: `U` sequences, `L` positions, `H` hidden size.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

_LIKE_BERT = {"bert", "camembert", "electra", "roberta", "xlm-roberta"}
"""By `model_type`: each layer is BERT's, normalised after each half, without relative positions."""


def is_like_bert(model: PreTrainedModel) -> bool:
    """Whether `encode_at` can run a model's encoder."""
    config = model.config
    return (
        str(config.model_type) in _LIKE_BERT
        and config._attn_implementation in ("sdpa", "eager")
        and getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
    )


def encode_at(
    model: Any,  # the attributes read below are those of the architectures in `_LIKE_BERT`
    input_ids: Int[Tensor, "U L"],
    rows: Int[Tensor, "U"],
    places: Int[Tensor, "U"],
) -> Float[Tensor, "U H"]:
    """Last hidden state at one position of each sequence, in the dtype of the model or autocast.

    Args:
        model: one for which `is_like_bert` holds, in evaluation mode.
        input_ids: sequences without padding.
        rows: `arange(U)`.
        places: the position in each sequence.
    """
    encoder = model.base_model
    hidden = encoder.embeddings(input_ids=input_ids)
    if hasattr(encoder, "embeddings_project"):
        hidden = encoder.embeddings_project(hidden)
    # All layers but the last as they are, each over all positions.
    *layers, last = encoder.encoder.layer
    for layer in layers:
        output = layer(hidden)
        hidden = output[0] if isinstance(output, tuple) else output
    # The last one as BERT's own forward computes it, for one query in each sequence.
    chosen = hidden[rows, places]
    attended = last.attention.output(_attended(last.attention.self, hidden, chosen), chosen)
    result: Tensor = last.output(last.intermediate(attended), attended)
    return result


def _attended(attention: Any, hidden: Tensor, chosen: Tensor) -> Tensor:
    """Self-attention of each chosen position over its sequence, [U, H]."""

    def heads(values: Tensor) -> Tensor:
        shape = (len(chosen), -1, attention.num_attention_heads, attention.attention_head_size)
        return values.view(shape).transpose(1, 2)

    gathered = nn.functional.scaled_dot_product_attention(
        heads(attention.query(chosen)),
        heads(attention.key(hidden)),
        heads(attention.value(hidden)),
    )
    return gathered.transpose(1, 2).reshape(len(chosen), -1)
