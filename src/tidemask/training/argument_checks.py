"""Whether the arguments of the Trainer are of their types, and of one policy and one corpus."""

from __future__ import annotations

from typing import Any

from tidemask.batches.growing_batches import GrowingBatches
from tidemask.batches.stream import BatchDataset
from tidemask.masking.masker import Masker
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.run_record import RunDirectory
from tidemask.settings import shown
from tidemask.training.settings import TrainingSettings, check_head_for


def check_trainer_arguments(
    model: Any, settings: Any, masker: Any, dataset: Any, run: Any, growth: GrowingBatches | None
) -> None:
    """Refuse arguments of other types, and those that contradict each other.

    Raises:
        ValueError: names the argument and what was expected.
    """
    for name, given, kind in (
        ("model", model, SelectedPositionsLM),
        ("settings", settings, TrainingSettings),
        ("masker", masker, Masker),
        ("dataset", dataset, BatchDataset),
        ("run", run, RunDirectory),
    ):
        if not isinstance(given, kind):
            raise ValueError(f"{name}={shown(given)}. Expected a {kind.__name__}.")
    check_head_for(masker.settings, settings)
    for name, ours, others in (
        ("max_steps", masker.max_steps, settings.num_steps),
        ("vocabulary size", masker.vocabulary.size, len(dataset.is_special)),
    ):
        if ours != others:
            raise ValueError(f"{name} {ours} of the masker. Expected {others}, as elsewhere.")
    if (growth is None) != (settings.predictions_per_step is None):
        raise ValueError(
            f"growth={shown(growth)} with predictions_per_step={settings.predictions_per_step}. "
            "Expected both or neither."
        )
