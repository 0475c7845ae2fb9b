"""How many floating-point operations training takes: a formula of the model's shape.

Dimensions: `L` positions of a row, `H` hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from tidemask.modeling.selected_positions import SelectedPositionsLM

_FORWARD_AND_BACKWARD = 3
"""The backward pass multiplies twice where the forward pass does once."""

_ARCHITECTURES = frozenset(
    {
        "albert", "bert", "camembert", "distilbert", "electra", "modernbert", "mpnet", "roberta",
        "xlm-roberta",
    }
)  # fmt: skip
"""Every `model_type` known to have linear maps and attention over all positions, nothing else.

`tests/modeling/test_training_flops.py` holds the formula to PyTorch's counter for each. Others
convolve, attend sparsely, have linear maps of a class of their own or, as DeBERTa does, project
relative positions, which the types of their modules do not tell."""


@dataclass(frozen=True)
class TrainingFlops:
    """Floating-point operations of training, by the tokens that they are for."""

    per_seen: int
    """Of the layers, for each token that the model reads."""
    per_predicted: int
    """Of the head, for each position that is predicted."""

    def total(self, seen: int, predicted: int, scored: int = 0) -> float:
        """Operations for so many tokens; a float, as a long run has more than 64 bits count.

        A token that is scored takes a forward pass alone, with the head.
        """
        forward = (self.per_seen + self.per_predicted) // _FORWARD_AND_BACKWARD
        return float(self.per_seen * seen + self.per_predicted * predicted + forward * scored)


def training_flops(model: SelectedPositionsLM, sequence_length: int) -> TrainingFlops | None:
    """Operations that training takes for each token, in the forward and the backward pass.

    A product of matrices takes 2 operations for each of its multiplications, and the backward pass
    takes twice those of the forward pass:

        seen:       3 (2 P + 4 n L H),  P weights of the layers' linear maps, n layers
        predicted:  3 (2 Q),            Q weights of the head with the output embeddings

    The term of attention is that of scores and values over all `L` positions of a row, also where a
    window or the documents of the row hide some of them. Left out are what is not a product of
    matrices (embeddings, norms, softmax), padding, the optimizer, and what is computed twice to
    save memory. A model whose head runs at all positions (see `SelectedPositionsLM`) takes it for
    every token that it reads.

    Args:
        model: before its weights are sharded.
        sequence_length: `L`.

    Returns:
        `None` for an architecture that the formula is not known to hold for.

    References:
        Kaplan et al., "Scaling Laws for Neural Language Models" (2020), section 2.1, table 1;
        Chowdhery et al., "PaLM" (2022), appendix B. Deviation: the head is counted where it runs.
    """
    language_model: Any = model.language_model
    config = language_model.config
    if config.model_type not in _ARCHITECTURES:
        return None
    encoder, everything = map(_weights, (language_model.base_model, language_model))
    if language_model.get_output_embeddings() is None:
        everything += language_model.get_input_embeddings().weight.numel()
    layers = config.num_hidden_layers
    if config.model_type == "albert":  # a group of layers stands for several
        groups = language_model.base_model.encoder.albert_layer_groups
        repeated = _albert_weights(groups, layers) - _weights(groups)
        encoder, everything = encoder + repeated, everything + repeated
        layers *= config.inner_group_num
    per_seen = 2 * encoder + 4 * layers * sequence_length * config.hidden_size
    per_predicted = 2 * (everything - encoder)
    if model.runs_full_head:
        per_seen, per_predicted = per_seen + per_predicted, 0
    return TrainingFlops(
        per_seen=_FORWARD_AND_BACKWARD * per_seen,
        per_predicted=_FORWARD_AND_BACKWARD * per_predicted,
    )


def _weights(module: nn.Module) -> int:
    """Weights of all linear maps of a module, biases left out."""
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))


def _albert_weights(groups: nn.ModuleList, num_layers: int) -> int:
    """Weights of ALBERT's groups, each counted as often as it runs.

    Groups run a different number of times where that of the layers is no multiple of theirs.
    """
    sizes = [_weights(group) for group in groups]
    return sum(sizes[layer * len(groups) // num_layers] for layer in range(num_layers))
