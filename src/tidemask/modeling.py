"""Models: built by name, loaded from a directory, predicting at the selected positions only.

The vocabulary projection is the most expensive layer of a small model. `SelectedPositionsLM` runs
it only where there is something to predict, inside its own `forward`, so that DDP, FSDP2 and
`torch.compile` see it.

Dimensions: `B` sequences, `L` positions, `S` selected positions, `H` hidden size, `V` vocabulary.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from tidemask.errors import UserError
from tidemask.linear_cross_entropy import linear_cross_entropy
from tidemask.settings import Settings, check_share_below_one

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Settings):
    """Which model is trained."""

    size: str = "bert-tiny"
    """A name of `MODEL_SIZES`."""
    dropout: float = 0.1
    """Dropout after embeddings, attention and feed-forward layers, in [0, 1)."""

    def __post_init__(self) -> None:
        check_share_below_one("dropout", self.dropout)
        if self.size not in MODEL_SIZES:
            near = difflib.get_close_matches(self.size, MODEL_SIZES, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ValueError(f"size={self.size}. Expected one of {', '.join(MODEL_SIZES)}.{hint}")


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

_Head = Callable[[Any, Tensor], Tensor]

_HEADS: dict[str, _Head] = {
    "bert": lambda model, hidden: model.cls.predictions.transform(hidden),
    "roberta": lambda model, hidden: _roberta_features(model.lm_head, hidden),
    "modernbert": lambda model, hidden: model.head(hidden),
}
"""From hidden states to what the output embeddings multiply, for each `model_type` whose head is
known to work by position."""


def _roberta_features(head: Any, hidden: Tensor) -> Tensor:
    features: Tensor = head.layer_norm(nn.functional.gelu(head.dense(hidden)))
    return features


class SelectedPositionsLM(nn.Module):
    """A masked language model that computes logits and losses at given positions only.

    An architecture whose head is not in the table runs its full head, with a warning.

    Args:
        model: any `AutoModelForMaskedLM`; trained in place and saved by itself.
    """

    accepts_loss_kwargs = False

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.language_model = model
        architecture = str(model.config.model_type)
        self._head = _HEADS.get(architecture)
        if self._head is None:
            logger.warning(
                "%s: no head at selected positions for this architecture; the full one runs.",
                architecture,
            )

    def forward(
        self,
        input_ids: Int[Tensor, "B L"],
        positions: Int[Tensor, "S"],
        targets: Int[Tensor, "S"],
        attention_mask: Bool[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "S"]:
        """Cross-entropy at each selected position, nats, float32.

        Args:
            input_ids: corrupted ids.
            positions: indices of the selected positions in the flattened batch.
            targets: original ids at those positions.
            attention_mask: true where a position is not padding; `None` if nothing is padded.
        """
        if self._head is None:
            logits = self.logits(input_ids, positions, attention_mask)
            return nn.functional.cross_entropy(logits.float(), targets, reduction="none")
        features = self._features(self._head, input_ids, positions, attention_mask)
        output: Any = self.language_model.get_output_embeddings()  # type: ignore[no-untyped-call]
        return linear_cross_entropy(features, output.weight, output.bias, targets)

    def logits(
        self,
        input_ids: Int[Tensor, "B L"],
        positions: Int[Tensor, "S"],
        attention_mask: Bool[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "S V"]:
        """Logits at each selected position; arguments as for `forward`."""
        if self._head is None:
            mask = None if attention_mask is None else attention_mask.long()
            full: Tensor = self.language_model(input_ids=input_ids, attention_mask=mask).logits
            return full.flatten(0, 1)[positions]
        output: Any = self.language_model.get_output_embeddings()  # type: ignore[no-untyped-call]
        logits: Tensor = output(self._features(self._head, input_ids, positions, attention_mask))
        return logits

    def _features(
        self, head: _Head, input_ids: Tensor, positions: Tensor, attention_mask: Tensor | None
    ) -> Float[Tensor, "S H"]:
        mask = None if attention_mask is None else attention_mask.long()
        encoder = self.language_model.base_model
        hidden = encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
        return head(self.language_model, hidden.flatten(0, 1)[positions])


def build_model(
    settings: ModelSettings,
    *,
    tokenizer: PreTrainedTokenizerBase,
    vocab_size: int,
    sequence_length: int,
    seed: int,
) -> PreTrainedModel:
    """A freshly initialised masked language model; the global generator is left as it was.

    Args:
        settings: size and dropout.
        tokenizer: whose special ids the configuration records.
        vocab_size: number of ids.
        sequence_length: longest sequence, tokens; the model takes at least 512.
        seed: of the initial weights.
    """
    shape = MODEL_SIZES[settings.size]
    config = AutoConfig.for_model(
        shape.architecture,
        vocab_size=vocab_size,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        **shape.extra,
        **_positions(shape.architecture, sequence_length, tokenizer),
        **_dropout(shape.architecture, settings.dropout),
        **_special_ids(tokenizer),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForMaskedLM.from_config(config)  # type: ignore[no-untyped-call]
    return model


def load_model(directory: Path) -> PreTrainedModel:
    """A masked language model from a local directory in the format of transformers.

    Raises:
        UserError: there is no loadable model.
    """
    if not (directory / "config.json").is_file():
        raise UserError(f"no model: {directory}. Expected a directory with a config.json.")
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model: PreTrainedModel = AutoModelForMaskedLM.from_pretrained(
            directory, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise UserError(f"model not loadable: {directory}: {str(error).splitlines()[0]}") from error
    return model


def _positions(
    architecture: str, sequence_length: int, tokenizer: PreTrainedTokenizerBase
) -> dict[str, int]:
    # RoBERTa numbers its positions from the padding id + 1.
    extra = int(tokenizer.pad_token_id) + 1 if architecture == "roberta" else 0
    return {"max_position_embeddings": max(512, sequence_length) + extra}


def _dropout(architecture: str, dropout: float) -> dict[str, float]:
    if architecture == "modernbert":
        names = ["attention_dropout", "embedding_dropout", "mlp_dropout"]
    else:
        names = ["hidden_dropout_prob", "attention_probs_dropout_prob"]
    return dict.fromkeys(names, dropout)


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int | None]:
    names = ["pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"]
    return {name: getattr(tokenizer, name, None) for name in names}
