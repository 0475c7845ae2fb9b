"""TensorBoard and the other trackers that transformers knows, fed with the lines of metrics.

The trackers are those of transformers. Each gets the line that `metrics.jsonl` gets, at its step;
what it does with it, and where its account and its server are, is its own affair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
)

from tidemask.errors import UserError, one_line
from tidemask.run_record import MetricValue, RunDirectory
from tidemask.system_errors import raise_out_of_memory
from tidemask.training.tracker_names import TENSORBOARD, available_trackers, named_trackers

if TYPE_CHECKING:
    from tidemask.training.event_files import EventFile


_PACKAGES = {
    TENSORBOARD: "'tidemask[tracking]'",
    "azure_ml": "azureml-core azureml-mlflow",
    "comet_ml": "comet_ml",
    "flyte": "flytekit flytekitplugins-deck-standard",
}
"""What pip installs for a tracker, where it is not called as the tracker is."""


def check_trackers(report_to: str | Sequence[str]) -> list[str]:
    """The trackers of the setting, all of which are installed.

    Raises:
        UserError: names it and what to install.
    """
    names = named_trackers(report_to)
    for name in names:
        if name not in available_trackers():
            package = _PACKAGES.get(name, name)
            raise UserError(
                f"tracker not installed: training.report_to={name}. "
                f"`pip install {package}`, or choose another; training.report_to=none for none."
            )
    return names


def tracker_callbacks(report_to: str | Sequence[str], run: RunDirectory) -> list[TrainerCallback]:
    """The callbacks of the chosen trackers; TensorBoard writes into the run.

    Raises:
        UserError: a tracker is not installed, or refuses to start.
    """
    names = check_trackers(report_to)
    others = [name for name in names if name != TENSORBOARD]
    callbacks: list[TrainerCallback] = [_TensorBoard(run)] if TENSORBOARD in names else []
    for name in others:
        try:
            callbacks.append(INTEGRATION_TO_CALLBACK[name]())
        except (ImportError, RuntimeError, ValueError) as error:
            raise_out_of_memory(error)
            reason = one_line(error, longest=1000)
            raise UserError(f"tracker not usable: training.report_to={name}: {reason}") from error
    return callbacks


def reportable(record: Mapping[str, MetricValue]) -> dict[str, float]:
    """The numbers of a line of metrics that a tracker can draw."""
    return {
        name: value for name, value in record.items() if value is not None and math.isfinite(value)
    }


class _TensorBoard(TrainerCallback):
    """Event files in the run, under the names of `metrics.jsonl`, each step once.

    A process begins its file with its first line of metrics. What an earlier one wrote from that
    step on, after the checkpoint that the run continues from, is purged: TensorBoard drops it.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._file: EventFile | None = None

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        from tidemask.training.event_files import EventFile

        if self._file is None:
            self._file = EventFile(self._run.root, self._run.tensorboard, state.global_step)
        self._file.add(state.global_step, logs or {})
