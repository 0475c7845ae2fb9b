"""Scores by checkpoint and what the page makes of them, against the files of the runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from synthetic_runs import MakeRun, read_runs, write_comparison
from tidemask.evaluation_files import write_evaluation
from tidemask.report.figures.by_step import by_step_chart
from tidemask.report.results.answers import primary_answers
from tidemask.report.results.sources import ComparisonQuestion
from tidemask.run_record import RunDirectory

SEEDS = (0, 1, 2)
CHECKPOINTS = {"start": 0, "checkpoint-25": 25, "checkpoint-50": 50, "final": 100}


def scored(path: Path, rng: np.random.Generator, *, ahead: float) -> Path:
    """A run whose checkpoints were measured on `pos`, with two seeds of fine-tuning each."""
    for checkpoint, step in CHECKPOINTS.items():
        for seed in (0, 1):
            accuracy = 0.7 + 2e-3 * step + ahead + 0.004 * rng.standard_normal()
            write_evaluation(
                RunDirectory(path),
                task="pos",
                checkpoint=checkpoint,
                seed=seed,
                metrics={"accuracy": accuracy},
                settings={},
                details={"main_metric": "accuracy", "learning_rate": 1e-3},
            )
    return path


@pytest.fixture
def six(make_run: MakeRun) -> list[Path]:
    rng = np.random.default_rng(0)
    return [
        scored(make_run(f"{recipe}/{seed}", recipe=recipe, seed=seed), rng, ahead=ahead)
        for recipe, ahead in (("bert", 0.0), ("higher", 0.02))
        for seed in SEEDS
    ]


def medians(path: Path, step: int) -> float:
    """Accuracy x 100 at a step, the median over the seeds of fine-tuning, without our reader."""
    found = [json.loads(file.read_text()) for file in path.glob("evaluation/pos--*.json")]
    at = [one["metrics"]["accuracy"] for one in found if CHECKPOINTS[one["checkpoint"]] == step]
    return 100 * float(np.median(at))


def test_scores_of_checkpoints_are_compared_step_by_step(six: list[Path]) -> None:
    (answer,) = primary_answers(read_runs(six), ComparisonQuestion(primary="pos"))
    assert answer.found is not None
    (one,) = answer.found.arms
    assert [at.step for at in one.by_step] == [25, 50, 100]  # the start is no training
    for at in one.by_step:
        scores = np.array([medians(path, int(at.step)) for path in six])
        expected = stats.ttest_rel(scores[3:], scores[:3])
        assert at.mean == pytest.approx((scores[3:] - scores[:3]).mean())
        assert at.estimate is not None
        assert at.estimate.p == pytest.approx(expected.pvalue)


def test_steps_to_match_of_a_task_are_on_every_axis(six: list[Path]) -> None:
    (answer,) = primary_answers(read_runs(six), ComparisonQuestion(primary="pos"))
    assert answer.found is not None
    match = answer.found.arms[0].match
    assert match is not None
    assert match.at is not None
    target = np.mean([medians(path, 100) for path in six[:3]])
    means = [np.mean([medians(path, step) for path in six[3:]]) for step in (25, 50, 100)]
    assert match.at["steps"] == pytest.approx(np.interp(target, means, [25, 50, 100]))
    assert match.at["tokens"] == pytest.approx(1024 * match.at["steps"])
    assert match.budget["FLOPs"] > 0


def test_without_lines_of_those_steps_only_steps_are_counted(six: list[Path]) -> None:
    for path in six:
        lines = (path / "metrics.jsonl").read_text().splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["step"] != 25]
        (path / "metrics.jsonl").write_text("".join(kept))
    (answer,) = primary_answers(read_runs(six), ComparisonQuestion(primary="pos"))
    assert answer.found is not None
    assert answer.found.arms[0].match is not None
    assert list(answer.found.arms[0].match.budget) == ["steps"]


def test_table_and_figure_have_the_measured_steps(six: list[Path], tmp_path: Path) -> None:
    comparison = write_comparison(six, out=tmp_path / "out")  # of held-out loss
    with (comparison.directory / "tables" / "differences_by_step.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    losses = {
        path: {
            record["step"]: record["held_out/loss"]
            for record in map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
            if "held_out/loss" in record
        }
        for path in six
    }
    assert [int(row["step"]) for row in rows] == sorted(losses[six[0]])
    for row in rows:
        at = [losses[path][int(row["step"])] for path in six]
        expected = stats.ttest_rel(at[3:], at[:3])
        assert float(row["higher"]) == pytest.approx(np.mean(at[3:]) - np.mean(at[:3]))
        low, high = expected.confidence_interval(0.95)
        assert float(row["higher/low"]) == pytest.approx(low)
        assert float(row["higher/high"]) == pytest.approx(high)
    assert (comparison.directory / "figures" / "difference_by_step.svg").is_file()


def test_one_arm_has_no_chart(six: list[Path]) -> None:
    assert by_step_chart(primary_answers(read_runs(six[:3]), ComparisonQuestion())) is None
