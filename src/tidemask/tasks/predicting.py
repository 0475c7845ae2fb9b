"""Predictions of a fine-tuned model: one array per example, whatever else was in its batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from tidemask.modeling.loading import quietly
from tidemask.progress import ProgressCallback, ignore
from tidemask.tasks.task import DivergedError

Feature = Mapping[str, Any]
"""One example: `input_ids` and labels as lists or numbers, named as the model's arguments."""

Collator = Callable[[list[Any]], dict[str, Any]]
"""Makes a padded batch of features; padding is on the right."""

Outputs = Mapping[str, Sequence[NDArray[np.float32]]]
"""By the name of an output, one array per example: [C], or [L, C] or [L] with L its length."""

_INPUTS = ("input_ids", "token_type_ids", "attention_mask")


@torch.inference_mode()
def predict(
    model: PreTrainedModel,
    features: Sequence[Feature],
    *,
    collator: Collator,
    outputs: Sequence[str] = ("logits",),
    batch_size: int = 64,
    on_progress: ProgressCallback = ignore,
) -> Outputs:
    """The outputs of a model for each example, in order.

    Examples of similar length share a batch. An output with an entry per position is cut to the
    length of its example.

    Args:
        model: left in evaluation mode.
        features: examples; their labels are left out.
        collator: makes the batches.
        outputs: names of the model's outputs, such as `logits` or `start_logits`.
        batch_size: examples in one forward pass.
        on_progress: called with the number of examples done and their total.

    Raises:
        DivergedError: an output is not finite.
    """
    model.train(False)
    lengths = [len(feature["input_ids"]) for feature in features]
    order = sorted(range(len(features)), key=lengths.__getitem__, reverse=True)
    found: dict[str, list[Any]] = {name: [None] * len(features) for name in outputs}
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        with quietly():
            batch = collator([_inputs_of(features[row]) for row in rows])
        output = model(**{name: value.to(model.device) for name, value in batch.items()})
        for name in outputs:
            values = output[name].float().cpu().numpy()
            for row, value in zip(rows, values, strict=True):
                per_position = value.ndim == 2 or name != "logits"
                found[name][row] = value[: lengths[row]] if per_position else value
                if not np.isfinite(found[name][row]).all():
                    raise DivergedError(
                        f"model diverged: its {name} are not finite. Set lower "
                        "fine_tuning.learning_rates."
                    )
        on_progress("predicting", min(start + batch_size, len(order)), len(order))
    return found


def _inputs_of(feature: Feature) -> dict[str, Any]:
    return {name: value for name, value in feature.items() if name in _INPUTS}
