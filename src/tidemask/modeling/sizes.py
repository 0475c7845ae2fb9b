"""Shapes of models by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
