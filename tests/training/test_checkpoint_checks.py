"""What stands in the place of a checkpoint and is none of this run: named, passed over, kept."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from cases import all_cases, one_in
from small_runs import problem_with, records, same_weights, started, stopped_at, trained
from tidemask.errors import UserError
from tidemask.evaluation.targets import target_of
from tidemask.files.claims import claimed_beside
from tidemask.reading import MAX_SEAL_BYTES, read_json
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.train import train
from tidemask.system_errors import is_out_of_memory
from tidemask.training.checkpoint_checks import SEAL_FILE, sealed_step
from tidemask.training.checkpoint_files import (
    find_resume_point,
    prune,
    publish,
    seal,
    staging_directory,
)
from tidemask.training.checkpoint_state import STATE_FILE, LearnedLosses, read_state, write_state

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="how Linux answers")

SETTINGS = (
    "training.max_steps=4", "training.save_steps=1", "training.logging_steps=1",
    "training.keep_checkpoints=0", "evaluation.every_steps=4",
)  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Four steps with a line and a checkpoint after each, all kept."""
    return trained(corpus, tmp_path_factory.mktemp("runs") / "unbroken", "ptw-mrd", *SETTINGS)


@pytest.fixture
def broken(unbroken: RunDirectory, tmp_path: Path) -> RunDirectory:
    """The same, killed after step 3."""
    return stopped_at(unbroken, 3, tmp_path / "broken")


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


@pytest.mark.slow
def test_checkpoint_under_another_step_is_passed_over(
    broken: RunDirectory, unbroken: RunDirectory
) -> None:
    """Resumed as if it were of its name, it would train two steps twice."""
    broken.checkpoint(2).rename(broken.checkpoint(4))
    assert problem_with(broken.checkpoint(4), 4) == f"is damaged ({SEAL_FILE} is of step 2)"
    with pytest.raises(UserError, match=r"renamed checkpoint: .*checkpoint-4 is of step 2"):
        target_of(str(broken.root), checkpoints="all", out=None, with_random=False, device="cpu")
    assert train(broken).step == 3
    assert repr(records(broken)) == repr(records(unbroken))
    assert same_weights(broken, unbroken)
    assert (broken.root / ".damaged-checkpoint-4" / STATE_FILE).is_file()


@pytest.mark.parametrize("in_the_way", one_in(3, ["file", "dangling link", "link to a file"]))
@pytest.mark.slow
def test_checkpoint_place_that_is_taken_is_cleared_and_kept(
    in_the_way: str, broken: RunDirectory, unbroken: RunDirectory
) -> None:
    place, notes = broken.checkpoint(4), list[str]()
    match in_the_way:
        case "file":
            place.write_text("mine")
        case "dangling link":
            place.symlink_to(broken.root / "nowhere")
        case "link to a file":
            place.symlink_to(broken.config)
    assert train(broken, RunCallbacks(on_note=notes.append)).step == 3
    assert notes[0] == "checkpoint-4 is not a directory; it is passed over."
    assert same_weights(broken, unbroken)
    assert broken.config.is_file()
    aside = broken.root / ".damaged-checkpoint-4"
    assert os.path.lexists(aside)
    assert in_the_way != "file" or aside.read_text() == "mine"


@pytest.mark.slow
def test_checkpoint_place_taken_while_the_run_goes_on_is_cleared(
    broken: RunDirectory, unbroken: RunDirectory
) -> None:
    def on_progress(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("training", 4):
            broken.checkpoint(4).write_text("mine")

    train(broken, RunCallbacks(on_progress=on_progress))
    assert same_weights(broken, unbroken)
    assert (broken.root / ".damaged-checkpoint-4").read_text() == "mine"


NO_NUMBERS = (
    "\N{SUPERSCRIPT TWO}", "\N{FULLWIDTH DIGIT NINE}", "007", "", "3 (copy)", "9" * 200,
)  # fmt: skip


@pytest.mark.slow
def test_checkpoint_of_no_number_is_left_alone(broken: RunDirectory) -> None:
    names = sorted(f"checkpoint-{number}" for number in NO_NUMBERS)
    for name in names:
        shutil.copytree(broken.checkpoint(3), broken.root / name)
    notes: list[str] = []
    assert train(broken, RunCallbacks(on_note=notes.append)).step == 3
    assert sorted(notes[: len(names)]) == [
        f"{name} is not a checkpoint, for no step is written so; it is left alone."
        for name in names
    ]
    assert all((broken.root / name).is_dir() for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        "masking.unit=token",
        pytest.param("training.seed=7", marks=pytest.mark.slow),
        pytest.param("model.dropout=0.2", marks=pytest.mark.slow),
    ],
)
def test_checkpoint_of_another_run_is_passed_over(
    setting: str, corpus: Path, broken: RunDirectory, unbroken: RunDirectory, tmp_path: Path
) -> None:
    other = trained(corpus, tmp_path / "other", "ptw-mrd", *SETTINGS, setting)
    other.checkpoint(4).rename(broken.checkpoint(4))
    notes: list[str] = []
    assert train(broken, RunCallbacks(on_note=notes.append)).step == 3
    assert notes[0].startswith("checkpoint-4 is of a run with other settings (")
    assert setting.partition("=")[0] in notes[0]
    assert same_weights(broken, unbroken)
    assert repr(records(broken)) == repr(records(unbroken))


@pytest.mark.slow
def test_checkpoint_on_another_corpus_is_passed_over(
    plain_corpus: Path, corpus: Path, tmp_path: Path
) -> None:
    """All settings are the same, and the corpora differ in their classes alone."""
    run, other = (
        trained(where, tmp_path / name, "bert", *SETTINGS)
        for where, name in ((corpus, "run"), (plain_corpus, "other"))
    )
    run.model.rename(tmp_path / "model")
    shutil.rmtree(run.checkpoint(4))
    other.checkpoint(4).rename(run.checkpoint(4))
    notes: list[str] = []
    assert train(run, RunCallbacks(on_note=notes.append)).step == 3
    assert "corpus.fingerprint" in notes[0]


def test_checkpoint_that_is_none_of_the_run_takes_no_place_when_it_prunes(
    broken: RunDirectory,
) -> None:
    """A copy of a newer one, or under a newer step, would have the run's own deleted."""
    shutil.copytree(broken.checkpoint(1), broken.checkpoint(9))
    shutil.copytree(broken.checkpoint(1), broken.checkpoint(100))
    prune(broken, step=3, keep=1, is_planned=lambda _: True)
    assert [step for step, _ in broken.checkpoints()] == [3, 9, 100]


def _failing_drive(path: Path) -> None:
    """Let reading a file fail as on a broken disk: this one cannot be read at its beginning."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


@on_linux
def test_checkpoint_on_a_drive_that_fails_is_not_called_damaged(
    broken: RunDirectory, tidemask: Callable[..., tuple[int, str, str]]
) -> None:
    seal_file = broken.checkpoint(3) / SEAL_FILE
    _failing_drive(seal_file)
    before = sorted(broken.root.rglob("*"))
    status, _, errors = tidemask("resume", broken.root)
    assert (status, errors.count("\n")) == (2, 1), errors
    assert f"{seal_file}: Input/output error. Check the disk" in errors
    assert {*broken.root.rglob("*")} - {*before} <= {broken.root / ".lock"}
    for use in (
        lambda: publish(staging_directory(broken, 3), broken, 3),
        lambda: prune(broken, step=3, keep=1, is_planned=lambda _: True),
    ):
        with pytest.raises(OSError, match="Input/output error"):
            use()
    assert {*broken.root.rglob("*")} - {*before} <= {broken.root / ".lock"}


@on_linux
def test_checkpoint_that_cannot_be_opened_now_is_not_called_damaged(broken: RunDirectory) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(broken.root, os.O_RDONLY)
    os.close(free)
    for look in (
        lambda: find_resume_point(broken),
        lambda: problem_with(broken.checkpoint(3), 3),
        lambda: sealed_step(broken.checkpoint(3)),
    ):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
            with pytest.raises(OSError, match="Too many open files"):
                look()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert find_resume_point(broken).step == 3


@on_linux
def test_checkpoint_that_memory_does_not_hold_is_not_called_damaged(
    broken: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address space ends below what is mapped while the tensors are read."""
    import resource

    def in_no_space(*arguments: Any, load: Callable[..., Any] = torch.load, **named: Any) -> Any:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 20, -1))
        try:
            return load(*arguments, **named)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (-1, -1))

    monkeypatch.setattr(torch, "load", in_no_space)
    with pytest.raises(Exception, match=r"memory|\(12\)|^$") as caught:
        problem_with(broken.checkpoint(3), 3)
    assert is_out_of_memory(caught.value)


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

    run = started(corpus, tmp_path / "run", "ptw-mrd", *SETTINGS)
    train(run, kept())
    assert problem_with(run.checkpoint(3), 3) is None
    state = (run.checkpoint(3) / "trainer_state.json").read_text()
    assert all(name in state for name in ("_Best", "_Infinite", "_NotANumber", "_Large"))
    broken = stopped_at(run, 3, tmp_path / "broken")
    assert train(broken, kept()).step == 3
    assert same_weights(broken, unbroken)


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


@pytest.mark.slow
def test_resume_leaves_what_others_are_writing(broken: RunDirectory) -> None:
    """`evaluate` holds no lock of the run; what no living process claims is taken away."""
    broken.evaluation.mkdir()
    left = [
        broken.root / ".checkpoint-4.tmp" / "model.safetensors",
        broken.evaluation / ".mnli--final.json.0123abcd.claim.tmp",
        broken.evaluation / ".mnli--final.json.0123abcd.tmp",
        broken.evaluation / ".cola--final.json.77.tmp",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    with claimed_beside(broken.result("mnli", "checkpoint-3")) as aside:
        aside.write_text("half")
        train(broken)
        assert aside.read_text() == "half"
    assert [path for path in left if path.exists()] == []
    assert not list(broken.root.glob("**/.*.tmp"))
