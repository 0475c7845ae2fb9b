"""Which model is trained, from where it starts, and the shapes of models by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tidemask.errors import did_you_mean
from tidemask.files.paths import given_path
from tidemask.settings import Settings, check_share_below_one

Precision = Literal["float32", "bf16"]
PrecisionChoice = Literal["auto", "float32", "bf16"]
NewEmbeddings = Literal["pieces", "mean"]


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Dimensions of an encoder."""

    architecture: str
    """`model_type` of transformers."""
    layers: int
    hidden: int
    heads: int
    feed_forward: int
    """Width of the feed-forward layer; in ModernBERT, of each half of its gated one."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the configuration."""


def _family(architecture: str, **shapes: tuple[int, int, int, int]) -> dict[str, ModelShape]:
    return {
        f"{architecture}-{name}": ModelShape(
            architecture=architecture, layers=n, hidden=h, heads=a, feed_forward=f
        )
        for name, (n, h, a, f) in shapes.items()
    }


_MINIATURES = {
    "tiny": (2, 128, 2, 512),
    "mini": (4, 256, 4, 1024),
    "small": (4, 512, 8, 2048),
    "medium": (8, 512, 8, 2048),
    "base": (12, 768, 12, 3072),
    "large": (24, 1024, 16, 4096),
}

MODEL_SIZES: dict[str, ModelShape] = {
    **_family("bert", **_MINIATURES),
    **_family("roberta", **_MINIATURES),
    **_family(
        "modernbert",
        tiny=(2, 128, 2, 192),
        mini=(4, 256, 4, 384),
        small=(8, 384, 6, 576),
        base=(22, 768, 12, 1152),
    ),
    "modernbert-tiny-local": ModelShape(
        architecture="modernbert",
        layers=2,
        hidden=128,
        heads=2,
        feed_forward=192,
        extra={
            "local_attention": 4,
            "layer_types": ["sliding_attention"] * 2,
            "initializer_range": 0.05,
        },
    ),
}
"""Shapes by name. BERT's are those of Turc et al. 2019 (arXiv 1908.08962), and RoBERTa's the same;
ModernBERT's base is that of Warner et al. 2024 (arXiv 2412.13663), the others are scaled down.
`modernbert-tiny-local` sees two neighbours on each side in each of its two layers and starts from
weights wide enough for its width (0.02 is meant for 768): it gets past the frequencies of words
within minutes on a CPU, which is what a demonstration needs."""

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
    corpus must have been prepared with its tokenizer, extended or not (`extend_vocabulary`), unless
    `new_embeddings` is set."""
    new_embeddings: NewEmbeddings | None = None
    """Where the embeddings of entries come from that the tokenizer of `warm_start` has not: the
    mean of those of their `pieces` under it, or the `mean` of all. Unset it is `pieces` for an
    extended tokenizer, and another one is refused."""
    dropout: float | None = None
    """Dropout after embeddings, attention and feed-forward layers, in [0, 1). Unset it is 0.1 for
    a `size`, else what the model's own configuration sets."""
    attention_dropout: float | None = None
    """Dropout of the attention's probabilities, in [0, 1), where it differs from `dropout`. With 0
    attention runs in PyTorch's flash kernel on a CPU, too, and draws no random numbers."""
    documents: Literal["together", "apart"] = "together"
    """Whether the tokens of a packed row see the whole row or their own document only."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_sources()
        for name in ("dropout", "attention_dropout"):
            if getattr(self, name) is not None:
                check_share_below_one(name, getattr(self, name))
        if self.size is None:
            return
        if self.size not in MODEL_SIZES:
            hint = did_you_mean(self.size, MODEL_SIZES)
            raise ValueError(f"size={self.size}. Expected one of {', '.join(MODEL_SIZES)}.{hint}")
        if self.dropout is None:
            object.__setattr__(self, "dropout", _DEFAULT_DROPOUT)

    def _check_sources(self) -> None:
        sources = {name: getattr(self, name) for name in ("size", "config", "warm_start")}
        named = {name: value for name, value in sources.items() if value is not None}
        if len(named) > 1:
            seen = " and ".join(f"{name}={value}" for name, value in named.items())
            raise ValueError(
                f"{seen}. Expected one of size, config and warm_start; null unsets the others."
            )
        if self.new_embeddings is not None and self.warm_start is None:
            raise ValueError(
                f"new_embeddings={self.new_embeddings} without warm_start. Expected a model whose "
                "embeddings are carried over."
            )
        if not named:
            object.__setattr__(self, "size", DEFAULT_SIZE)
        for name, value in named.items():
            if not value.strip():
                raise ValueError(f"{name}={value!r}. Expected a name.")

    @property
    def name(self) -> str:
        """What reports call it: the size, or where the configuration or the weights came from."""
        return str(self.size or self.warm_start or self.config)


def with_absolute_paths(
    settings: ModelSettings, recorded: ModelSettings | None = None
) -> ModelSettings:
    """The same with absolute paths, so that a run may be continued from another directory.

    A name without a file stays as it is, unless an existing run has `recorded` it as a path.
    """
    found = {}
    for name in ("config", "warm_start"):
        value = getattr(settings, name)
        absolute = given_path(value, f"model.{name}").resolve() if value is not None else None
        if absolute and (absolute.exists() or str(absolute) == getattr(recorded, name, None)):
            found[name] = str(absolute)
    return replace(settings, **found)  # type: ignore[arg-type]  # mypy sees str for every field
