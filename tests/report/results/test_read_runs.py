from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from synthetic_runs import MakeRun, read_runs
from tidemask.errors import UserError
from tidemask.report.results.read_runs import refuse_repeated


def test_reading_keeps_the_order_and_the_names_of_the_recipes(four_runs: list[Path]) -> None:
    runs = read_runs(four_runs)
    assert [run.label for run in runs] == ["bert", "constant-matched", "mrd-cosine", "ptw-mrd"]
    assert [run.index for run in runs] == [0, 1, 2, 3]


def test_reading_labels_the_same_recipe_by_directory(make_run: MakeRun) -> None:
    paths = [make_run("one"), make_run("two", recipe="ptw"), make_run("three")]
    assert [run.label for run in read_runs(paths)] == ["bert (one)", "ptw", "bert (three)"]


def test_reading_labels_the_same_directory_name_by_its_parent(make_run: MakeRun) -> None:
    paths = [make_run("x/run/"), make_run("y/run/")]
    assert [run.label for run in read_runs(paths)] == ["bert (x/run)", "bert (y/run)"]


def test_reading_shows_null_and_absent_metrics_as_nan(make_run: MakeRun) -> None:
    (run,) = read_runs([make_run("run")])
    assert np.isnan(run.series("class_loss/X")[0])
    assert not np.isnan(run.series("class_loss/X")[1:]).any()
    assert np.isnan(run.series("no/such")).all()
    assert run.last("no/such") is None
    assert run.mean_over_steps("no/such") is None


def test_reading_weights_windows_by_their_steps(make_run: MakeRun) -> None:
    path = make_run("run")
    lines = [{"step": 10, "masking/ratio": 0.3}, {"step": 12, "masking/ratio": 0.1}]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run,) = read_runs([path])
    assert run.mean_over_steps("masking/ratio") == pytest.approx((10 * 0.3 + 2 * 0.1) / 12)


def test_reading_marks_an_unfinished_run(make_run: MakeRun) -> None:
    done, stopped = read_runs([make_run("done"), make_run("stopped", last_step=75)])
    assert done.status == "finished"
    assert stopped.status == "unfinished: step 75 of 100"
    assert stopped.legend == "bert (stopped) (unfinished: step 75 of 100)"


def test_reading_prefers_the_final_evaluation_then_the_latest(make_run: MakeRun) -> None:
    path = make_run("run")
    final = path / "evaluation" / "held-out--final.json"
    for step in (5, 50):
        content = {**json.loads(final.read_text()), "checkpoint": f"checkpoint-{step}"}
        name = f"held-out--checkpoint-{step}.json"
        (path / "evaluation" / name).write_text(json.dumps(content))
    (run,) = read_runs([path])
    assert run.held_out.checkpoint == "final"
    final.unlink()
    (run,) = read_runs([path])
    assert run.held_out.checkpoint == "checkpoint-50"


def test_reading_ignores_evaluations_of_other_tasks(make_run: MakeRun) -> None:
    path = make_run("run", evaluated=False)
    (path / "evaluation").mkdir()
    content = {"task": "glue", "checkpoint": "final", "metrics": {}}
    (path / "evaluation" / "glue--final.json").write_text(json.dumps(content))
    (run,) = read_runs([path])
    assert run.held_out.checkpoint is None


def test_reading_works_without_an_environment(make_run: MakeRun) -> None:
    path = make_run("run")
    (path / "environment.json").unlink()
    (run,) = read_runs([path])
    assert run.recorded("device") is None
    assert run.corpus_share == {}


def test_reading_leaves_out_a_torn_last_line(make_run: MakeRun) -> None:
    path = make_run("run")
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 125, "lo')
    (run,) = read_runs([path])
    assert run.last_step == 100


def test_reading_refuses_the_same_run_by_two_names(make_run: MakeRun) -> None:
    path = make_run("run")
    with pytest.raises(UserError, match="the same run twice"):
        refuse_repeated([path, path / ".." / "run"])


def test_reading_refuses_what_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run directory"):
        read_runs([tmp_path])


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("metrics.jsonl", "", "a run without a logged step"),
        ("metrics.jsonl", '{"step": 1', "a run without a logged step"),
        ("metrics.jsonl", "rubbish\n", "damaged metrics"),
        ("metrics.jsonl", '{"step": "x"}\n', 'line 1: step="x"'),
        ("metrics.jsonl", '{"step": 2}\n{"step": 1}\n', "line 2: step=1"),
        ("run.yaml", "a: [", "unreadable file: .*run.yaml, line 1, column 5"),
        ("environment.json", "{", "damaged"),
        (
            "environment.json",
            '{"corpus": {"path": "corpus", "fingerprint": "sha256:5f1d9c0a77e4"}}',
            "damaged environment: .*77e4. Expected that of run.yaml, sha256:5f1d9c0a77e3.",
        ),
        ("evaluation/held-out--final.json", "[]", r"damaged evaluation: .*content=\[\]"),
        ("evaluation/held-out--final.json", '{"task": "held-out"}', r"metrics is missing\."),
        (
            "evaluation/held-out--final.json",
            '{"task": "held-out", "checkpoint": "final", "metrics": {"held_out/loss_15": "2"}}',
            r'metrics\.held_out/loss_15="2"\. Expected a valid integer or a valid number',
        ),
        (
            "evaluation/held-out--checkpoint-5.json",
            '{"task": "held-out", "checkpoint": "final", "metrics": {}}',
            r"checkpoint-5\.json: it holds what belongs into held-out--final\.json",
        ),
    ],
)
def test_reading_refuses_damage_in_one_line(
    make_run: MakeRun, file: str, text: str, message: str
) -> None:
    path = make_run("run")
    (path / file).write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_runs([path])
    assert "\n" not in str(caught.value)


def test_reading_refuses_a_run_without_metrics(make_run: MakeRun) -> None:
    path = make_run("run")
    (path / "metrics.jsonl").unlink()
    with pytest.raises(UserError, match="no metrics"):
        read_runs([path])
