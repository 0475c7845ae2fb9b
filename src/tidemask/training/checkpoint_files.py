"""Checkpoints that are complete or absent, and how a run finds the one to continue from.

A checkpoint is written aside, every file of it is listed with its size and digest, and then it is
renamed into place. One that is damaged, of another step or of another run is passed over; the one
before it is used.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transformers.trainer import TRAINER_STATE_NAME

from tidemask.errors import UserError
from tidemask.files.atomic import follow_umask, sync, sync_tree
from tidemask.files.claims import clear_unheld
from tidemask.run_record import RunDirectory
from tidemask.training.checkpoint_checks import (
    SEAL_FILE,
    Seal,
    SealedFile,
    sealed_step,
    state_or_problem,
)
from tidemask.training.checkpoint_state import CheckpointState, write_state
from tidemask.training.identity import other_settings
from tidemask.training.resume_checks import check_identity
from tidemask.training.settings import TrainingSettings

_PLAN = ("max_steps", "logging_steps", "save_steps")
"""What the Trainer's state says of the plan, by the names of our settings."""


@dataclass(frozen=True)
class ResumePoint:
    """Where a run continues.

    Attributes:
        step: optimizer steps done.
        path: its checkpoint; `None` if there is none and the run starts at its beginning.
        passed_over: what stands in the places of newer checkpoints, each with what is wrong with
            it, as a predicate: "is damaged (...)".
        state: our own state in that checkpoint, which may be large: it is read once.
    """

    step: int
    path: Path | None
    passed_over: tuple[tuple[Path, str], ...] = ()
    state: CheckpointState | None = None


def staging_directory(run: RunDirectory, step: int) -> Path:
    """Where the checkpoint of a step is written before it is renamed."""
    return run.root / f".checkpoint-{step}.tmp"


def seal(directory: Path, step: int) -> None:
    """List every file of a finished checkpoint with size and digest, and force all to the disk."""
    follow_umask(directory)
    files = {
        path.relative_to(directory).as_posix(): SealedFile.of(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    content = json.dumps(asdict(Seal(step, files)), indent=2)
    (directory / SEAL_FILE).write_text(content + "\n", encoding="utf-8")
    sync_tree(directory)


def replan_checkpoint(
    checkpoint: Path, state: CheckpointState, settings: TrainingSettings, identity: dict[str, Any]
) -> None:
    """Make a copy of a checkpoint one of a run with another plan, and seal it.

    The Trainer logs and saves by what its own state says, whatever its arguments are.
    """
    (checkpoint / SEAL_FILE).unlink()
    first_line_alone = replace(state, identity=identity, num_lines=1, lines_sha256=None)
    write_state(checkpoint, first_line_alone)
    trainer_state = checkpoint / TRAINER_STATE_NAME
    content = json.loads(trainer_state.read_text(encoding="utf-8"))
    content |= {name: getattr(settings, name) for name in _PLAN}
    trainer_state.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    seal(checkpoint, state.step)


def publish(staged: Path, run: RunDirectory, step: int) -> None:
    """Rename a sealed checkpoint into place; what is there and is none of ours is set aside."""
    final = run.checkpoint(step)
    if sealed_step(final) == step:
        _discard(run, step, final)
    elif os.path.lexists(final):
        _set_aside(final)
    staged.rename(final)
    sync(run.root)


def prune(run: RunDirectory, *, step: int, keep: int, is_planned: Callable[[int], bool]) -> None:
    """Delete all checkpoints but the newest and the `keep` newest planned ones.

    One that was saved between two planned steps, because the run was asked to stop, is there to
    continue from: it takes no other's place, and is deleted when a newer one is there. What bears
    the name of a checkpoint and is none of this run so far counts for nothing and stays.

    Args:
        run: whose checkpoints are deleted.
        step: of the newest.
        keep: how many; 0 keeps all.
        is_planned: whether the uninterrupted run saves a checkpoint after so many steps.
    """
    if keep == 0:
        return
    saved = [(n, path) for n, path in run.checkpoints() if n <= step and sealed_step(path) == n]
    planned = [n for n, _ in saved if is_planned(n)]
    stay = {*planned[-keep:], step}
    for n, path in saved:
        if n not in stay:
            _discard(run, n, path)


def _discard(run: RunDirectory, step: int, checkpoint: Path) -> None:
    """Delete a checkpoint so that a kill meanwhile leaves no half of it under its name."""
    aside = staging_directory(run, step).with_suffix(".old.tmp")
    _remove(aside)
    checkpoint.rename(aside)
    _remove(aside)


def _set_aside(path: Path) -> None:
    """Rename what stands in the place of a checkpoint: it neither counts nor is in the way."""
    target = path.with_name(f".damaged-{path.name}")
    _remove(target)
    path.rename(target)


def _remove(path: Path) -> None:
    """Delete a file, a directory, or a link and not what it leads to; nothing may be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clear_unmade(run: RunDirectory) -> None:
    """Delete what `pretrain` writes before run.yaml, where it was killed before it wrote that."""
    if not run.root.is_dir():
        return
    ours = {run.environment, *run.root.glob(".*.tmp")}
    if ours.issuperset(run.root.iterdir()):
        clear_unfinished(run)
        run.environment.unlink(missing_ok=True)


def clear_unfinished(run: RunDirectory) -> None:
    """Delete what was begun by processes that are gone; no other may be training the run."""
    for folder in (run.root, run.evaluation):
        clear_unheld(folder)


def find_resume_point(run: RunDirectory, identity: Mapping[str, Any] | None = None) -> ResumePoint:
    """The newest complete checkpoint of a run; nothing is changed.

    Args:
        run: whose checkpoints are looked at.
        identity: what they must agree with; that of each counts where it is left out.

    Raises:
        UserError: there are checkpoints, and all of them are damaged or of other settings.
    """
    passed_over: list[tuple[Path, str]] = []
    of_others: list[tuple[Path, Mapping[str, Any]]] = []
    for step, path in reversed(run.checkpoint_places()):
        found = state_or_problem(path, step)
        if isinstance(found, str):
            passed_over.append((path, found))
            continue
        problem = other_settings(found.identity, identity) if identity is not None else None
        if problem is None:
            return ResumePoint(step, path, tuple(passed_over), found)
        passed_over.append((path, problem))
        of_others.append((path, found.identity))
    if identity is not None and of_others:
        path, saved = of_others[0]
        check_identity(saved, identity, path)
    if passed_over:
        first, problem = passed_over[0]
        raise UserError(
            f"no complete checkpoint: {first} {problem}, and none before it can be used. "
            "Delete the checkpoints to start this run again from its first step."
        )
    return ResumePoint(0, None)


def set_aside(point: ResumePoint) -> None:
    """Rename what was passed over: it neither counts nor is in the way."""
    for path, _ in point.passed_over:
        _set_aside(path)
