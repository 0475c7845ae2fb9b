"""Predictions of a fine-tuned model, example by example, whatever shared a batch with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DataCollatorWithPadding, PreTrainedModel, PreTrainedTokenizerBase

from tidemask.modeling import quietly
from tidemask.progress import ProgressCallback, ignore
from tidemask.tasks.task import DivergedError

Feature = Mapping[str, Any]
"""Of one example: `input_ids` and labels as lists or numbers, by the names the model gives them."""

Collator = Callable[[list[Any]], dict[str, Any]]
"""Makes a padded batch of features."""

Precision = Literal["auto", "float32", "bf16"]
"""Of arithmetic; `auto` is bfloat16 where a GPU has it."""


@torch.inference_mode()
def predict(
    model: PreTrainedModel,
    features: Sequence[Feature],
    *,
    tokenizer: PreTrainedTokenizerBase,
    outputs: Sequence[str] = ("logits",),
    collator: Collator | None = None,
    batch_size: int = 64,
    precision: Precision = "float32",
    on_progress: ProgressCallback = ignore,
) -> dict[str, list[NDArray[np.float32]]]:
    """The outputs of a model for each example, in their order.

    Examples of about one length share a batch. What has an entry per position is cut to the length
    of its example.

    Args:
        model: in evaluation mode afterwards.
        features: examples; their labels are left out.
        tokenizer: pads the batches.
        outputs: names of the model's outputs, such as `logits` or `start_logits`.
        collator: pads what the tokenizer cannot.
        batch_size: examples in one forward pass.
        precision: arithmetic of the forward pass, as in `FineTuneSettings`.
        on_progress: told the examples done and their number.

    Raises:
        DivergedError: an output is infinite or no number.

    Returns:
        By output, one float32 array per example: [C], or [L, C] or [L] with L its length.
    """
    model.train(False)
    collate = collator or DataCollatorWithPadding(tokenizer)
    lengths = [len(feature["input_ids"]) for feature in features]
    order = sorted(range(len(features)), key=lengths.__getitem__, reverse=True)
    found: dict[str, list[Any]] = {name: [None] * len(features) for name in outputs}
    device, enabled = model.device, is_bf16(precision, str(model.device))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        with quietly():
            batch = collate([_inputs_of(features[index]) for index in chosen])
        inputs = {name: value.to(device) for name, value in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=enabled):
            output = model(**inputs)
        for name in outputs:
            values = output[name].float().cpu().numpy()
            for index, value in zip(chosen, values, strict=True):
                per_position = value.ndim == 2 or name != "logits"
                found[name][index] = value[: lengths[index]] if per_position else value
                if not np.isfinite(found[name][index]).all():
                    raise DivergedError(
                        f"model diverged: its {name} are not finite. Set lower "
                        "fine_tuning.learning_rates."
                    )
        on_progress("predicting", min(start + batch_size, len(order)), len(order))
    return found


def is_bf16(precision: str, device: str) -> bool:
    """Whether arithmetic is in bfloat16: as asked for, or where a GPU has it."""
    if precision == "auto":
        return device.startswith("cuda") and torch.cuda.is_bf16_supported()
    return precision == "bf16"


def _inputs_of(feature: Feature) -> dict[str, Any]:
    known = ("input_ids", "token_type_ids", "attention_mask")
    return {name: value for name, value in feature.items() if name in known}
