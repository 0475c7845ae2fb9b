"""`tidemask evaluate` from runs and models to files and tables; stopped, continued."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from child_processes import HUNG_SECONDS, ended, wait_until
from prose import sentence
from small_runs import command, trained
from tidemask.errors import UserError
from tidemask.evaluation.evaluate import evaluate
from tidemask.evaluation.jobs import Job, JobResult, data_problem
from tidemask.evaluation.planning import output_directories
from tidemask.progress.display import ProgressDisplay
from tidemask.run_record import RunDirectory
from tidemask.tasks.table import TASKS, TaskDataLocations, TaskSettings

Command = Callable[..., tuple[int, str, str]]

QUICK = (
    "fine_tuning.epochs=1", "fine_tuning.num_seeds=2", "fine_tuning.learning_rates=[1e-3, 3e-3]",
    "fine_tuning.max_length=24", "minimal_pairs.limit=4", "squad.max_length=32",
    "pseudo_perplexity.sequences=4",
)  # fmt: skip


class RecordingDisplay(ProgressDisplay):
    """Keeps what it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.last: tuple[str, int, int | None] | None = None
        self.notes_before_results: list[str] = []

    def on_progress(self, stage: str, done: int, total: int | None) -> None:
        self.calls += 1
        self.last = stage, done, total

    def on_note(self, sentence: str) -> None:
        self.calls += 1
        if self.last is None or self.last[1] == 0:
            self.notes_before_results.append(sentence)


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Eight steps, a checkpoint after the fifth."""
    return trained(corpus, tmp_path_factory.mktemp("runs") / "bert", "bert")


@pytest.fixture
def fresh(run: RunDirectory, tmp_path: Path) -> RunDirectory:
    """The same without results."""
    shutil.copytree(run.root, tmp_path / "bert", ignore=shutil.ignore_patterns("evaluation"))
    return RunDirectory(tmp_path / "bert")


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with data for one task of each kind, in our own words."""
    rng, root = random.Random(0), tmp_path_factory.mktemp("tasks")
    for split, number in (("train", 24), ("dev", 12)):
        rows = [{"sentence": sentence(rng), "label": n % 2, "idx": n} for n in range(number)]
        _lines(root / "cola" / f"{split}.jsonl", rows)
        _lines(root / "stsb" / f"{split}.jsonl", [
            {"sentence1": sentence(rng), "sentence2": sentence(rng), "label": n / 3.0}
            for n in range(number)
        ])  # fmt: skip
        context = [f"Marta paints the {noun} near a bridge." for noun in ("kettle", "lantern")]
        _lines(root / "squad" / f"{split}.jsonl", [
            {"id": f"{split}-{n}", "title": "", "context": context[n % 2],
             "question": "Who paints?", "answers": {"text": ["Marta"], "answer_start": [0]}}
            for n in range(number)
        ])  # fmt: skip
        tagged = "Marta B-PER\npaints O\nthe O\nriver O\n\n" * number
        (root / "conll2003").mkdir(exist_ok=True)
        (root / "conll2003" / f"{split}.conll").write_text(tagged)
    pairs = [
        {"sentence_good": f"the river {verb}", "sentence_bad": f"river the {verb}", "UID": uid,
         "linguistics_term": "order", "field": "syntax", "pairID": str(n)}
        for n, verb in enumerate("finds breaks lifts leaves paints".split())
        for uid in ("one", "two")
    ]  # fmt: skip
    _lines(root / "blimp" / "blimp.jsonl", pairs)
    return root


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


@pytest.mark.slow
def test_evaluating_in_parallel_gives_what_one_after_the_other_gives(
    fresh: RunDirectory, run: RunDirectory, tasks: Path, tmp_path: Path
) -> None:
    targets = [fresh.root, run.model]
    options: dict[str, Any] = {
        "tasks": ["cola", "blimp", "qqp"],
        "overrides": QUICK,
        "tasks_from": tasks,
        "with_random": False,
        "out": tmp_path / "out",
    }
    display = RecordingDisplay()
    together = evaluate(targets, **options, jobs=2, progress=display)
    assert display.last == ("evaluation", 10, 10)
    apart = evaluate(targets, **options, jobs=1, progress=False)
    assert [result.problem for result in together] == [result.problem for result in apart]
    assert sum(bool(result.problem) for result in together) == 2
    for one, other in zip(together, apart, strict=True):
        assert (one.target, one.task, one.checkpoint) == (
            other.target,
            other.task,
            other.checkpoint,
        )
        assert [result.metrics for result in one.results] == [r.metrics for r in other.results]
        assert all(result.is_reused for result in other.results)


@pytest.mark.slow
def test_evaluating_in_parallel_from_a_script_without_a_guard_says_what_to_do(
    fresh: RunDirectory, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import tidemask\n"
        f"tidemask.evaluate({str(fresh.root)!r}, checkpoints='all', overrides={list(QUICK)!r},\n"
        f"                  tasks=['held-out', 'pseudo-perplexity'], jobs=2)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True
    )
    last = process.stderr.splitlines()[-1]
    assert process.returncode == 1
    assert "UserError: the processes that measure died before they began" in last
    assert 'below `if __name__ == "__main__":`, or with jobs=1' in last


def test_evaluating_takes_one_process_unless_more_are_asked_for(
    fresh: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    asked: list[int] = []

    def parallel(jobs: Sequence[Job], num_processes: int, _: object) -> list[JobResult]:
        asked.append(num_processes)
        return [job.result([]) for job in jobs]

    monkeypatch.setattr("tidemask.evaluation.evaluate.run_jobs_in_parallel", parallel)
    options: dict[str, Any] = {"tasks": ["held-out", "pseudo-perplexity"], "overrides": QUICK}
    evaluate(fresh.root, **options, with_random=False)
    assert asked == []
    evaluate(fresh.root, **options, jobs=0)
    assert asked == [3]


@pytest.mark.slow
def test_evaluating_in_parallel_leaves_no_process_behind(fresh: RunDirectory, tasks: Path) -> None:
    arguments = [*QUICK, "fine_tuning.epochs=10", "--no-random", "--tasks", "cola,stsb"]
    started = subprocess.Popen(
        command(["evaluate", str(fresh.root), *arguments, "--tasks-from", str(tasks), "--jobs=2"]),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(started):
        workers = _workers(started, fresh)
        started.send_signal(signal.SIGTERM)
        _, err = started.communicate(timeout=HUNG_SECONDS)
    assert started.returncode == 143
    assert err.splitlines()[-1].startswith("tidemask: ended by SIGTERM")
    for worker in workers:
        with suppress(ProcessLookupError):  # readable when it ends
            select.select([os.pidfd_open(worker)], [], [])


def _workers(process: subprocess.Popen[str], run: RunDirectory) -> list[int]:
    """Processes that measure, once they do."""
    wait_until(lambda: bool(list(run.evaluation.glob("trials/*.json"))), process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    commands = {int(c): Path(f"/proc/{c}/cmdline").read_text() for c in children}
    return [child for child, line in commands.items() if "spawn_main" in line]


def _has_results(run: RunDirectory, number: int) -> bool:
    return len(list(run.evaluation.glob("cola--*.json"))) >= number


@pytest.mark.slow
def test_evaluating_goes_on_after_a_kill_and_after_ctrl_c(
    tidemask: Command, fresh: RunDirectory, run: RunDirectory, tasks: Path, tmp_path: Path
) -> None:
    shutil.copytree(run.root, tmp_path / "whole", ignore=shutil.ignore_patterns("evaluation"))
    whole = RunDirectory(tmp_path / "whole")
    arguments = [*QUICK, "fine_tuning.epochs=3", "fine_tuning.num_seeds=6", "--no-random"]
    arguments += ["--tasks", "cola", "--tasks-from", str(tasks)]
    assert tidemask("evaluate", whole.root, *arguments)[0] == 0
    for stop, files in ((signal.SIGKILL, 1), (signal.SIGINT, 3)):
        process = subprocess.Popen(
            command(["evaluate", str(fresh.root), *arguments], warm=True),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with ended(process):
            enough = partial(_has_results, fresh, files)
            wait_until(enough, process)
            process.send_signal(stop)
            _, err = process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("tidemask: interrupted. Results so far are saved; give")
    assert "Traceback" not in err
    done = {path: path.read_bytes() for path in fresh.evaluation.glob("cola--*.json")}
    assert 3 <= len(done) < 6
    assert tidemask("evaluate", fresh.root, *arguments)[0] == 0
    assert {path: path.read_bytes() for path in done} == done
    for path in whole.evaluation.glob("*.json"):
        one, other = (json.loads(p.read_text()) for p in (path, fresh.evaluation / path.name))
        assert one["metrics"] == other["metrics"], path.name
        assert one["learning_rate"] == other["learning_rate"]
    assert {p.name for p in whole.evaluation.glob("*.json")} == {
        p.name for p in fresh.evaluation.glob("*.json")
    }


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
