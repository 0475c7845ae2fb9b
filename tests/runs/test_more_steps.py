"""More steps after a run's end: a new run from its last checkpoint, on a longer plan."""

from __future__ import annotations

import filecmp
import math
import multiprocessing
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import tidemask as package
from finished_runs import FLAT, LONGER
from small_runs import records, run_command, same_weights, stopped_at, trained
from synthetic_runs import read_runs
from tidemask.errors import UserError
from tidemask.report.comparability.run_warnings import warnings_for
from tidemask.run_record import RunDirectory, read_metrics
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.more_steps import run_with_more_steps
from tidemask.runs.train import train


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


@pytest.mark.slow
def test_more_steps_are_not_on_equal_terms_with_a_run_of_so_many(
    corpus: Path, flat: RunDirectory, tmp_path: Path
) -> None:
    longer = run_with_more_steps(flat, LONGER, tmp_path / "longer")
    train(longer)
    whole = trained(corpus, tmp_path / "whole", "bert", *FLAT)
    found = warnings_for(read_runs([longer.root, whole.root]))
    assert [w for w in found if "where it begins differs: step 4 of a run before it" in w]


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
