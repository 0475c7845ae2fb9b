"""Downstream scores against the files they were read from, and medians against numpy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic_results import METRICS, SyntheticResults, write_results
from synthetic_runs import MakeRun, read_runs
from tidemask.errors import UserError
from tidemask.report.comparability.run_warnings import warnings_for
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.downstream import DownstreamResult, summarise
from tidemask.report.results.score_rows import (
    averaged_tasks,
    random_weights_rows,
    run_rows,
    tasks_of,
)
from tidemask.report.tables.downstream import downstream_scores_table, downstream_tables
from tidemask.report.tables.typed_table import Table
from tidemask.run_record import GLUE_TASKS


def tables_from(runs: list[ComparedRun]) -> list[Table]:
    return [downstream_scores_table(runs), *downstream_tables(runs)]


def result(score: float | None, seed: int | None, **differences: Any) -> DownstreamResult:
    fields = {
        "task": "sst2", "checkpoint": "final", "seed": seed, "metric": "accuracy",
        "metrics": {} if score is None else {"accuracy": score}, "learning_rate": 1e-4,
        "conditions": {}, "notes": (), "seconds": 1.0, **differences,
    }  # fmt: skip
    return DownstreamResult(**fields)


def scores_of(run: Path, task: str, checkpoint: str) -> list[float]:
    """Read without our reader."""
    contents = [json.loads(path.read_text()) for path in run.glob(f"evaluation/{task}--*.json")]
    return [
        content["metrics"][METRICS[task]]
        for content in contents
        if content["checkpoint"] == checkpoint
    ]


def row_of(table: Table, label: str) -> dict[str, Any]:
    (row,) = (row for row in table.rows if row[0] == label)
    return dict(zip((column.name for column in table.columns), row, strict=True))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_summary_is_that_of_numpy(scores: list[float]) -> None:
    found = summarise([result(score, seed) for seed, score in enumerate(scores)])
    shown = 100 * np.array(scores)
    assert found.median == pytest.approx(np.median(shown), abs=1e-9)
    assert found.seeds == tuple(range(len(scores)))
    if len(scores) == 1:
        assert (found.low, found.high) == (None, None)
    else:
        assert found.low == pytest.approx(shown.min(), abs=1e-9)
        assert found.high == pytest.approx(shown.max(), abs=1e-9)
    if len(scores) < 5:
        assert found.quartiles is None
    else:
        assert found.quartiles == pytest.approx(np.percentile(shown, [25, 75]), abs=1e-9)


def test_summary_leaves_out_what_is_undefined() -> None:
    assert summarise([result(None, 0)]) is None
    found = summarise([result(0.5, 0), result(None, 1), result(0.7, 2, learning_rate=3e-5)])
    assert found.seeds == (0, 2)
    assert found.median == pytest.approx(60.0)
    assert found.learning_rates == (3e-5, 1e-4)


@pytest.mark.parametrize(
    ("metric", "shown"), [("accuracy", 43.0), ("f1", 43.0), ("pseudo_perplexity", 0.43)]
)
def test_scores_are_shown_times_100_unless_they_are_not_fractions(
    metric: str, shown: float
) -> None:
    one = result(None, None, metric=metric, metrics={metric: 0.43})
    assert one.score == pytest.approx(shown)


def test_downstream_scores_are_medians_of_the_final_model(make_run: MakeRun) -> None:
    made = SyntheticResults(tasks=("blimp", "pseudo-perplexity", "sst2"))
    paths = [write_results(make_run("a"), made), make_run("b", recipe="ptw")]
    table = downstream_scores_table(read_runs(paths))
    assert table.values("run") == ["bert", "ptw", "random weights"]
    for label, checkpoint in (("bert", "final"), ("random weights", "random")):
        row = row_of(table, label)
        scores = 100 * np.array(scores_of(paths[0], "sst2", checkpoint))
        assert len(scores) == 3
        assert row["sst2"] == pytest.approx(np.median(scores))
        assert row["sst2/low"] == pytest.approx(scores.min())
        assert row["sst2/high"] == pytest.approx(scores.max())
        assert (row["sst2/seeds"], row["sst2/checkpoint"]) == (3, checkpoint)
        assert [row["pseudo-perplexity"]] == scores_of(paths[0], "pseudo-perplexity", checkpoint)
        assert row["pseudo-perplexity/low"] is None
    assert row_of(table, "ptw")["sst2"] is None
    held_out = json.loads((paths[0] / "evaluation/held-out--final.json").read_text())["metrics"]
    assert row_of(table, "bert")["loss"] == held_out["held_out/loss"]
    assert row_of(table, "random weights")["loss"] is None


def test_downstream_scores_show_their_range_behind_them(make_run: MakeRun) -> None:
    path = write_results(make_run("a"), SyntheticResults(tasks=("sst2",)))
    table = downstream_scores_table(read_runs([path]))
    low, middle, high = sorted(100 * s for s in scores_of(path, "sst2", "final"))
    assert table.shown_rows()[0][-1] == f"{middle:.1f} ({low:.1f} to {high:.1f})"
    assert table.shown_columns[-1].heading == "sst2, accuracy × 100"


def test_downstream_tables_hold_every_result(make_run: MakeRun) -> None:
    made = SyntheticResults(tasks=("blimp", "sst2"), seeds=(0, 1, 2, 3, 4))
    path = write_results(make_run("a"), made)
    tables = {table.name: table for table in tables_from(read_runs([path]))}
    rows = tables["downstream"].rows
    assert len(rows) == 4 * (1 + 5)
    assert [row[2:5] for row in rows if row[1] == "blimp"] == [
        ("random", None, None),
        ("checkpoint-200", 200, None),
        ("checkpoint-500", 500, None),
        ("final", 100, None),
    ]
    for run, task, checkpoint, _, seed, metric, score, rate, seconds in rows:
        name = f"{task}--{checkpoint}" + ("" if seed is None else f"--seed-{seed}")
        content = json.loads((path / f"evaluation/{name}.json").read_text())
        assert (run, metric, seconds) == ("bert", "accuracy × 100", 12.5)
        assert score == pytest.approx(100 * content["metrics"]["accuracy"])
        assert rate == content.get("learning_rate")
    metrics = tables["downstream_metrics"].rows
    assert len(metrics) == 2 * len(rows)
    assert ("bert", "blimp", "final", None, "num_examples", 872.0) in metrics
    medians = tables["downstream_medians"]
    at = medians.rows[[row[1:3] for row in medians.rows].index(("sst2", "checkpoint-500"))]
    scores = 100 * np.array(scores_of(path, "sst2", "checkpoint-500"))
    assert at[3:7] == (500, "dev", "accuracy × 100", 5)
    expected = [np.median(scores), min(scores), max(scores), *np.percentile(scores, [25, 75])]
    assert at[7:12] == pytest.approx(tuple(expected))
    assert at[12] == "0.0001"
    assert {row[4] for row in medians.rows if row[1] == "blimp"} == {None}


def test_downstream_scores_have_no_digits_of_binary_arithmetic() -> None:
    assert [result(hundredths / 100, 0).score for hundredths in range(101)] == list(range(101))


def test_downstream_tables_show_other_splits_beside_dev(make_run: MakeRun) -> None:
    made = SyntheticResults(tasks=("blimp", "conll2003", "mnli"))
    path = write_results(make_run("a"), made)
    for task, split in (("conll2003", "test"), ("mnli", "mismatched")):
        for file in path.glob(f"evaluation/{task}--*.json"):
            content = json.loads(file.read_text())
            content["metrics"][f"{split}/{METRICS[task]}"] = content["metrics"][METRICS[task]] / 2
            file.write_text(json.dumps(content))
    tables = {table.name: table for table in tables_from(read_runs([path]))}
    scores = tables["downstream_scores"]
    assert [column.heading for column in scores.shown_columns][2:] == [
        "blimp, accuracy × 100",
        "mnli, accuracy × 100",
        "mnli (mismatched), accuracy × 100",
        "conll2003, f1 × 100",
        "conll2003 (test), f1 × 100",
    ]
    for label in ("bert", "random weights"):
        row = row_of(scores, label)
        for task, other in (("conll2003", "conll2003/test"), ("mnli", "mnli/mismatched")):
            for ending in ("", "/low", "/high"):
                assert row[other + ending] == pytest.approx(row[task + ending] / 2)
            assert row[f"{other}/seeds"] == 3
    medians = tables["downstream_medians"].rows
    at = [row[4:8] for row in medians if row[1:3] == ("conll2003", "checkpoint-500")]
    assert [row[:3] for row in at] == [("dev", "f1 × 100", 3), ("test", "f1 × 100", 3)]
    assert at[1][3] == pytest.approx(at[0][3] / 2)


def test_downstream_without_results_has_no_rows(make_run: MakeRun) -> None:
    runs = read_runs([make_run("a")])
    assert all(table.rows == () for table in tables_from(runs))
    assert warnings_for(runs) == []


def test_downstream_random_weights_of_equal_models_are_one_row(make_run: MakeRun) -> None:
    more = SyntheticResults(tasks=("sst2",), seeds=(0, 1, 2, 3))
    runs = read_runs(
        [
            write_results(make_run("a"), SyntheticResults(tasks=("sst2", "blimp"))),
            write_results(make_run("b", recipe="ptw"), more),
        ]
    )
    (row,) = random_weights_rows(runs)
    assert row.label == "random weights"
    assert row.score("sst2").seeds == (0, 1, 2, 3)
    assert row.score("blimp").median == pytest.approx(50.0, abs=2)


def test_downstream_random_weights_of_other_models_are_apart(make_run: MakeRun) -> None:
    paths = [
        write_results(
            make_run(name, recipe=name, fingerprint=corpus), SyntheticResults(tasks=("sst2",))
        )
        for name, corpus in (("a", "sha256:1"), ("b", "sha256:1"), ("c", "sha256:2"))
    ]
    changed = paths[1] / "evaluation/sst2--random--seed-1.json"
    content = json.loads(changed.read_text())
    content["metrics"]["accuracy"] += 0.1
    changed.write_text(json.dumps(content))
    labels = [row.label for row in random_weights_rows(read_runs(paths))]
    assert labels == [f"random weights of {name}" for name in "abc"]


def test_downstream_curve_ends_with_the_final_model(make_run: MakeRun) -> None:
    made = SyntheticResults(
        tasks=("sst2",), checkpoints=("start", "checkpoint-40", "checkpoint-100")
    )
    path = write_results(make_run("a"), made)
    (row,) = run_rows(read_runs([path]))
    assert [step for step, _ in row.curve("sst2")] == [0, 40, 100]
    assert row.newest("sst2") == "checkpoint-100"
    write_results(path, SyntheticResults(tasks=("sst2",), checkpoints=("final",)))
    (row,) = run_rows(read_runs([path]))
    assert [step for step, _ in row.curve("sst2")] == [0, 40, 100]
    final = 100 * np.median(scores_of(path, "sst2", "final"))
    assert row.curve("sst2")[-1][1].median == pytest.approx(final)
    assert row.score("sst2").median == pytest.approx(final)


def test_downstream_start_is_not_a_score_of_a_run(make_run: MakeRun) -> None:
    made = SyntheticResults(tasks=("sst2",), checkpoints=("start",), random=False)
    (row,) = run_rows(read_runs([write_results(make_run("a"), made)]))
    assert row.score("sst2") is None


def test_downstream_average_is_over_the_tasks_of_every_run(make_run: MakeRun) -> None:
    paths = [
        write_results(make_run("a"), SyntheticResults(tasks=GLUE_TASKS, random=False)),
        write_results(
            make_run("b", recipe="ptw"), SyntheticResults(tasks=("sst2", "rte", "conll2003"))
        ),
        make_run("c", recipe="mrd"),
    ]
    runs = read_runs(paths)
    assert averaged_tasks(run_rows(runs)) == ["sst2", "rte"]
    table = downstream_scores_table(runs)
    assert table.columns[-1].heading == "average of 2 GLUE tasks, sst2, rte"
    for path, label in zip(paths[:2], ("bert", "ptw"), strict=True):
        medians = [100 * np.median(scores_of(path, task, "final")) for task in ("sst2", "rte")]
        assert row_of(table, label)["glue_average"] == pytest.approx(np.mean(medians))
    assert row_of(table, "mrd")["glue_average"] is None
    alone = downstream_scores_table(read_runs(paths[:1]))
    assert alone.columns[-1].heading == "GLUE average, all nine tasks"


def test_downstream_tasks_are_in_their_usual_order(make_run: MakeRun) -> None:
    tasks = ("pos", "squad", "mnli", "cola", "blimp", "conll2003")
    rows = run_rows(read_runs([write_results(make_run("a"), SyntheticResults(tasks=tasks))]))
    assert tasks_of(rows) == ["blimp", "cola", "mnli", "squad", "conll2003", "pos"]


def test_downstream_warns_of_unequal_terms_and_missing_rows(make_run: MakeRun) -> None:
    one = SyntheticResults(tasks=("sst2",), random=False)
    other = replace(one, seeds=(0,), epochs=5.0, checkpoints=("checkpoint-50",))
    paths = [
        write_results(make_run("a"), one),
        write_results(make_run("b", recipe="ptw"), other),
    ]
    runs = read_runs(paths)
    warnings = warnings_for(runs)
    assert warnings[0] == (
        "Not on equal terms: how sst2 was measured (settings.epochs) differs: 3.0 in bert; "
        "5.0 in ptw."
    )
    assert warnings[1] == (
        "Not on equal terms: the set of seeds of sst2 differs: 0, 1, 2 in bert; 0 in ptw."
    )
    assert warnings[2] == "The scores of ptw on sst2 are those of checkpoint-50."
    assert warnings[3].startswith("Random weights were not measured on sst2:")
    assert len(warnings) == 4


def test_downstream_on_equal_terms_warns_of_nothing(make_run: MakeRun) -> None:
    paths = [make_run("a"), make_run("b", recipe="ptw")]
    assert (
        warnings_for(read_runs([write_results(path, SyntheticResults()) for path in paths])) == []
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint": None}, "checkpoint=null. Expected a valid string"),
        ({"seed": "one"}, 'seed="one". Expected a valid integer'),
        ({"seed": True}, "seed=true. Expected a valid integer"),
        ({"metrics": [1]}, r"metrics=\[1\]. Expected an object"),
        ({"main_metric": "f2"}, "main_metric='f2'. Expected one of the metrics"),
        ({"main_metric": ["f1"]}, r'main_metric=\["f1"\]. Expected a valid string'),
        ({"learning_rate": "3e-5"}, 'learning_rate="3e-5". Expected a valid number'),
        ({"seed": 0}, "it holds what belongs into sst2--final--seed-0.json"),
        ({"main_metric": "num_examples"}, "several main metrics: .*Expected accuracy"),
    ],
)
def test_downstream_refuses_damage_in_one_line(
    make_run: MakeRun, changes: dict[str, Any], message: str
) -> None:
    path = write_results(make_run("run"), SyntheticResults(tasks=("sst2",)))
    one = path / "evaluation/sst2--final--seed-1.json"
    one.write_text(json.dumps({**json.loads(one.read_text()), **changes}))
    with pytest.raises(UserError, match=message) as caught:
        read_runs([path])
    assert str(path / "evaluation") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_downstream_shows_an_undefined_score_as_missing(make_run: MakeRun) -> None:
    path = write_results(make_run("run"), SyntheticResults(tasks=("cola",), seeds=(0, 1)))
    for seed in (0, 1):
        one = path / f"evaluation/cola--final--seed-{seed}.json"
        content = json.loads(one.read_text())
        content["metrics"]["matthews_correlation"] = None if seed else float("nan")
        one.write_text(json.dumps(content))
    (row,) = run_rows(read_runs([path]))
    assert row.score("cola") is None
    assert len(row.curve("cola")) == 2
