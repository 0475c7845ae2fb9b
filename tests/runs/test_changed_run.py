"""The metrics, the directory and the lock of a run that others touch while it goes on, or after."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cases import one_in
from small_runs import records, same_weights, started, stopped_at, trained
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.train import train
from tidemask.training.run_lock import run_lock
from touched_runs import SIX_STEPS, assert_same_runs, at_step, saved_steps


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Six steps with a line for each, a checkpoint after every second."""
    return trained(corpus, tmp_path_factory.mktemp("runs") / "unbroken", "ptw-mrd", *SIX_STEPS)


# --- the lines of metrics


@pytest.mark.parametrize("how", one_in(5, ["deleted", "cut", "emptied", "replaced", "appended to"]))
@pytest.mark.slow
def test_changed_metrics_are_written_again(
    how: str, corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SIX_STEPS)

    def touch() -> None:
        match how:
            case "deleted":
                run.metrics.unlink()
            case "cut":
                os.truncate(run.metrics, 50)
            case "emptied":
                os.truncate(run.metrics, 0)
            case "replaced":
                run.metrics.unlink()
                run.metrics.write_text('{"step": 1, "loss": 0.0}\n')
            case "appended to":
                run.metrics.write_text(run.metrics.read_text() + '{"step": 99}\n')

    notes: list[str] = []
    train(run, at_step(3, touch, notes))
    assert_same_runs(run, unbroken)
    (note,) = notes
    what = "deleted" if how == "deleted" else "changed"
    assert f"{run.metrics} was {what} while the run went on; the 3 lines" in note
    aside = run.root / ".changed-metrics.jsonl"
    assert aside.exists() == (how in ("replaced", "appended to"))
    assert str(aside) in note or not aside.exists()


@pytest.mark.slow
def test_changed_metrics_before_the_card_are_written_again(
    corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SIX_STEPS)

    def on_progress(stage: str, done: int, total: int | None) -> None:
        if stage == "held-out loss" and run.checkpoint(6).exists():
            run.metrics.unlink(missing_ok=True)

    train(run, RunCallbacks(on_progress=on_progress))
    assert_same_runs(run, unbroken)
    assert "6 optimizer steps" in (run.model / "README.md").read_text()


@pytest.mark.slow
def test_changed_times_of_metrics_alone_are_nothing(corpus: Path, tmp_path: Path) -> None:
    run, notes = started(corpus, tmp_path / "run", "bert", *SIX_STEPS), list[str]()
    train(run, at_step(3, lambda: os.utime(run.metrics, ns=(0, 0)), notes))
    assert notes == []
    assert [json.loads(line)["step"] for line in run.metrics.read_text().splitlines()] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]


# --- the directory and its lock


@pytest.mark.slow
def test_changed_place_of_the_run_ends_it(
    corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SIX_STEPS)

    def move() -> None:
        run.root.rename(tmp_path / "elsewhere")
        run.root.mkdir()

    with pytest.raises(UserError, match="run directory was moved or deleted while it was trained"):
        train(run, at_step(3, move))
    assert list(run.root.iterdir()) == []
    run.root.rmdir()
    (tmp_path / "elsewhere").rename(run.root)
    assert saved_steps(run) == [2]
    train(run)
    assert_same_runs(run, unbroken)


@pytest.mark.slow
def test_changed_lock_is_taken_again(corpus: Path, unbroken: RunDirectory, tmp_path: Path) -> None:
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SIX_STEPS)
    refused: list[int] = []

    def on_progress(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("training", 3):
            (run.root / ".lock").unlink()
        if (stage, done) == ("training", 5):
            with pytest.raises(UserError, match="run is being trained"), run_lock(run):
                pass
            refused.append(done)

    train(run, RunCallbacks(on_progress=on_progress))
    assert refused == [5]
    assert_same_runs(run, unbroken)


def test_changed_lock_that_another_process_has_ends_the_run(
    corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """The other cuts the metrics when it begins; this one must not write them again."""
    run = stopped_at(unbroken, 2, tmp_path / "run")

    def take_over() -> None:
        (run.root / ".lock").unlink()
        other = run_lock(run)
        other.__enter__()
        run.metrics.write_text("")
        others.append(other)

    others: list[object] = []
    with pytest.raises(UserError, match=r"run was taken over: .* another process trains"):
        train(run, at_step(3, take_over))
    assert others
    assert run.metrics.read_text() == ""
    assert saved_steps(run) == [2]


# --- between two parts of a run


@pytest.mark.parametrize("how", one_in(2, ["deleted", "shortened"]))
@pytest.mark.slow
def test_changed_metrics_between_two_parts_are_said(
    how: str, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """Nobody has the lines any more; the run goes on, and its card copes with what is there."""
    run, notes = stopped_at(unbroken, 4, tmp_path / "run"), list[str]()
    lines = run.metrics.read_text().splitlines(keepends=True)
    if how == "deleted":
        run.metrics.unlink()
    else:
        run.metrics.write_text("".join(lines[:1]))
    train(run, RunCallbacks(on_note=notes.append))
    found = 0 if how == "deleted" else 1
    assert notes[0] == (
        f"{run.metrics} has {found} of the 4 lines that checkpoint-4 was saved with; the others "
        "cannot be written again."
    )
    assert [line["step"] for line in records(run)] == [*[1, 2, 3, 4][:found], 5, 6]
    assert same_weights(run, unbroken)


@pytest.mark.slow
def test_changed_metrics_with_another_number_between_two_parts_are_said(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    run, notes = stopped_at(unbroken, 4, tmp_path / "run"), list[str]()
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    lines[1]["loss"] += 1.0
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    train(run, RunCallbacks(on_note=notes.append))
    assert notes == [
        f"{run.metrics} was changed since checkpoint-4 was saved; its lines are taken as they are.",
        "Continuing after step 4.",
    ]
    assert same_weights(run, unbroken)


@pytest.mark.slow
def test_changed_metrics_are_not_said_of_those_that_are_as_they_were(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    run, notes = stopped_at(unbroken, 4, tmp_path / "run"), list[str]()
    train(run, RunCallbacks(on_note=notes.append))
    assert notes == ["Continuing after step 4."]


@pytest.mark.slow
def test_changed_metrics_of_a_run_at_its_last_step_leave_a_card(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    run = stopped_at(unbroken, 6, tmp_path / "run")
    run.metrics.unlink()
    train(run)
    assert "6 optimizer steps" in (run.model / "README.md").read_text()
