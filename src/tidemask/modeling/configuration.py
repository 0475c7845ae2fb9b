"""What is read from and set in a configuration of transformers, and how many positions it gives."""

from __future__ import annotations

import pickle
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import PreTrainedConfig, PreTrainedModel

from tidemask.errors import UserError
from tidemask.modeling.padding_id import position_padding

FAILURES = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    TypeError,
    AttributeError,
    ImportError,
    AssertionError,
    StrictDataclassError,
    SafetensorError,
    pickle.UnpicklingError,
)
"""What transformers raises where a file is missing, damaged, or not what it should be."""

_ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")
_DROPOUTS = (
    *_ATTENTION_DROPOUTS,
    "hidden_dropout_prob",
    "dropout",
    "embedding_dropout",
    "mlp_dropout",
    "hidden_dropout",
    "activation_dropout",
)
"""Names of the encoder's dropouts in configurations."""


_SIZES = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size")
"""Names that transformers has for the sizes of any encoder."""


def check_masked_lm(config: PreTrainedConfig, place: str) -> None:
    """Refuse a configuration of something else than an encoder.

    Raises:
        UserError: it generates text, from left to right or from an encoder's output; or a size is
            below 1.
    """
    check_dimensions(config, place)
    for name in ("is_decoder", "is_encoder_decoder"):
        if getattr(config, name, False):
            raise UserError(
                f"not an encoder: {place} is a {config.model_type} with {name}=true. "
                "Expected a masked language model, which sees both sides. Name another."
            )


def check_dimensions(config: PreTrainedConfig, place: str) -> None:
    """Refuse a configuration with a size below 1, with which some models are built and then fail.

    Raises:
        UserError: names the first such size.
    """
    for name in _SIZES:
        size = getattr(config, name, None)
        if isinstance(size, int) and size < 1:
            raise UserError(
                f"wrong configuration: {place}: {name}={size}. Expected at least 1. Restore the "
                "config.json of the model."
            )


def set_dropout(  # of whatever class the file names
    config: Any, dropout: float | None, attention_dropout: float | None = None
) -> None:
    """Set the dropouts of the encoder that a configuration has; changes it.

    Args:
        config: of any architecture.
        dropout: of all of them; `None` leaves them.
        attention_dropout: of the attention's probabilities; `None` leaves it at the others'.

    Raises:
        UserError: the configuration has none under a known name.
    """
    for setting, value, names in (
        ("dropout", dropout, _DROPOUTS),
        ("attention_dropout", attention_dropout, _ATTENTION_DROPOUTS),
    ):
        if value is None:
            continue
        known = [name for name in names if hasattr(config, name)]
        if not known:
            raise UserError(
                f"no dropout to set: model.{setting}={value:g}, and the architecture "
                f"{config.model_type} has none under a known name. Leave it unset (null)."
            )
        for name in known:
            setattr(config, name, value)


def num_positions(model: PreTrainedModel) -> int | None:
    """Longest sequence that a model takes, tokens; `None` if its configuration sets no limit."""
    limit = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    padding = position_padding(model.base_model)
    return limit if padding is None else limit - padding - 1


def missing_positions(model: PreTrainedModel, sequence_length: int) -> int:
    """By how many positions a model is too short for sequences of a length; 0 if it is not."""
    limit = num_positions(model)
    return 0 if limit is None else max(0, sequence_length - limit)


def first_sentence(error: BaseException) -> str:
    """The first sentence of an error of transformers, on one line, ended by a full stop.

    `errors.one_line` keeps all sentences; here the later ones are advice that does not hold, such
    as to update transformers or to allow remote code.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    sentence = " ".join(lines[0].split()).partition(". ")[0]
    return sentence[:300].rstrip(".") + "."
