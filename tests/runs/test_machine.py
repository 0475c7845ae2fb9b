"""A run that goes on elsewhere: real runs, whose record is changed to stand for another machine."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from small_runs import records, same_weights, started, stopped_at, trained
from tidemask.modeling.precision import has_bf16, usual_device
from tidemask.processes import available_cores
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.more_steps import run_with_more_steps
from tidemask.runs.train import train


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(
        corpus, tmp_path_factory.mktemp("runs") / "unbroken", "bert", "training.keep_checkpoints=0"
    )


def recorded_as(run: RunDirectory, **values: Any) -> RunDirectory:
    """The run with other values in its environment; those that are `None` are taken away."""
    environment = {**run.read_environment(), **values}
    kept = {name: value for name, value in environment.items() if value is not None}
    run.environment.write_text(json.dumps(kept))
    return run


def notes_of(run: RunDirectory) -> list[str]:
    notes: list[str] = []
    train(run, RunCallbacks(on_note=notes.append))
    return notes


def other(run: RunDirectory) -> dict[str, Any]:
    """What another machine would have recorded."""
    versions = {**run.read_environment()["versions"], "torch": "2.10.0", "pyarrow": "1"}
    return {"versions": versions, "processor": "Another CPU"}


def test_a_run_records_what_the_system_says(unbroken: RunDirectory) -> None:
    environment = unbroken.read_environment()
    assert environment["threads"] == torch.get_num_threads()
    assert environment["cores"] == available_cores()
    assert environment["versions"]["torch"] == version("torch")
    assert environment["versions"]["python"] == platform.python_version()
    assert "continued" not in environment
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and "model name" in cpuinfo.read_text():
        assert f": {environment['processor']}\n" in cpuinfo.read_text()
    card = (unbroken.model / "README.md").read_text(encoding="utf-8")
    assert f"- {environment['device']}, {environment['processor']}, one process.\n" in card


@pytest.mark.slow
def test_a_run_that_goes_on_elsewhere_says_so_once_and_keeps_it(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    run = stopped_at(unbroken, 5, tmp_path / "run")
    here = run.read_environment()
    recorded_as(run, **other(run))
    notes = notes_of(run)
    (note,) = (note for note in notes if "unbroken run" in note)
    assert note == (
        f"The run goes on with torch {version('torch')} in place of 2.10.0 and the processor "
        f"{here['processor']} in place of Another CPU: its numbers may differ from those of an "
        "unbroken run in the last bits."
    )
    assert any("in float32, in which it began" in one for one in notes) is has_bf16(usual_device())
    environment = run.read_environment()
    (part,) = environment["continued"]
    assert environment["processor"] == "Another CPU"
    assert part == {"step": 5, **{name: here[name] for name in part if name != "step"}}
    assert {"versions", "device", "processor", "cores", "threads"} < part.keys()
    assert same_weights(run, unbroken), "nothing but the record was of another machine"
    assert records(run) == records(unbroken)
    card = (run.model / "README.md").read_text(encoding="utf-8")
    assert f"- After step 5: torch {version('torch')} in place of 2.10.0 and the proc" in card
    again = stopped_at(run, 5, tmp_path / "again")
    recorded_as(again, continued=[{**part, "step": 3}])
    assert not any("unbroken run" in note for note in notes_of(again))
    assert [one["step"] for one in again.read_environment()["continued"]] == [3]


@pytest.mark.slow
def test_another_device_is_more_than_the_last_bits(unbroken: RunDirectory, tmp_path: Path) -> None:
    run = recorded_as(stopped_at(unbroken, 5, tmp_path / "run"), device="Another GPU")
    (note,) = (note for note in notes_of(run) if "unbroken run" in note)
    assert note.endswith(
        "in place of Another GPU: its numbers may differ from those of an unbroken run."
    )


@pytest.mark.slow
def test_a_record_of_an_earlier_version_is_completed_without_a_note(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    run = stopped_at(unbroken, 5, tmp_path / "run")
    here = run.read_environment()
    recorded_as(run, processor=None, cores=None)
    assert not any("unbroken run" in note for note in notes_of(run))
    environment = run.read_environment()
    assert "processor" not in environment
    assert [one["processor"] for one in environment["continued"]] == [here["processor"]]


@pytest.mark.slow
def test_a_run_begins_where_its_first_step_is_done(corpus: Path, tmp_path: Path) -> None:
    """Its directory may have been made on another machine."""
    run = started(corpus, tmp_path / "run", "bert", "training.max_steps=1")
    here = run.read_environment()
    recorded_as(run, **other(run), processes=1)
    assert not any("unbroken run" in note for note in notes_of(run))
    assert run.read_environment() == {**here, "engine": "one process"}


@pytest.mark.slow
def test_more_steps_of_a_run_from_elsewhere_are_another_part(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    run = stopped_at(unbroken, 8, tmp_path / "run")
    train(run)
    recorded_as(run, **other(run))
    longer = run_with_more_steps(run, ["training.max_steps=9"])
    (note,) = (note for note in notes_of(longer) if "unbroken run" in note)
    assert f"torch {version('torch')} in place of 2.10.0" in note
    environment = longer.read_environment()
    assert environment["processor"] == "Another CPU"
    assert [one["step"] for one in environment["continued"]] == [8]
