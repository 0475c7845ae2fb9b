"""More steps after a run's end: a new run from its last checkpoint, on a longer plan."""

from __future__ import annotations

import filecmp
import math
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tidemask as package
from cases import one_in
from small_runs import records, run_command, same_weights, stopped_at, trained
from synthetic_runs import read_runs
from tidemask.errors import UserError
from tidemask.report.comparability.run_warnings import warnings_for
from tidemask.run_record import RunDirectory, read_metrics
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import load_recipe
from tidemask.runs.creation import new_or_same_run
from tidemask.runs.more_steps import run_with_more_steps
from tidemask.runs.train import train
from tidemask.training.learning_rate import learning_rate_at
from tidemask.training.settings import TrainingSettings

FLAT = (
    "training.lr_schedule=constant",
    "training.lr_warmup_steps=2",
    "training.keep_checkpoints=0",
)
"""No schedule depends on the number of steps."""

LONGER = "training.max_steps=8"


@pytest.fixture(scope="module")
def flat(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Four steps, finished."""
    out = tmp_path_factory.mktemp("flat") / "run"
    return trained(corpus, out, "bert", *FLAT, "training.max_steps=4")


@pytest.fixture(scope="module")
def falling(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Four steps in which the ratio and the learning rate fall."""
    out = tmp_path_factory.mktemp("falling") / "run"
    return trained(corpus, out, "mrd-linear", "training.max_steps=4", "training.lr_warmup_steps=1")


@pytest.mark.slow
def test_more_steps_without_schedules_equal_the_run_that_was_planned_so(
    corpus: Path, flat: RunDirectory, tmp_path: Path
) -> None:
    """Weights to the last bit, and every line of metrics after the end but its progress."""
    whole = trained(corpus, tmp_path / "whole", "bert", *FLAT)
    before = {path: path.stat().st_mtime_ns for path in flat.root.rglob("*")}
    longer = run_with_more_steps(flat, LONGER, tmp_path / "longer")
    train(longer)
    assert same_weights(longer, whole)
    assert records(longer)[1:] == [line for line in records(whole) if line["step"] > 4]
    assert {path: path.stat().st_mtime_ns for path in flat.root.rglob("*")} == before


@pytest.mark.slow
def test_more_steps_follow_the_schedules_of_the_longer_plan(
    corpus: Path, falling: RunDirectory, tmp_path: Path
) -> None:
    notes: list[str] = []
    settings = [LONGER, "training.logging_steps=1"]
    longer = run_with_more_steps(falling, settings, tmp_path / "longer")
    train(longer, RunCallbacks(on_note=notes.append))
    whole = trained(
        corpus, tmp_path / "whole", "mrd-linear", "training.logging_steps=1",
        "training.lr_warmup_steps=1",
    )  # fmt: skip
    planned = {line["step"]: line for line in records(whole)}
    lines = records(longer)
    assert [line["step"] for line in lines] == [4, 5, 6, 7, 8]
    for line in lines[1:]:
        for name in ("progress", "learning_rate", "masking/ratio", "tokens_seen"):
            assert line[name] == planned[line["step"]][name], name
    assert not [note for note in notes if "cannot be written again" in note]
    [note] = [note for note in notes if "begins after step 4" in note]
    assert "goes on to step 8: progress begins at 0.5, the masking ratio at 0.15" in note
    assert "(it ended at 0) and the learning rate at 0.000571 (it ended at 0)" in note
    assert note in (longer.model / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_more_steps_say_where_they_are_from(falling: RunDirectory, tmp_path: Path) -> None:
    longer = run_with_more_steps(falling, LONGER, tmp_path / "longer")
    origin = str(falling.root.resolve())
    assert longer.read_config()["continued_from"] == {"run": origin, "step": 4}
    assert longer.read_config()["overrides"][-1] == LONGER
    [first] = read_metrics(longer.metrics)
    last = read_metrics(falling.metrics)[-1]
    assert first == {**last, "progress": 0.5, "continued_from_step": 4}
    same = filecmp.cmp(longer.checkpoint(4) / "model.safetensors",
                       falling.checkpoint(4) / "model.safetensors", shallow=False)  # fmt: skip
    assert same


@pytest.mark.slow
def test_more_steps_that_were_interrupted_go_on_bit_for_bit(
    flat: RunDirectory, tmp_path: Path
) -> None:
    settings = [LONGER, "training.save_steps=1"]
    unbroken = run_with_more_steps(flat, settings, tmp_path / "unbroken")
    train(unbroken)
    broken = stopped_at(unbroken, 6, tmp_path / "broken")
    assert train(broken).step == 6
    assert same_weights(broken, unbroken)
    assert records(broken) == records(unbroken)


def test_more_steps_by_epochs_count_those_that_are_done(
    corpus: Path, flat: RunDirectory, tmp_path: Path
) -> None:
    num_rows = len(package.open_corpus(corpus).train)
    longer = run_with_more_steps(flat, "training.max_epochs=2", tmp_path / "longer")
    assert longer.read_config()["training"]["max_steps"] == math.ceil(2 * num_rows / 8)


@pytest.mark.slow
def test_more_steps_in_python_are_made_beside_the_run(
    falling: RunDirectory, tmp_path: Path
) -> None:
    shutil.copytree(falling.root, tmp_path / "run")
    made = package.resume(tmp_path / "run", {"training.max_steps": 6}, progress=False)
    assert made.directory.root == tmp_path / "run-6-steps"
    assert made.model.is_dir()
    with pytest.raises(UserError, match=r"run exists: .*run-6-steps goes on from .* is finished"):
        package.resume(tmp_path / "run", {"training.max_steps": 6}, progress=False)


@pytest.mark.slow
def test_more_steps_by_the_same_command_again_go_on(flat: RunDirectory, tmp_path: Path) -> None:
    settings = [LONGER, "training.save_steps=1"]
    unbroken = run_with_more_steps(flat, settings, tmp_path / "unbroken")
    train(unbroken)
    broken = stopped_at(unbroken, 6, tmp_path / "broken")
    with pytest.raises(UserError, match=r"other settings: training.save_steps=2 against 1"):
        run_with_more_steps(flat, [LONGER, "training.save_steps=2"], broken.root)
    again = package.resume(flat.root, settings, out=broken.root, progress=False)
    assert again.directory.root == broken.root
    assert same_weights(broken, unbroken)
    assert records(broken) == records(unbroken)


@pytest.mark.parametrize("other", ["file", "run", "run from another"])
def test_more_steps_go_on_in_no_other_directory(
    other: str, flat: RunDirectory, falling: RunDirectory, tmp_path: Path
) -> None:
    match other:
        case "file":
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "mine").write_text("mine")
        case "run":
            shutil.copytree(flat.root, tmp_path / "out")
        case "run from another":
            run_with_more_steps(falling, LONGER, tmp_path / "out")
    before = sorted((tmp_path / "out").rglob("*"))
    with pytest.raises(UserError, match=r"not empty: .*out\."):
        run_with_more_steps(flat, LONGER, tmp_path / "out")
    assert sorted((tmp_path / "out").rglob("*")) == before


@pytest.mark.parametrize(("kept", "found"), [(0, "it has no line"), (1, "last line is of step 3")])
def test_more_steps_need_the_last_line_of_metrics(
    kept: int, found: str, flat: RunDirectory, tmp_path: Path
) -> None:
    run = RunDirectory(Path(shutil.copytree(flat.root, tmp_path / "run")))
    lines = run.metrics.read_bytes().splitlines(keepends=True)
    run.metrics.write_bytes(b"".join(lines[:kept]))
    with pytest.raises(UserError, match=rf"end of the run: .*{found}.* Expected one of step 4"):
        run_with_more_steps(run, LONGER, tmp_path / "longer")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.skipif(sys.platform != "linux", reason="forks this process")
def test_more_steps_that_were_killed_while_made_leave_nothing_after_the_next_command(
    flat: RunDirectory, tmp_path: Path
) -> None:
    """Killed after the checkpoint was copied, in a process that was forked for it."""

    def copied_and_killed(*arguments: Any, copytree: Any = shutil.copytree) -> None:
        copytree(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    def killed() -> None:
        shutil.copytree = copied_and_killed
        run_with_more_steps(flat, LONGER, out)

    out = tmp_path / "longer"
    process = multiprocessing.get_context("fork").Process(target=killed)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert any(path.is_dir() for path in tmp_path.iterdir())
    assert not out.exists()
    assert run_with_more_steps(flat, LONGER, out).root == out
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.slow
def test_more_steps_by_command(falling: RunDirectory, tmp_path: Path) -> None:
    shutil.copytree(falling.root, tmp_path / "run")
    done = run_command(["resume", str(tmp_path / "run"), "training.max_steps=6"])
    assert done.returncode == 0, done.stderr
    assert "It begins after step 4 of run" in done.stderr
    assert (tmp_path / "run-6-steps" / "model").is_dir()
    refused = run_command(["resume", str(tmp_path / "run"), "training.max_steps=3"])
    assert refused.returncode == 2
    assert "no more steps than it has" in refused.stderr


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("training.max_steps=4", r"no more steps than it has: training.max_steps=4 is 4 steps"),
        ("training.max_epochs=0.01", r"max_epochs=0.01 is 1 steps, and .* is finished with 4"),
        ("training.max_steps=0", r"training\.max_steps=0\. Expected an integer"),
        ([LONGER, "training.max_epochs=9"], r"Expected one length"),
        (
            [LONGER, "masking.ratio.start=0.4"],
            r"may change when a run goes on: masking.ratio.start",
        ),
        ([LONGER, "training.learning_rate=1e-4"], r"goes on: training.learning_rate.*warm_start"),
        ("training.keep_checkpoints=1", r"no length for the run that begins from"),
        ([], r"no length for the run"),
        ("training.max_steps=null", r"no length for the run"),
        ("training.max_epochs=null", r"no length for the run"),
    ],
)
def test_more_steps_that_cannot_be_are_refused(
    overrides: list[str], message: str, falling: RunDirectory, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        run_with_more_steps(falling, overrides, tmp_path / "longer")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda run: shutil.rmtree(run.model), r"run is not finished: .* planned for 4 steps"),
        (lambda run: shutil.rmtree(run.checkpoint(4)), r"checkpoint-4 is gone"),
        (lambda run: (run.checkpoint(4) / "optimizer.pt").write_bytes(b""), r"checkpoint-4 is dam"),
    ],
    ids=["not finished", "gone", "damaged"],
)
@pytest.mark.slow
def test_more_steps_need_the_end_of_a_finished_run(
    harm: Callable[[RunDirectory], object], message: str, corpus: Path, tmp_path: Path
) -> None:
    run = trained(corpus, tmp_path / "run", "bert", "training.max_steps=4", "training.save_steps=2")
    harm(run)
    with pytest.raises(UserError, match=message):
        run_with_more_steps(run, LONGER, tmp_path / "longer")
    assert not (tmp_path / "longer").exists()


def test_more_steps_never_begin_again_from_the_first(flat: RunDirectory, tmp_path: Path) -> None:
    longer = run_with_more_steps(flat, LONGER, tmp_path / "longer")
    shutil.rmtree(longer.checkpoint(4))
    with pytest.raises(UserError, match=r"no checkpoint: .*longer has none, and began"):
        train(longer)


@pytest.mark.slow
def test_more_steps_are_not_on_equal_terms_with_a_run_of_so_many(
    corpus: Path, flat: RunDirectory, tmp_path: Path
) -> None:
    longer = run_with_more_steps(flat, LONGER, tmp_path / "longer")
    train(longer)
    whole = trained(corpus, tmp_path / "whole", "bert", *FLAT)
    found = warnings_for(read_runs([longer.root, whole.root]))
    assert [w for w in found if "where it begins differs: step 4 of" in w]


@pytest.mark.parametrize("schedule", one_in(4, ["linear", "cosine", "constant", "wsd"]))
@pytest.mark.slow
def test_learning_rate_at_a_step_is_that_with_which_the_run_trains_it(
    schedule: str, corpus: Path, tmp_path: Path
) -> None:
    run = trained(
        corpus, tmp_path / "run", "bert", f"training.lr_schedule={schedule}",
        "training.logging_steps=1", "training.lr_warmup_steps=2",
    )  # fmt: skip
    settings = TrainingSettings(**run.read_config()["training"])
    for line in records(run):  # of the steps 1, 2, ... that are done
        assert line["learning_rate"] == learning_rate_at(settings, line["step"] - 1)


def test_a_finished_run_says_how_it_gets_more_steps(falling: RunDirectory) -> None:
    with pytest.raises(UserError, match=r"tidemask resume .* training\.max_steps=N"):
        train(falling)


@pytest.mark.slow
def test_more_steps_on_other_processes_keep_the_global_batch(corpus: Path, tmp_path: Path) -> None:
    batch = ("training.micro_batch_size=4", "training.gradient_accumulation_steps=2")
    run = trained(corpus, tmp_path / "run", "bert", *FLAT, *batch, "training.max_steps=4")
    whole = trained(corpus, tmp_path / "whole", "bert", *FLAT, *batch)
    again = run_command(["resume", str(run.root), LONGER], processes=2)
    assert again.returncode == 0, again.stderr
    longer = RunDirectory(tmp_path / "run-8-steps")
    assert longer.read_environment()["processes"] == 1  # of the batch, which `compare` reads so
    lines = records(longer)
    for name in ("step", "progress", "tokens_seen", "predicted_tokens"):
        assert lines[-1][name] == records(whole)[-1][name], name
    one = trained(corpus, tmp_path / "one", "bert", *FLAT, "training.max_steps=4")
    refused = run_command(["resume", str(one.root), LONGER], processes=2)
    assert "global batch does not divide: 8 sequences a step on 2 processes" in refused.stderr


@pytest.mark.slow
def test_more_steps_fill_the_present_directory(
    flat: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    longer = run_with_more_steps(flat, LONGER, Path())
    assert tmp_path.samefile(".")
    train(longer)
    assert RunDirectory(tmp_path).model.is_dir()


@pytest.mark.parametrize(("inside", "name"), [("run", "."), ("run/model", ".."), (".", "run/.")])
def test_more_steps_of_a_run_named_from_within_lie_beside_it(
    flat: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str, name: str
) -> None:
    shutil.copytree(flat.root, tmp_path / "run")
    monkeypatch.chdir(tmp_path / inside)
    longer = run_with_more_steps(RunDirectory(Path(name)), LONGER)
    assert longer.root.resolve() == tmp_path / "run-8-steps"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run-8-steps"}


def test_more_steps_that_are_finished_are_named_when_asked_for_again(
    flat: RunDirectory, tmp_path: Path
) -> None:
    made = run_with_more_steps(flat, LONGER, tmp_path / "made")
    assert run_with_more_steps(flat, LONGER, made.root).root == made.root
    again = rf"run exists: {made.root} goes on from {flat.root} to step 8, and "
    shutil.copytree(flat.model, made.model)
    with pytest.raises(UserError, match=rf"{again}is finished"):
        run_with_more_steps(flat, LONGER, made.root)
    with pytest.raises(UserError, match="output directory is not empty"):
        run_with_more_steps(flat, "training.max_steps=9", made.root)


def test_more_steps_without_a_length_or_a_corpus_say_so(flat: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"begins from {flat.root}\. Expected a length"):
        run_with_more_steps(flat, (), tmp_path / "out")
    shutil.copytree(flat.root, tmp_path / "moved")
    config = tmp_path / "moved" / "run.yaml"
    text = config.read_text()
    corpus = flat.read_config()["corpus"]["path"]
    config.write_text(text.replace(corpus, str(tmp_path / "gone")))
    with pytest.raises(
        UserError, match=r"no such corpus: corpus\.path=.*gone, which the run\.yaml"
    ):
        run_with_more_steps(RunDirectory(tmp_path / "moved"), LONGER, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_more_steps_need_a_final_model_that_is_whole(
    corpus: Path, flat: RunDirectory, tmp_path: Path
) -> None:
    """Nobody takes a part of a model for a finished run; `pretrain --resume auto` neither."""
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(flat.root, run.root)
    recipe = load_recipe("bert", list(run.read_config()["overrides"]))
    assert run.is_finished
    assert new_or_same_run(recipe, corpus, run.root)
    cases = {
        name: run.model / name for name in ("config.json", "model.safetensors", "tokenizer.json")
    }
    for name, path in cases.items():
        whole = path.read_bytes()
        for damaged in (None, b"", whole[:-1] if name == "model.safetensors" else b""):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            for use in (
                lambda: run.is_finished,
                lambda: new_or_same_run(recipe, corpus, run.root),
                lambda: run_with_more_steps(run, LONGER, tmp_path / "out"),
                lambda: train(run),
                lambda: package.evaluate(run.root, progress=False),
            ):
                with pytest.raises(UserError, match=rf"final model not whole: .*{name}.*Restore"):
                    use()
            path.write_bytes(whole)
    shutil.rmtree(run.model)
    run.model.mkdir()
    with pytest.raises(UserError, match="not whole"):
        new_or_same_run(recipe, corpus, run.root)
    run.model.rmdir()
    assert not run.is_finished
