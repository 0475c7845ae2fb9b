"""What is inside a checkpoint: damage is named and passed over, and what is sound is read."""

from __future__ import annotations

import json
import math
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from cases import all_cases
from small_runs import (
    FOUR_STEPS_KEPT,
    problem_with,
    records,
    same_weights,
    started,
    stopped_at,
)
from tidemask.reading import MAX_SEAL_BYTES, read_json
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.train import train
from tidemask.training.checkpoint_checks import SEAL_FILE
from tidemask.training.checkpoint_files import find_resume_point, seal
from tidemask.training.checkpoint_state import STATE_FILE, LearnedLosses, read_state, write_state


def _files(run: RunDirectory) -> dict[str, bytes]:
    files = (path for path in run.root.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(run.root)): path.read_bytes() for path in files}


def _change(path: Path, **fields: Any) -> None:
    """Set fields of a JSON file; `None` takes one away."""
    content = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


class _Payload:
    """A pickle that leaves a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.trace),)


DAMAGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a list as state": (STATE_FILE, lambda p: _text(p, "[]")),
    "an empty state": (STATE_FILE, lambda p: _text(p, "{}")),
    "no identity": (STATE_FILE, lambda p: _change(p, identity=None)),
    "identity of another type": (STATE_FILE, lambda p: _change(p, identity="all")),
    "text as step": (STATE_FILE, lambda p: _change(p, step="3")),
    "a real step": (STATE_FILE, lambda p: _change(p, step=3e0 + 1e-9)),
    "not a number": (STATE_FILE, lambda p: _change(p, global_batch_size=float("nan"))),
    "other classes": (STATE_FILE, lambda p: _change(p, class_loss={"class_names": ["NOUN"]})),
    "state of another step": (STATE_FILE, lambda p: _change(p, step=2)),
    "a list as the Trainer's state": ("trainer_state.json", lambda p: _text(p, "[]")),
    "an earlier Trainer's state": ("trainer_state.json", lambda p: _change(p, global_step=2)),
    "text as the Trainer's step": ("trainer_state.json", lambda p: _change(p, max_steps="4")),
    "no optimizer": ("optimizer.pt", Path.unlink),
    "a list as optimizer": ("optimizer.pt", lambda p: torch.save([1], p)),
    "half an optimizer": ("optimizer.pt", lambda p: torch.save({"state": {}}, p)),
    "text as scheduler": ("scheduler.pt", lambda p: _text(p, "not tensors")),
    "nothing as scheduler": ("scheduler.pt", lambda p: _text(p, "")),
    "no generators": ("rng_state.pth", lambda p: torch.save({"cpu": 1}, p)),
    "text as weights": ("model.safetensors", lambda p: _text(p, "not tensors at all")),
}
"""The file that is named, and what is done to it before the checkpoint is sealed again."""


def _bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _text(path: Path, text: str) -> None:
    path.write_text(text)


@contextmanager
def _sealed_again(checkpoint: Path, name: str, spoil: Callable[[Path], None]) -> Iterator[None]:
    """A file of it is spoilt and its list made once more; all is as it was after the block."""
    kept = {file: (checkpoint / file).read_bytes() for file in (name, SEAL_FILE)}
    spoil(checkpoint / name)
    (checkpoint / SEAL_FILE).unlink()
    seal(checkpoint, 3)
    yield
    for file, content in kept.items():
        (checkpoint / file).write_bytes(content)


@all_cases("damage", DAMAGES)
@pytest.mark.slow
def test_checkpoint_with_something_else_inside_is_passed_over(
    damage: str, broken: RunDirectory
) -> None:
    """Its list is made once more, so that only what is in the file can tell."""
    newest = broken.checkpoint(3)
    name, spoil = DAMAGES[damage]
    with _sealed_again(newest, name, spoil):
        before = _files(broken)
        point = find_resume_point(broken)
        assert _files(broken) == before
    assert point.step == 2
    ((path, problem),) = point.passed_over
    assert path == newest
    assert problem.startswith("is damaged (")
    assert name in problem
    assert "\n" not in problem


def test_checkpoint_with_a_file_that_has_no_digest_is_passed_over(broken: RunDirectory) -> None:
    """Nothing would say whether it is what was written; what a user puts beside is left alone."""
    newest = broken.checkpoint(3)
    (newest / "why I keep it.txt").write_text("before the data moved")
    listed = json.loads((newest / SEAL_FILE).read_text())
    for name in listed["files"]:
        rest = {other: entry for other, entry in listed["files"].items() if other != name}
        (newest / SEAL_FILE).write_text(json.dumps({**listed, "files": rest}))
        problem = problem_with(newest, 3) or ""
        assert f"{SEAL_FILE} does not list {name}" in problem
    (newest / SEAL_FILE).write_text(json.dumps(listed))
    assert problem_with(newest, 3) is None


@pytest.mark.slow
def test_checkpoint_with_a_pickle_for_tensors_runs_nothing(
    broken: RunDirectory, unbroken: RunDirectory, tmp_path: Path
) -> None:
    newest, trace = broken.checkpoint(3), tmp_path / "trace"
    payload = pickle.dumps({"state": _Payload(trace)})
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        with _sealed_again(newest, name, lambda path: _bytes(path, payload)):
            assert f"is damaged ({name} holds no tensors" in (problem_with(newest, 3) or "")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (newest / name).write_bytes(payload)
    (newest / SEAL_FILE).unlink()
    seal(newest, 3)
    notes: list[str] = []
    assert train(broken, RunCallbacks(on_note=notes.append)).step == 2
    assert "checkpoint-3 is damaged (" in notes[0]
    assert not trace.exists()
    assert same_weights(broken, unbroken)
    assert repr(records(broken)) == repr(records(unbroken))


@pytest.mark.parametrize("in_the_way", ["directory", "circle", "nothing"])
def test_checkpoint_with_something_else_for_a_file_is_damaged(
    in_the_way: str, broken: RunDirectory
) -> None:
    for name in (SEAL_FILE, STATE_FILE, "optimizer.pt"):
        place = broken.checkpoint(3) / name
        place.rename(broken.root / "aside")
        match in_the_way:
            case "directory":
                place.mkdir()
            case "circle":
                place.symlink_to(name)
        assert "is damaged (" in (problem_with(broken.checkpoint(3), 3) or "")
        if os.path.lexists(place):
            place.rmdir() if place.is_dir() else place.unlink()
        (broken.root / "aside").rename(place)
    assert problem_with(broken.checkpoint(3), 3) is None


class _Best(TrainerCallback, ExportableState):
    """A user's callback that keeps a number in the checkpoint."""

    def __init__(self, best: float) -> None:
        self.best = best

    def state(self) -> dict[str, Any]:
        return {"args": {"best": self.best}, "attributes": {}}


class _Infinite(_Best):
    """Another class: numbers of one class become a list."""


class _NotANumber(_Best):
    """Another class."""


class _Large(_Best):
    """Another class."""


@pytest.mark.slow
def test_checkpoint_with_what_callbacks_keep_is_sound(
    corpus: Path, tmp_path: Path, unbroken: RunDirectory
) -> None:
    """Transformers writes numbers that are not finite, and a list for two of one class."""

    def kept() -> RunCallbacks:
        values = (_Infinite(math.inf), _NotANumber(math.nan), _Large(10**70), _Best(1), _Best(2))
        return RunCallbacks(trainer_callbacks=values)

    run = started(corpus, tmp_path / "run", "ptw-mrd", *FOUR_STEPS_KEPT)
    train(run, kept())
    assert problem_with(run.checkpoint(3), 3) is None
    state = (run.checkpoint(3) / "trainer_state.json").read_text()
    assert all(name in state for name in ("_Best", "_Infinite", "_NotANumber", "_Large"))
    broken = stopped_at(run, 3, tmp_path / "broken")
    assert train(broken, kept()).step == 3
    assert same_weights(broken, unbroken)


@pytest.mark.slow
def test_checkpoint_with_losses_of_a_large_vocabulary_is_read(broken: RunDirectory) -> None:
    """A class for each of a million entries takes more bytes than other JSON files may have."""
    place = broken.checkpoint(3)
    names = [f"{number} {'long' * 15_000}" for number in range(1000)]
    numbers = [0.5] * len(names)
    losses = LearnedLosses(class_names=names, loss_sum=numbers, count=numbers)
    state = replace(read_state(place), vocabulary_loss=losses)
    write_state(place, state)
    assert (place / STATE_FILE).stat().st_size > MAX_SEAL_BYTES
    assert read_state(place) == state


def test_checkpoint_that_fails_to_load_changes_nothing(broken: RunDirectory) -> None:
    """An optimizer of another model is found out only when it is loaded: with nothing cut."""
    newest = broken.checkpoint(3)
    torch.save({"state": {}, "param_groups": []}, newest / "optimizer.pt")
    (newest / SEAL_FILE).unlink()
    seal(newest, 3)
    broken.checkpoint(2).rename(broken.checkpoint(4))
    before = _files(broken)
    with pytest.raises(ValueError, match="different number of parameter groups"):
        train(broken)
    left = _files(broken)
    left["environment.json"] = before["environment.json"]
    assert left == before


@pytest.mark.slow
def test_resume_reads_the_state_of_a_checkpoint_twice(
    broken: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be large: a run reads it once to choose a checkpoint, the trainer to continue.

    At its end the class losses of the last one are read, for the loss under its own masking.
    """
    read: list[Path] = []

    def noted(path: Path, *arguments: Any, **named: Any) -> Any:
        read.append(path)
        return read_json(path, *arguments, **named)

    monkeypatch.setattr("tidemask.training.checkpoint_state.read_json", noted)
    train(broken)
    assert read[:2] == [broken.checkpoint(3) / STATE_FILE] * 2
    assert read[2:] == [broken.checkpoint(4) / STATE_FILE]
