"""Checkpoints that are complete or absent, and how a run finds the one to continue from.

A checkpoint is written aside, every file of it is listed with its size and digest, and then it is
renamed into place. A checkpoint whose files do not match its list is damaged; the one before it is
used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemask.atomic import sync, sync_tree
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory

STATE_FILE = "tidemask_state.json"
"""File of class losses, logging sums and identity."""
SEAL_FILE = "checkpoint.json"
"""File of the sizes and SHA-256 digests of all other files."""


@dataclass(frozen=True)
class ResumePoint:
    """Where a run continues.

    Attributes:
        step: optimizer steps done.
        path: its checkpoint; `None` if there is none and the run starts at its beginning.
        damaged: newer checkpoints that were passed over, each with what is wrong with it.
    """

    step: int
    path: Path | None
    damaged: tuple[tuple[Path, str], ...] = ()


def staging_directory(run: RunDirectory, step: int) -> Path:
    """Where the checkpoint of a step is written before it is renamed."""
    return run.root / f".checkpoint-{step}.tmp"


def seal(directory: Path, step: int) -> None:
    """List every file of a finished checkpoint with size and digest, and force all to the disk."""
    files = {
        path.relative_to(directory).as_posix(): _size_and_digest(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    content = {"step": step, "files": files}
    (directory / SEAL_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    sync_tree(directory)


def publish(staged: Path, run: RunDirectory, step: int) -> None:
    """Rename a sealed checkpoint into place."""
    final = run.checkpoint(step)
    if final.exists():
        _discard(run, step, final)
    staged.rename(final)
    sync(run.root)


def prune(run: RunDirectory, *, keep: int, is_planned: Callable[[int], bool]) -> None:
    """Delete all checkpoints but the newest and the `keep` newest planned ones.

    One that was saved between two planned steps, because the run was asked to stop, is there to
    continue from: it takes no other's place, and is deleted when a newer one is there.

    Args:
        run: whose checkpoints are deleted.
        keep: how many; 0 keeps all.
        is_planned: whether the uninterrupted run saves a checkpoint after so many steps.
    """
    saved = run.checkpoints()
    if keep == 0 or not saved:
        return
    planned = [step for step, _ in saved if is_planned(step)]
    stay = {*planned[-keep:], saved[-1][0]}
    for step, path in saved:
        if step not in stay:
            _discard(run, step, path)


def _discard(run: RunDirectory, step: int, checkpoint: Path) -> None:
    """Delete a checkpoint so that a kill meanwhile leaves no half of it under its name."""
    aside = staging_directory(run, step).with_suffix(".old.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    checkpoint.rename(aside)
    shutil.rmtree(aside)


def room_on(directory: Path) -> str:
    """A sentence for errors of writing, as libraries hide the system's message."""
    return f"Is the disk full? It has {shutil.disk_usage(directory).free / 1e6:,.1f} MB free."


def clear_unmade(run: RunDirectory) -> None:
    """Delete what `pretrain` writes before run.yaml, where it was killed before it wrote that."""
    if not run.root.is_dir():
        return
    ours = {run.environment, *run.root.glob(".*.tmp")}
    if ours.issuperset(run.root.iterdir()):
        clear_unfinished(run)
        run.environment.unlink(missing_ok=True)


def clear_unfinished(run: RunDirectory) -> None:
    """Delete what a process that was killed had begun to write; none may be writing now."""
    for folder in (run.root, run.evaluation):
        for path in folder.glob(".*.tmp"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def problem_with(directory: Path) -> str | None:
    """What is wrong with a checkpoint, in a few words; `None` if it is complete."""
    try:
        listed = json.loads((directory / SEAL_FILE).read_text(encoding="utf-8"))["files"]
        sizes = {str(name): int(expected["bytes"]) for name, expected in listed.items()}
    except FileNotFoundError:
        return f"{SEAL_FILE} is missing"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{SEAL_FILE} is damaged"
    if STATE_FILE not in sizes:
        return f"{SEAL_FILE} does not list {STATE_FILE}"
    for name, expected in listed.items():
        path = directory / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != sizes[name]:
            return f"{name} has {path.stat().st_size} bytes where {sizes[name]} were written"
        if _size_and_digest(path) != expected:
            return f"{name} is not what was written"
    return None


def find_resume_point(run: RunDirectory) -> ResumePoint:
    """The newest complete checkpoint of a run.

    Raises:
        UserError: there are checkpoints and all of them are damaged.
    """
    damaged: list[tuple[Path, str]] = []
    for step, path in reversed(run.checkpoints()):
        problem = problem_with(path)
        if problem is None:
            return ResumePoint(step, path, tuple(damaged))
        damaged.append((path, problem))
    if damaged:
        first, problem = damaged[0]
        raise UserError(
            f"no complete checkpoint: {first} is damaged ({problem}), as is every one before it. "
            "Delete the checkpoints to start this run again from its first step."
        )
    return ResumePoint(0, None)


def set_aside_damaged(point: ResumePoint) -> None:
    """Rename the checkpoints that were passed over: they neither count nor are in the way."""
    for path, _ in point.damaged:
        target = path.with_name(f".damaged-{path.name}")
        if target.exists():
            shutil.rmtree(target)
        path.rename(target)


def write_state(directory: Path, state: dict[str, Any]) -> None:
    """Write our own state into a checkpoint."""
    (directory / STATE_FILE).write_text(json.dumps(state) + "\n", encoding="utf-8")


def read_state(directory: Path) -> dict[str, Any]:
    """Our own state from a checkpoint that was found complete."""
    content: dict[str, Any] = json.loads((directory / STATE_FILE).read_text(encoding="utf-8"))
    return content


def _size_and_digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
