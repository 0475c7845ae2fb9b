"""Scores by checkpoint and what the page makes of them, against the files of the runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from synthetic_runs import MakeRun, read_runs, write_comparison
from tidemask.evaluation_files import write_evaluation
from tidemask.report.figures.by_step import by_step_chart
from tidemask.report.results.answers import primary_answers
from tidemask.report.results.arms import arms_of
from tidemask.report.results.score_rows import run_rows
from tidemask.report.results.sources import ComparisonQuestion
from tidemask.run_record import RunDirectory

SEEDS = (0, 1, 2)
CHECKPOINTS = {"start": 0, "checkpoint-25": 25, "checkpoint-50": 50, "final": 100}
OF_A_STOP = {"checkpoint-60": 60}


def scored(
    path: Path,
    rng: np.random.Generator,
    *,
    ahead: float = 0.0,
    checkpoints: Mapping[str, int] = CHECKPOINTS,
) -> Path:
    """A run whose checkpoints were measured on `pos`, with two seeds of fine-tuning each."""
    for checkpoint, step in checkpoints.items():
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


def scores(paths: list[Path], step: int) -> list[float]:
    """Accuracies x 100 at a step, of all seeds of fine-tuning, without our reader."""
    files = [file for path in paths for file in path.glob("evaluation/pos--*.json")]
    found = [json.loads(file.read_text()) for file in files]
    steps = CHECKPOINTS | OF_A_STOP
    return [100 * one["metrics"]["accuracy"] for one in found if steps[one["checkpoint"]] == step]


def medians(path: Path, step: int) -> float:
    """The median over the seeds of fine-tuning."""
    return float(np.median(scores([path], step)))


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


def test_a_checkpoint_that_one_run_alone_has_is_left_out_of_curves(six: list[Path]) -> None:
    (before,) = primary_answers(read_runs(six), ComparisonQuestion(primary="pos"))
    scored(six[1], np.random.default_rng(1), checkpoints=OF_A_STOP)
    scored(six[5], np.random.default_rng(2), checkpoints=OF_A_STOP)
    (answer,) = primary_answers(read_runs(six), ComparisonQuestion(primary="pos"))
    assert before.found is not None
    assert answer.found is not None
    assert answer.found.arms[0].by_step == before.found.arms[0].by_step
    assert len(answer.found.arms[0].by_step) == 3
    assert answer.found.arms[0].match == before.found.arms[0].match


def test_a_checkpoint_that_one_run_alone_has_is_no_point_of_a_median(six: list[Path]) -> None:
    scored(six[1], np.random.default_rng(1), checkpoints=OF_A_STOP)
    arm = arms_of(read_runs(six))[0]
    (row,) = run_rows([arm.mean])
    assert [(step, score.median) for step, score in row.curve("pos")] == [
        (step, pytest.approx(np.median(scores(six[:3], step)))) for step in CHECKPOINTS.values()
    ]
    (alone,) = run_rows([arm.runs[1]])
    assert 60 in dict(alone.curve("pos"))


def test_without_lines_of_those_steps_only_steps_are_counted(six: list[Path]) -> None:
    for path in six:
        lines = (path / "metrics.jsonl").read_text().splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["step"] != 25]
        (path / "metrics.jsonl").write_text("".join(kept))
    (answer,) = primary_answers(read_runs(six), ComparisonQuestion(primary="pos"))
    assert answer.found is not None
    assert answer.found.arms[0].match is not None
    assert list(answer.found.arms[0].match.budget) == ["steps"]


@pytest.mark.slow
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
