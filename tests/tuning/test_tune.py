"""`tidemask tune` with real runs: from a budget to a recipe that trains; and what it refuses."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tidemask as package
from child_processes import HUNG_SECONDS, ended, wait_until
from places import SUPPORT
from small_runs import TINY, warm_command
from tidemask.errors import UserError
from tidemask.run_record import MEAN_LOSS
from tidemask.runs.config import load_recipe
from tidemask.studies.study import study_status
from tidemask.tuning.time_plan import RunCosts
from tidemask.tuning.tune import plan_tune, tune

Command = Callable[..., tuple[int, str, str]]

SMALL = [one for one in TINY if "max_steps" not in one]
BUDGET = "1"


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_and_its_recipe_trains(
    tidemask: Command, plain_corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["tune", str(plain_corpus), "--budget", BUDGET, "--out", str(out), "--seeds", "2",
                 *SMALL]  # fmt: skip
    command = warm_command(SUPPORT / "tune_command.py", *arguments)
    for moment, number in (
        (lambda: any(out.glob("rung-1/runs/*/seed-0/run.yaml")), signal.SIGKILL),
        (lambda: any(out.glob("final/runs/*/seed-1/run.yaml")), signal.SIGTERM),
    ):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        with ended(process):
            wait_until(moment, process)
            process.send_signal(number)
            assert process.wait(HUNG_SECONDS) == (0 if number is signal.SIGTERM else -number)
    before = {path: path.stat().st_mtime_ns for path in out.glob("rung-*/runs/*/*/metrics.jsonl")}
    last = subprocess.run(command, capture_output=True, text=True, timeout=HUNG_SECONDS, check=True)
    assert "weighting by their loss is not searched" in last.stderr
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    spent = json.loads((out / "time.json").read_text())["spent_seconds"]
    assert spent <= 3600 * float(BUDGET)

    final = study_status(out / "final")
    assert final.is_finished
    assert final.definition.seeds == (1, 2)
    assert final.definition.primary == MEAN_LOSS
    assert final.definition.baseline.startswith("constant-")
    recipe = load_recipe(out / "policy.yaml")
    assert recipe.name in final.definition.arms
    assert recipe.training.micro_batch_size == 8
    is_constant = recipe.name == final.definition.baseline
    assert ("The best constant was not beaten" in last.stdout) == is_constant
    assert all(sentence in last.stdout for sentence in final.verdicts)
    assert f"Page: {out / 'final/report/index.html'}" in last.stdout
    run = package.pretrain(
        plain_corpus, out=tmp_path / "run", recipe=out / "policy.yaml",
        overrides=["training.max_steps=4"], progress=False,
    )  # fmt: skip
    assert math.isfinite(run.metrics[MEAN_LOSS])

    journal, policy = (out / "search.journal"), (out / "policy.yaml").read_bytes()
    record = journal.read_bytes()
    journal.write_text("lost\n")
    status, _, errors = tidemask(*arguments)
    assert (status, errors.count("\n")) == (2, 1), errors
    assert "damaged record of a search" in errors
    journal.unlink()
    status, _, errors = tidemask(*arguments)
    assert (status, errors.count("\n")) == (2, 1), errors
    assert "record of the search is lost" in errors
    assert (out / "policy.yaml").read_bytes() == policy
    journal.write_bytes(record)
    again = subprocess.run(
        command, capture_output=True, text=True, timeout=HUNG_SECONDS, check=True
    )
    assert again.stdout == last.stdout
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    status, shown, errors = tidemask(*arguments, "--budget", "2")
    assert (status, shown) == (0, last.stdout)
    assert "The lengths of runs are those of a budget of 1 h" in errors
    for more, expected in (
        (
            ["masking.corruption.keep=0.0", "masking.corruption.mask=0.9"],
            "another search: settings",
        ),
        (["--storage", "sqlite:///x.db"], "another search: storage"),
        (["--recipe", "mrd-cosine"], "another search: recipe"),
    ):
        status, _, errors = tidemask(*arguments, *more)
        assert (status, errors.count("\n")) == (2, 1), errors
        assert expected in errors


@pytest.mark.slow
def test_bad_input_is_one_line_and_nothing_is_written(
    tidemask: Command, corpus: Path, tmp_path: Path
) -> None:
    full, out = tmp_path / "full", tmp_path / "out"
    full.mkdir()
    (full / "notes.txt").touch()
    cases = [
        (["--budget", "0"], "budget=0. Expected hours above 0"),
        (["--budget", "nan"], "budget=nan. Expected hours above 0"),
        (["--budget", "-1"], "budget=-1. Expected hours above 0"),
        (["--budget", "inf"], "budget=inf. Expected hours above 0"),
        (["--budget", "a day"], "--budget=a day"),
        (["--seeds", "0"], "seeds=0"),
        (["--jobs", "0"], "jobs=0"),
        (["--storage", "database"], "no URL of a database: storage='database'"),
        (["--recipe", "bart"], "no such recipe: bart"),
        (["--out", full], "not a search"),
        (["masking.unit=word"], "setting that is searched: masking.unit"),
        (["masking.ratio.schedule=linear"], "setting that is searched: masking.ratio.schedule"),
        (["masking={unit: token}"], "setting that is searched: masking."),
        (["model.size=bert-teeny"], "bert-teeny"),
        (["training.seed=3"], "seed in the settings: training.seed"),
        (["training={seed: 3}"], "seed in the settings: training.seed"),
    ]
    for arguments, expected in cases:
        status, _, errors = tidemask("tune", corpus, "--budget", "1", "--out", out, *arguments)
        assert status == 2, arguments
        assert expected in errors, (arguments, errors)
        assert errors.count("\n") == 1, errors
    status, _, errors = tidemask("tune", tmp_path / "nowhere", "--budget", "1")
    assert (status, errors.count("\n")) == (2, 1), errors
    for wrong in ({"budget": "1"}, {"budget": True}, {"out": 3}, {"corpus": 3}, {"seeds": "two"},
                  {"storage": 3}, {"overrides": 3}):  # fmt: skip
        given = {"corpus": corpus, "out": out, "budget": 1.0, **wrong}
        with pytest.raises(UserError, match="Expected"):
            tune(given.pop("corpus"), **given)  # type: ignore[arg-type]
    assert not out.exists()
    assert [path.name for path in full.iterdir()] == ["notes.txt"]


def test_a_search_that_was_refused_before_it_began_leaves_room_for_the_next(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the message says to do is not refused as another search then."""
    costs = RunCosts(step_seconds=0.1, other_seconds=10.0, final_seconds=10.0)
    monkeypatch.setattr("tidemask.tuning.tune.measured_costs", lambda *_, **__: costs)
    out, nowhere = tmp_path / "out", f"sqlite:///{tmp_path}/no/such/record.db"
    for more, said in (
        ({"storage": nowhere}, "storage does not answer"),
        ({"overrides": {"training.max_steps": 100}}, r"max_steps=100\. Expected at least 150"),
        ({"overrides": {"training.max_steps": 120}}, r"max_steps=120\. Expected at least 150"),
        ({"recipe": "roberta"}, "budget too small: "),
    ):
        with pytest.raises(UserError, match=said):
            tune(corpus, out=out, budget=0.01, progress=False, **more)  # type: ignore[arg-type]
    assert not (out / "tune.yaml").exists()


def test_an_engine_that_is_none_is_one_line_and_nothing_is_written(
    corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"no such engine: engine='slurm'\. Expected local, ray"):
        tune(corpus, out=tmp_path / "out", budget=1.0, engine="slurm")
    assert not (tmp_path / "out").exists()


def test_a_search_without_optuna_is_one_line_and_nothing_is_written(
    tidemask: Command, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    out = tmp_path / "out"
    status, _, errors = tidemask("tune", corpus, "--budget", "1", "--out", out)
    assert (status, errors.count("\n")) == (2, 1), errors
    assert "pip install 'tidemask[tune]'" in errors
    assert not out.exists()
    assert "pip install 'tidemask[tune]'" in tidemask("tune", "--help")[1]


def test_a_dry_run_shows_how_the_time_is_divided(
    tidemask: Command, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = RunCosts(step_seconds=0.1, other_seconds=10.0, final_seconds=10.0)
    monkeypatch.setattr("tidemask.tuning.tune.measured_costs", lambda *_, **__: costs)
    monkeypatch.chdir(tmp_path)
    status, shown, errors = tidemask("tune", corpus, "--budget", "1", "--dry-run")
    assert (status, errors) == (0, "")
    row = next(line for line in shown.splitlines() if "rung 1" in line)
    assert row.split() == ["rung", "1", "48", "62", "0:00:16", "0:12:58"]
    assert "A step takes 100 ms here" in shown
    status, _, errors = tidemask("tune", corpus, "--budget", "1", "--dry-run", "--engine", "ray")
    assert (status, errors.count("\n")) == (2, 1), errors
    assert "--dry-run with --engine ray" in errors
    assert list(tmp_path.iterdir()) == []
    plan, notes = plan_tune(corpus, budget=1.0, overrides={"training.max_steps": 500})
    assert (plan.final_steps, notes) == (500, ())
