"""What a run logged or saved of its classes, for the weights that follow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.masking.class_statistic import ClassStatistic
from tidemask.masking.learned_weighting import ByClassStatistic
from tidemask.masking.masker import Masker
from tidemask.run_record import (
    CLASS_LOSS,
    CLASS_STATISTIC,
    RunDirectory,
    read_metrics,
)
from tidemask.runs.config import read_run_config
from tidemask.training.checkpoint_state import CheckpointState


def logged_losses(run: str | Path, masker: Masker, progress: float) -> Tensor:
    """What a run logged of the named classes nearest to a step.

    Raises:
        UserError: the run logged nothing, or another statistic than the policy follows.
    """
    directory = RunDirectory(given_path(run, "run"))
    nearest = logged_near(directory, progress)
    prefix, followed = CLASS_LOSS, masker.settings.learning
    if isinstance(followed, ByClassStatistic):
        prefix, statistic = CLASS_STATISTIC, followed.statistic
        theirs = read_run_config(directory.config).masking.learning
        if getattr(theirs, "statistic", None) != statistic:
            raise UserError(
                f"no logged {statistic}: the weights of {run} do not follow it. Expected a run "
                f"with masking.content.statistic={statistic}, or none (--run)."
            )
    values = [nearest.get(prefix + name) for name in masker.class_names]
    return torch.tensor([float("nan") if value is None else float(value) for value in values])


def logged_near(run: RunDirectory, progress: float) -> dict[str, Any]:
    """The line of metrics nearest to a progress in [0, 1].

    Raises:
        UserError: no step was logged yet.
    """
    records = [line for line in read_metrics(run.metrics) if line["step"] > 0]
    if not records:
        raise UserError(
            f"no class losses yet: {run.root} has not logged a step. Wait, or leave out `run` "
            "(--run)."
        )
    num_steps = read_run_config(run.config).training.num_steps
    return min(records, key=lambda record: abs(record["step"] / num_steps - progress))


def learned_in(state: CheckpointState, masker: Masker) -> Tensor | None:
    """What a checkpoint has of what the weights of a policy follow; `None` if it has none of it.

    Raises:
        ValueError: it was saved for other classes.
    """
    learned = masker.new_learned()
    saved: Any = state.vocabulary_loss or state.class_loss
    if isinstance(learned, ClassStatistic):
        saved = state.class_statistic
    if learned is None or saved is None:
        return None
    learned.load_state_dict(saved.plain())
    return learned.value()
