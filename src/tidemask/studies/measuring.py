"""What is measured of the finished runs of a study: marks, by which it is known to be done."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tidemask.errors import UserError, did_you_mean
from tidemask.reading import MAX_YAML_BYTES, read_text
from tidemask.run_record import HELD_OUT
from tidemask.runs.config import Recipe
from tidemask.studies.definition import StudyDefinition, StudyEvaluation

_DIGITS = 12


def measurement_marks(evaluation: StudyEvaluation) -> dict[str, str]:
    """A mark for each task, by its name; it changes with what the result depends on.

    That is the settings, the models and the content of one's own file of a task, but no path: what
    was measured on one machine is measured on all.
    """
    return {_name(task): f"{_name(task)} {_digest(task, evaluation)}" for task in evaluation.tasks}


def _name(task: str) -> str:
    return Path(task).stem if task.endswith((".yaml", ".yml")) else task


def _digest(task: str, evaluation: StudyEvaluation) -> str:
    file = Path(task)
    content = read_text(file, MAX_YAML_BYTES, "unreadable task") if file.is_file() else ""
    content = content.replace("\r\n", "\n")  # as Git may have it on another system
    plain = [content, sorted(evaluation.settings), evaluation.checkpoints]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:_DIGITS]


def check_measurements(study: StudyDefinition) -> None:
    """Make sure, before any run is trained, that the study can be measured as it asks.

    Raises:
        UserError: a task does not exist or lacks its data, or the primary measure is none of them.
    """
    wanted = study.evaluation
    if not wanted.tasks:
        return
    from tidemask.evaluation.asked_tasks import check_tasks

    names = check_tasks(
        wanted.tasks,
        overrides=wanted.settings,
        tasks_from=wanted.tasks_from,
        task_data=wanted.task_data,
    )
    if not study.primary.startswith(HELD_OUT) and study.primary not in names:
        raise UserError(
            f"measure that no run will have: primary={study.primary}. Expected a held-out loss, or "
            f"one of the tasks: {', '.join(names)}.{did_you_mean(study.primary, names)}"
        )


def measured_steps(evaluation: StudyEvaluation) -> set[int]:
    """The steps of checkpoints that are measured, and so kept; none for `last` and `all`."""
    parts = (part.strip() for part in evaluation.checkpoints.split(","))
    return {int(part) for part in parts if part.isdigit()}


def check_checkpoints(evaluation: StudyEvaluation, arm: str, recipe: Recipe) -> None:
    """Make sure that training leaves the checkpoints that are measured at its end.

    Raises:
        UserError: one is never saved, or deleted before.
    """
    training, wanted = recipe.training, measured_steps(evaluation)
    if not evaluation.tasks or not wanted:
        return
    every, last = training.save_steps, training.num_steps
    saved = [*range(every, last, every), last]
    if never := sorted(wanted - set(saved)):
        raise UserError(
            f"checkpoint that is never saved: evaluation.checkpoints={evaluation.checkpoints}, and "
            f"arm {arm} has none of step {never[0]}: it saves one every {every} of {last:,} steps "
            "(training.save_steps) and the last."
        )
    if gone := sorted(wanted - set(saved[-training.keep_checkpoints :])):
        raise UserError(
            f"checkpoint that is deleted before it is measured: evaluation.checkpoints="
            f"{evaluation.checkpoints}, and arm {arm} keeps the newest "
            f"{training.keep_checkpoints}, not that of step {gone[0]}. Set "
            "training.keep_checkpoints=0; what is not measured is deleted at the end."
        )
