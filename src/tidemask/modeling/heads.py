"""From hidden states to logits, position by position, for each architecture where that is known.

A head belongs in the table if `AutoModelForMaskedLM`'s own forward is `base_model`, then a function
of each position's hidden state alone. `tests/modeling/test_heads.py` holds each to that model's own
loss and gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

Head = Callable[[Any, Tensor], Tensor]
"""Logits [S, V] of a masked language model from hidden states [S, H]."""


def _distilbert(model: Any, hidden: Tensor) -> Tensor:
    transformed = model.activation(model.vocab_transform(hidden))
    logits: Tensor = model.vocab_projector(model.vocab_layer_norm(transformed))
    return logits


def _deberta(model: Any, hidden: Tensor) -> Tensor:
    """The older head has a decoder of its own, tied or not; the newer takes the embeddings."""
    if model.legacy:
        logits: Tensor = model.cls(hidden)
    else:
        logits = model.lm_predictions(hidden, model.get_input_embeddings())
    return logits


def _roberta(model: Any, hidden: Tensor) -> Tensor:
    logits: Tensor = model.lm_head(hidden)
    return logits


HEADS: dict[str, Head] = {
    "albert": lambda model, hidden: model.predictions(hidden),
    "bert": lambda model, hidden: model.cls(hidden),
    "camembert": _roberta,
    "deberta": _deberta,
    "deberta-v2": _deberta,
    "distilbert": _distilbert,
    "electra": lambda model, hidden: model.generator_lm_head(model.generator_predictions(hidden)),
    "modernbert": lambda model, hidden: model.decoder(model.head(hidden)),
    "roberta": _roberta,
    "xlm-roberta": _roberta,
}
"""By `model_type`. DeBERTa-v3 is of the type `deberta-v2`; ELECTRA's is its generator's."""


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
