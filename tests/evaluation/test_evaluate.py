"""`tidemask evaluate` from runs and models to files and tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluated_tasks import QUICK, Command, RecordingDisplay
from tidemask.errors import UserError
from tidemask.evaluation.evaluate import evaluate
from tidemask.evaluation.jobs import data_problem
from tidemask.evaluation.planning import output_directories
from tidemask.run_record import RunDirectory
from tidemask.tasks.table import TASKS, TaskDataLocations, TaskSettings


@pytest.mark.slow
def test_evaluating_every_kind_of_task_at_every_checkpoint_by_one_command(
    tidemask: Command, fresh: RunDirectory, tasks: Path
) -> None:
    arguments = ["evaluate", fresh.root, *QUICK, "fine_tuning.learning_rates=[1e-3]"]
    arguments += ["--tasks", "all", "--tasks-from", tasks]
    status, out, err = tidemask(*arguments, "--checkpoints", "all")
    assert status == 0, err
    tables = [line for line in out.splitlines() if str(fresh.root) not in line]
    assert max(map(len, tables)) <= 80
    names = {path.stem for path in fresh.evaluation.iterdir()}
    checkpoints = ("checkpoint-5", "final", "random")
    expected = {f"held-out--{name}" for name in checkpoints[:2]}
    expected |= {f"{task}--{c}" for task in ("pseudo-perplexity", "blimp") for c in checkpoints}
    expected |= {
        f"{task}--{checkpoint}--seed-{seed}"
        for task in ("cola", "stsb", "squad", "conll2003")
        for checkpoint in checkpoints
        for seed in (0, 1)
    }
    assert names == expected
    for task in ("cola", "stsb", "squad", "conll2003", "blimp", "pseudo-perplexity"):
        assert task in out
    again = {path: path.stat().st_mtime_ns for path in fresh.evaluation.iterdir()}
    assert tidemask(*arguments, "--checkpoints", "all")[:2] == (0, out)
    assert {path: path.stat().st_mtime_ns for path in fresh.evaluation.iterdir()} == again


@pytest.mark.slow
def test_evaluating_a_task_that_fails_does_not_lose_the_others(
    tidemask: Command, fresh: RunDirectory, tasks: Path
) -> None:
    status, out, err = tidemask(
        "evaluate", fresh.root, *QUICK, "--no-random", "--tasks", "qqp,cola,rte", "--tasks-from",
        tasks, "fine_tuning.num_seeds=1",
    )  # fmt: skip
    assert status == 2
    problems = [line for line in err.splitlines() if line.startswith("tidemask: ")]
    assert [problem.split()[1] for problem in problems] == ["qqp", "rte"]
    assert all("no data for task" in problem for problem in problems)
    lines = err.splitlines()
    early = [line.split()[0] for line in lines if "will not be measured: no data" in line]
    assert early == ["qqp", "rte"]
    assert (fresh.evaluation / "cola--final--seed-0.json").is_file()
    assert "failed" in out


@pytest.mark.slow
def test_evaluating_a_task_of_ones_own_and_a_model_without_a_run(
    tidemask: Command, run: RunDirectory, tasks: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    content = {"name": "mine", "data": str(tasks / "cola"), "metrics": ["f1_macro", "accuracy"]}
    own.write_text(yaml.safe_dump(content))
    out = tmp_path / "results"
    status, _, err = tidemask(
        "evaluate", run.model, *QUICK, "--tasks", own, "--out", out, "--no-random"
    )
    assert status == 0, err
    result = json.loads((out / "evaluation" / "mine--model--seed-1.json").read_text())
    assert result["main_metric"] == "f1_macro"
    assert result["settings"]["fine_tuning"]["epochs"] == 1
    assert set(result["metrics"]) == {"f1_macro", "accuracy"}
    assert result["settings"]["data"]["fingerprint"]
    assert {"torch", "scikit-learn"} <= result["versions"].keys()
    own.write_text(yaml.safe_dump({**content, "metric": ["accuracy"]}))
    status, _, err = tidemask("evaluate", run.model, "--tasks", own)
    assert status == 2
    assert "metric" in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_evaluating_refuses_what_it_cannot_measure_before_it_begins(
    tidemask: Command, run: RunDirectory, tasks: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "a.yaml"
    for path in (mine, tmp_path / "b.yaml"):
        path.write_text(yaml.safe_dump({"name": "mine", "data": str(tasks / "cola")}))
    shutil.copytree(run.model, tmp_path / "model")
    for arguments, problem in (
        ([run.root, "--tasks", "glu"], "Did you mean glue?"),
        ([run.root, "--tasks", ""], "none was named"),
        ([run.root, "--checkpoints", "7"], "no such checkpoint: '7'"),
        ([run.root, run.root], "named twice"),
        ([run.root, f"{run.model}/.."], "named twice"),
        ([run.root, "fine_tuning.epoch=1"], "epoch"),
        ([run.root, "fine_tuning.epochs=0"], "epochs=0"),
        (["fine_tuning.epochs=1"], "no run and no model was named"),
        ([run.root, "--tasks-from", tmp_path / "no"], "--tasks-from"),
        ([run.root, "--task-data", "cola"], "Expected TASK=DIRECTORY"),
        ([run.root, "--task-data", "cloa=x"], "Did you mean cola?"),
        ([run.root, "--task-data", "glue=x"], "glue in task_data (--task-data glue=x) are cola"),
        ([run.root, "--task-data", "held-out=x"], "reads a prepared corpus"),
        (
            [run.root, "--task-data", "cola=x", "--task-data", "cola=y"],
            "two places for one task: cola is in x and y",
        ),
        (
            [run.root, "--task-data", "ner=x", "--task-data", "conll2003=y"],
            "two places for one task: conll2003 is in x and y",
        ),
        ([run.root, "--tasks", f"{mine},{mine.with_name('b.yaml')}"], "name of another task"),
        ([run.model, tmp_path / "model", "--out", tmp_path], "models of one name"),
        ([tmp_path / "no"], "no such directory"),
        ([run.model], "--data"),
    ):
        status, out, err = tidemask("evaluate", *arguments)
        assert (status, out) == (2, ""), arguments
        assert problem in err
        assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_evaluating_finds_data_under_every_name_of_a_task(
    tidemask: Command, fresh: RunDirectory, tasks: Path, tmp_path: Path
) -> None:
    shutil.copytree(tasks / "conll2003", tmp_path / "tasks" / "ner")
    for place in (
        ["--task-data", f"ner={tasks / 'conll2003'}"],
        ["--tasks-from", tmp_path / "tasks"],
    ):
        status, out, err = tidemask(
            "evaluate", fresh.root, *QUICK, "fine_tuning.learning_rates=[1e-3]",
            "fine_tuning.num_seeds=1", "--no-random", "--tasks", "ner", *place,
        )  # fmt: skip
        assert status == 0, err
        assert "conll2003" in out
    (result,) = (fresh.root / "evaluation").glob("conll2003--*.json")
    assert "f1/PER" in json.loads(result.read_text())["metrics"]


@pytest.mark.slow
def test_evaluating_reports_damaged_data_before_other_work_begins(
    fresh: RunDirectory, tasks: Path, tmp_path: Path
) -> None:
    damaged = shutil.copytree(tasks, tmp_path / "tasks")
    for task, ending in (
        ("stsb", '{"sentence1": "a", "sentence2": "b", "label": "high"}'),
        ("squad", '{"id": "z", "context": "a", "question": "b", "answers": []}'),
    ):
        with (damaged / task / "dev.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"{ending}\n")
    with (damaged / "conll2003" / "dev.conll").open("a") as file:
        file.write("alone\n")
    (damaged / "blimp" / "blimp.jsonl").unlink()
    display = RecordingDisplay()
    options: dict[str, Any] = {
        "tasks": ["cola", "stsb", "squad", "conll2003", "blimp"],
        "overrides": (*QUICK, "fine_tuning.num_seeds=1"),
        "tasks_from": damaged,
        "with_random": False,
        "progress": display,
    }
    results = evaluate(fresh.root, **options)
    early = display.notes_before_results
    names = ["stsb", "squad", "conll2003", "blimp"]
    assert [line.split(" will not be measured: ")[0] for line in early] == names
    places = ("dev.jsonl, line 13", "dev.jsonl, line 13", "dev.conll", "blimp")
    for line, place, result in zip(early, places, results[1:], strict=True):
        assert place in line
        assert line.endswith(result.problem)
    assert results[0].results
    assert not results[0].problem
    options["progress"] = fresh_display = RecordingDisplay()
    with pytest.raises(UserError, match="no such directory"):
        evaluate([fresh.root, tmp_path / "brt"], **options)
    assert fresh_display.calls == 0, "a wrong target is refused before any data is read"


def test_evaluating_logs_the_traceback_of_what_nobody_expected(
    tasks: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cola = TASKS["cola"]("cola", TaskSettings(), TaskDataLocations(root=tasks))
    assert data_problem(cola) == ""

    def broken() -> None:
        raise ZeroDivisionError("a defect of ours")

    monkeypatch.setattr(cola, "check", broken)
    assert data_problem(cola) == "ZeroDivisionError: a defect of ours"
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_evaluating_saves_results_of_a_model_within_out_whatever_its_path(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run.model, tmp_path / "first")
    (tmp_path / "first" / "inside").mkdir()
    shutil.copytree(run.model, tmp_path / "second")
    monkeypatch.chdir(tmp_path / "first" / "inside")
    outs = output_directories(["..", "../../second/."], tmp_path / "out")
    assert outs == {"..": tmp_path / "out/first", "../../second/.": tmp_path / "out/second"}


@pytest.mark.slow
def test_evaluating_a_run_on_another_corpus_says_that_nothing_is_saved(
    tidemask: Command, run: RunDirectory
) -> None:
    corpus = run.read_config()["corpus"]["path"]
    before = sorted(run.root.rglob("*"))
    status, _, err = tidemask("evaluate", run.root, "--data", corpus, "--no-random")
    assert status == 0
    assert f"measured on the text of {corpus} is shown and not saved" in err
    assert sorted(run.root.rglob("*")) == before
    status, _, err = tidemask("evaluate", run.model, "--data", corpus, "--no-random")
    assert status == 0
    assert f"Results of {run.model} are shown and not saved. Name a directory as `out`" in err


def test_evaluating_with_a_file_for_the_directory_of_tasks_says_what_it_is(
    run: RunDirectory, tmp_path: Path
) -> None:
    place = tmp_path / "cola.jsonl"
    place.write_text("{}")
    with pytest.raises(
        UserError, match=r"^not a directory: tasks_from=.*cola\.jsonl .* is a file\."
    ):
        evaluate(run.root, tasks="cola", tasks_from=place)
