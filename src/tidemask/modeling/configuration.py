"""What is read from and set in a configuration of transformers, whatever its class."""

from __future__ import annotations

import pickle
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import PreTrainedConfig

from tidemask.errors import UserError

FAILURES = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
    AssertionError,
    StrictDataclassError,
    SafetensorError,
    pickle.UnpicklingError,
)
"""What transformers raises where a file is missing, damaged, or not what it should be."""

_DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "hidden_dropout",
    "activation_dropout",
)
"""Names of the encoder's dropouts in configurations."""


def check_masked_lm(config: PreTrainedConfig, place: str) -> None:
    """Refuse a configuration of something else than an encoder.

    Raises:
        UserError: it generates text, from left to right or from an encoder's output.
    """
    for name in ("is_decoder", "is_encoder_decoder"):
        if getattr(config, name, False):
            raise UserError(
                f"not an encoder: {place} is a {config.model_type} with {name}=true. "
                "Expected a masked language model, which sees both sides. Name another."
            )


def set_dropout(config: Any, dropout: float | None) -> None:  # whatever class the file names
    """Set every dropout of the encoder that a configuration has, unless `None`; changes it.

    Raises:
        UserError: the configuration has none under a known name.
    """
    if dropout is None:
        return
    known = [name for name in _DROPOUTS if hasattr(config, name)]
    if not known:
        raise UserError(
            f"no dropout to set: model.dropout={dropout:g}, and the architecture "
            f"{config.model_type} has none under a known name. Leave it unset (null)."
        )
    for name in known:
        setattr(config, name, dropout)


def first_sentence(error: BaseException) -> str:
    """The first sentence of an error of transformers, on one line, ended by a full stop.

    `errors.one_line` keeps all sentences; here the later ones are advice that does not hold, such
    as to update transformers or to allow remote code.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    sentence = " ".join(lines[0].split()).partition(". ")[0]
    return sentence[:300].rstrip(".") + "."
