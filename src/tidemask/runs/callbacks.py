"""What is called while a run trains: progress, metrics, notes and a user's own measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transformers import TrainerCallback

from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.progress import NoteCallback, ProgressCallback, ignore
from tidemask.run_record import MetricValue
from tidemask.settings import shown

RecordCallback = Callable[[Mapping[str, MetricValue]], None]
"""Called with each line of metrics when it is written."""

Measure = Callable[[SelectedPositionsLM], Mapping[str, float]]
"""A user's measurement of the model, called on every rank; it must return the same on each."""


@dataclass(frozen=True, kw_only=True)
class RunCallbacks:
    """What is called while a run trains; each does nothing by default.

    Example:
        >>> def parameters(model):
        ...     return {"own/parameters": sum(weights.numel() for weights in model.parameters())}
        >>> callbacks = RunCallbacks(measures=(parameters,), on_note=print)
    """

    on_progress: ProgressCallback = ignore
    """Called with the stage, what is done of it and its total."""
    on_record: RecordCallback = ignore
    """Called with each logged step's line of metrics."""
    on_note: NoteCallback = ignore
    """Called with what a user should know, one sentence at a time."""
    measures: tuple[Measure, ...] = ()
    """Measured beside every held-out loss during training; the results join the line of metrics."""
    trainer_callbacks: tuple[TrainerCallback, ...] = ()
    """Callbacks of the Hugging Face Trainer; `on_log` gets the numbers of each line of metrics."""

    def __post_init__(self) -> None:
        several = {"measures": self.measures, "trainer_callbacks": self.trainer_callbacks}
        for name, given in several.items():
            if not isinstance(given, tuple | list):
                raise ValueError(f"{name}={shown(given)}. Expected a tuple.")
        each = [("measures", measure) for measure in self.measures]
        each += [(name, getattr(self, name)) for name in ("on_progress", "on_record", "on_note")]
        for name, function in each:
            if not callable(function):
                raise ValueError(f"{name}={shown(function)}. Expected a function.")
        for callback in self.trainer_callbacks:
            if not isinstance(callback, TrainerCallback):
                raise ValueError(
                    f"trainer_callbacks: {shown(callback)}. Expected a TrainerCallback of "
                    "transformers."
                )
