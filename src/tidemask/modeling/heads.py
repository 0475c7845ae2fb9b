"""From hidden states to what is projected onto the vocabulary, position by position.

A head belongs in the table if `AutoModelForMaskedLM`'s own forward is `base_model`, then a function
of each position's hidden state alone that ends in a linear map. `tests/modeling/test_heads.py`
holds each to that model's own loss and gradients.

Dimensions: `S` selected positions, `H` hidden size, `E` width of the output embeddings, `V`
vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn
from transformers import PreTrainedModel


class Projection(NamedTuple):
    """The last step of a head, not yet taken: logits are `features weight' + bias`."""

    features: Tensor
    """[S, E]"""
    weight: Tensor
    """[V, E]"""
    bias: Tensor | None
    """[V]"""


Head = Callable[[Any, Tensor], Projection]
"""Called with a masked language model and hidden states [S, H]."""


def _projection(features: Tensor, output: Any) -> Projection:
    return Projection(features, output.weight, output.bias)


def _albert(model: Any, hidden: Tensor) -> Projection:
    head = model.predictions
    return _projection(head.LayerNorm(head.activation(head.dense(hidden))), head.decoder)


def _bert(model: Any, hidden: Tensor) -> Projection:
    head = model.cls.predictions
    return _projection(head.transform(hidden), head.decoder)


def _deberta(model: Any, hidden: Tensor) -> Projection:
    """The older head is BERT's; the newer always takes the input embeddings."""
    if model.legacy:
        return _bert(model, hidden)
    head = model.lm_predictions.lm_head
    features = head.LayerNorm(head.transform_act_fn(head.dense(hidden)))
    return Projection(features, model.get_input_embeddings().weight, head.bias)


def _distilbert(model: Any, hidden: Tensor) -> Projection:
    transformed = model.activation(model.vocab_transform(hidden))
    return _projection(model.vocab_layer_norm(transformed), model.vocab_projector)


def _electra(model: Any, hidden: Tensor) -> Projection:
    return _projection(model.generator_predictions(hidden), model.generator_lm_head)


def _modernbert(model: Any, hidden: Tensor) -> Projection:
    return _projection(model.head(hidden), model.decoder)


def _roberta(model: Any, hidden: Tensor) -> Projection:
    head = model.lm_head
    return _projection(head.layer_norm(nn.functional.gelu(head.dense(hidden))), head.decoder)


HEADS: dict[str, Head] = {
    "albert": _albert,
    "bert": _bert,
    "camembert": _roberta,
    "deberta": _deberta,
    "deberta-v2": _deberta,
    "distilbert": _distilbert,
    "electra": _electra,
    "modernbert": _modernbert,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
}
"""Heads by `model_type`. DeBERTa-v3 is of the type `deberta-v2`; ELECTRA's is its generator's."""


def freeze_unused_bias(model: PreTrainedModel) -> None:
    """Freeze the head's bias that a decoder with one of its own leaves unused; changes the model.

    Several heads hold a bias only to tie the decoder's to it. Untied, it never gets a gradient, for
    which data-parallel training would wait.
    """
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        prefix, _, last = name.rpartition(".")
        if last == "bias" and f"{prefix}.decoder.bias" in parameters:
            parameter.requires_grad_(False)
