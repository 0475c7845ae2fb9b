"""A run of a study of which a file is gone or damaged: it is said, and not trained over again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from finished_runs import recorded_config
from tidemask.run_record import RunDirectory
from tidemask.runs.config import load_recipe, to_yaml
from tidemask.studies.directory import RunState, State, StudyDirectory
from tidemask.studies.planning import PlannedRun

STEPS = 4
RECIPE = load_recipe("bert", [f"training.max_steps={STEPS}"])
PLANNED = PlannedRun(
    corpus_name="", arm="bert", seed=1, corpus=Path("corpus"), recipe=RECIPE,
    place=Path("runs/bert/seed-1"),
)  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> StudyDirectory:
    """A study with one run, which is finished."""
    directory = StudyDirectory(tmp_path)
    run = directory.run(PLANNED)
    run.model.mkdir(parents=True)
    run.checkpoint(STEPS).mkdir()
    config = recorded_config(RECIPE)
    run.config.write_text(to_yaml(config))
    run.metrics.write_text("".join(f"{json.dumps({'step': s})}\n" for s in range(1, STEPS + 1)))
    attempts = directory.attempts(PLANNED)
    attempts.parent.mkdir(parents=True)
    lines = ({"event": "begin", "at": 1.0, "is_new": True},
             {"event": "end", "at": 2.0, "outcome": "finished"})  # fmt: skip
    attempts.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return directory


def state(study: StudyDirectory) -> RunState:
    return study.state_of(PLANNED, ())


def without_the_end(run: RunDirectory) -> None:
    run.metrics.write_text('{"step": 1}\n{"step": 3}\n{"step": 4}')  # the last line is cut


def not_a_setting(run: RunDirectory) -> None:
    run.config.write_text("recipe: bert\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: run.metrics.unlink(), "metrics without the end of the run: {run}/metrics.js"),
        (without_the_end, "metrics without the end of the run: {run}/metrics.jsonl has no step af"),
        (lambda run: run.metrics.write_text(""), "{run}/metrics.jsonl has no step after 0 of 4"),
        (lambda run: run.config.unlink(), "run without settings: {run}/run.yaml is missing beside"),
        (not_a_setting, "wrong configuration in {run}/run.yaml: "),
    ],
)
def test_a_run_that_was_trained_and_damaged_since_is_no_failure_of_its_policy(
    damage: Callable[[RunDirectory], object], said: str, study: StudyDirectory
) -> None:
    assert state(study).state is State.FINISHED
    assert not state(study).is_damaged
    run = study.run(PLANNED)
    damage(run)
    found = state(study)
    assert (found.state, found.is_damaged, found.needs_repair) == (State.FAILED, True, True)
    assert said.format(run=run.root) in found.message
    assert found.message.endswith(f"Restore the file, or delete {run.root} to train the run again.")
    shutil.rmtree(run.root)
    assert state(study).state is State.WAITING


def test_a_run_whose_weights_were_left_behind_is_whole(study: StudyDirectory) -> None:
    run = study.run(PLANNED)
    run.model.rmdir()
    assert state(study).state is State.FINISHED
    without_the_end(run)  # it is to be trained again from a checkpoint
    assert (state(study).state, state(study).is_damaged) == (State.INTERRUPTED, False)


def test_a_run_that_was_killed_before_its_settings_were_written_is_begun_again(
    study: StudyDirectory,
) -> None:
    run = study.run(PLANNED)
    shutil.rmtree(run.root)
    run.root.mkdir()
    run.environment.write_text("{}")
    assert (state(study).state, state(study).is_damaged) == (State.WAITING, False)
