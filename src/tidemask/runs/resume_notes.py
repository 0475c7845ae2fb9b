"""Where a run continues: what of its metrics stays, and what a user should know of it."""

from __future__ import annotations

import hashlib

from tidemask.reading import ANY_LENGTH, read_bytes
from tidemask.run_record import RunDirectory, read_metrics
from tidemask.training.checkpoint_files import ResumePoint
from tidemask.training.checkpoint_state import CheckpointState


def last_logged_step(point: ResumePoint) -> int:
    """The last step whose line of metrics stays; the resumed run writes those after it again.

    A line whose evaluation a stop cut short is written once the run continues, so that it does not
    belong to the checkpoint, though its step does.
    """
    if point.state is not None and point.state.unlogged is not None:
        return point.step - 1
    return point.step


def resume_notes(run: RunDirectory, point: ResumePoint) -> list[str]:
    """What a user should know of where a run continues, one sentence each."""
    notes = [f"{path.name} {problem}; it is passed over." for path, problem in point.passed_over]
    notes += [
        f"{path.name} is not a checkpoint, for no step is written so; it is left alone."
        for path in run.misnamed_checkpoints()
    ]
    if point.state is None and not run.metrics.exists():
        return notes
    if point.state is None:
        return [*notes, "No checkpoint was saved yet; starting from the first step."]
    notes += _notes_on_metrics(run, point, point.state)
    return [*notes, f"Continuing after step {point.step}."]


def _notes_on_metrics(run: RunDirectory, point: ResumePoint, state: CheckpointState) -> list[str]:
    """Whether the lines of metrics are those that the run had when its checkpoint was saved."""
    lines = read_metrics(run.metrics) if run.metrics.is_file() else []
    found = sum(line["step"] <= last_logged_step(point) for line in lines)
    saved, name = state.num_lines, f"checkpoint-{point.step}"
    if saved is not None and found != saved:
        return [
            f"{run.metrics} has {found:,} of the {saved:,} lines that {name} was saved with; the "
            "others cannot be written again."
        ]
    if state.lines_sha256 is None or not lines:
        return []
    content = b"".join(
        read_bytes(run.metrics, ANY_LENGTH, "unreadable metrics").splitlines(keepends=True)[:saved]
    )
    if hashlib.sha256(content).hexdigest() == state.lines_sha256:
        return []
    return [f"{run.metrics} was changed since {name} was saved; its lines are taken as they are."]
