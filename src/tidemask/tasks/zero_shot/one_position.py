"""An encoder's output at one position of each sequence, its last layer computed there alone.

All positions go into the keys and values of the last layer, but only the one that is wanted needs a
query, the products after the attention and the feed-forward network: ten twelfths of a layer of
BERT, and about a third of the work of a model of two layers. Nothing but the order of sums differs
from the model's own forward; `tests/tasks/zero_shot/test_scoring.py` holds every architecture to
that.

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
    """Whether `encode_at` knows the layers of a model's encoder."""
    config = model.config
    return (
        str(config.model_type) in _LIKE_BERT
        and config._attn_implementation in ("sdpa", "eager")
        and getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
    )


def encode_at(
    model: Any,  # of an architecture whose modules have these names
    input_ids: Int[Tensor, "U L"],
    rows: Int[Tensor, "U"],
    places: Int[Tensor, "U"],
) -> Float[Tensor, "U H"]:
    """Last hidden state at one place of each sequence; nothing is padded.

    Args:
        model: for which `is_like_bert` holds, in evaluation mode.
        input_ids: whole sequences.
        rows: 0, 1, 2 and so on.
        places: one position of each.
    """
    encoder = model.base_model
    hidden = encoder.embeddings(input_ids=input_ids)
    if hasattr(encoder, "embeddings_project"):
        hidden = encoder.embeddings_project(hidden)
    *layers, last = encoder.encoder.layer
    for layer in layers:
        output = layer(hidden)
        hidden = output[0] if isinstance(output, tuple) else output
    chosen = hidden[rows, places]
    attended = last.attention.output(_attended(last.attention.self, hidden, chosen), chosen)
    result: Tensor = last.output(last.intermediate(attended), attended)
    return result


def _attended(attention: Any, hidden: Tensor, chosen: Tensor) -> Tensor:
    """What each chosen position gathers from its sequence, [U, H]."""

    def heads(values: Tensor) -> Tensor:
        shape = (len(chosen), -1, attention.num_attention_heads, attention.attention_head_size)
        return values.view(shape).transpose(1, 2)

    gathered = nn.functional.scaled_dot_product_attention(
        heads(attention.query(chosen)),
        heads(attention.key(hidden)),
        heads(attention.value(hidden)),
    )
    return gathered.transpose(1, 2).reshape(len(chosen), -1)
