"""Which model is trained, and from where it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidemask.errors import did_you_mean
from tidemask.modeling.sizes import MODEL_SIZES
from tidemask.settings import Settings, check_share_below_one

DEFAULT_SIZE = "bert-tiny"
"""The model where nothing names one."""

_DEFAULT_DROPOUT = 0.1


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Settings):
    """Which model is trained; at most one of `size`, `config` and `warm_start` is set."""

    size: str | None = None
    """A name of `MODEL_SIZES`, to train from scratch; `bert-tiny` unless another source is set."""
    config: str | None = None
    """A `config.json` of transformers, or a directory with one, to train from scratch. Vocabulary,
    special ids and, where there are too few, positions become those of the corpus."""
    warm_start: str | None = None
    """A directory or a name on the hub with a masked language model to train further. The
    corpus must have been prepared with its tokenizer."""
    dropout: float | None = None
    """Dropout after embeddings, attention and feed-forward layers, in [0, 1). Unset it is 0.1 for
    a `size`, else what the model's own configuration sets."""
    documents: Literal["together", "apart"] = "together"
    """Whether the tokens of a packed row see the whole row or their own document only."""

    def __post_init__(self) -> None:
        sources = {name: getattr(self, name) for name in ("size", "config", "warm_start")}
        named = {name: value for name, value in sources.items() if value is not None}
        if len(named) > 1:
            seen = " and ".join(f"{name}={value}" for name, value in named.items())
            raise ValueError(
                f"{seen}. Expected one of size, config and warm_start; null unsets the others."
            )
        if not named:
            object.__setattr__(self, "size", DEFAULT_SIZE)
        for name, value in named.items():
            if not value.strip():
                raise ValueError(f"{name}={value!r}. Expected a name.")
        if self.dropout is not None:
            check_share_below_one("dropout", self.dropout)
        if self.size is None:
            return
        if self.size not in MODEL_SIZES:
            hint = did_you_mean(self.size, MODEL_SIZES)
            raise ValueError(f"size={self.size}. Expected one of {', '.join(MODEL_SIZES)}.{hint}")
        if self.dropout is None:
            object.__setattr__(self, "dropout", _DEFAULT_DROPOUT)

    @property
    def name(self) -> str:
        """What reports call it: the size, or where the configuration or the weights came from."""
        return str(self.size or self.warm_start or self.config)
