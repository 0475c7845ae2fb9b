"""The statistics on the page are those of `compare_arms` on what the runs measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthetic_runs import MakeRun, read_runs
from tidemask.errors import UserError
from tidemask.evaluation_files import write_evaluation
from tidemask.report.results.answers import check_baseline, exploratory_answers, primary_answers
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.sources import ComparisonQuestion
from tidemask.run_record import RunDirectory, SequenceSums
from tidemask.statistics import compare_arms

SEEDS = (0, 1, 2)


@pytest.fixture
def six(make_run: MakeRun) -> list[Path]:
    return [
        make_run(f"{recipe}/{seed}", recipe=recipe, seed=seed, gain=gain + 0.01 * seed)
        for recipe, gain in (("bert", 1.0), ("ptw", 1.1))
        for seed in SEEDS
    ]


def losses(runs: list[ComparedRun], name: str) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for run in runs:
        found.setdefault(run.arm, {})[run.seed] = run.held_out.metrics[name]
    return found


def test_answer_is_that_of_the_statistics(six: list[Path]) -> None:
    runs = read_runs(six)
    question = ComparisonQuestion(primary="held_out/loss_15", margin=0.1)
    (answer,) = primary_answers(runs, question)
    expected = compare_arms(
        losses(runs, "held_out/loss_15"),
        baseline="bert",
        direction="lower",
        unit="nats",
        margin=0.1,
    )
    assert answer.found is not None
    assert answer.found.arms[0].difference == expected.arms[0].difference
    assert answer.found.arms[0].p == expected.arms[0].p
    assert answer.sentences == [expected.arms[0].verdict.sentence]
    match = answer.found.arms[0].match
    assert match is not None
    assert list(match.budget) == ["steps", "tokens", "predicted tokens", "FLOPs"]  # no seconds


def test_answer_leaves_out_unfinished_runs_and_other_corpora(
    six: list[Path], make_run: MakeRun
) -> None:
    more = [make_run("stopped", recipe="late", last_step=50), make_run("wiki", fingerprint="0")]
    answers = primary_answers(read_runs([*six, *more]), ComparisonQuestion())
    assert [list(answer.values) for answer in answers] == [
        ["bert on corpus 1", "ptw"],
        ["bert on corpus 2"],
    ]
    assert answers[1].found is None


def test_answer_knows_the_baseline_by_name(six: list[Path]) -> None:
    runs = read_runs(six)
    (answer,) = primary_answers(runs, ComparisonQuestion(baseline="ptw"))
    assert answer.baseline == "ptw"
    with pytest.raises(UserError, match=r"baseline=ptv\. Expected one of the arms: bert, ptw"):
        check_baseline(runs, "ptv")
    (answer,) = primary_answers(runs, ComparisonQuestion(baseline="not trained yet"))
    assert answer.found is None


def test_answer_pairs_sequences_where_every_run_kept_them(six: list[Path]) -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, size=(1, 40)).astype(np.int32)
    for run in map(RunDirectory, six):
        sums = (counts * rng.normal(5.0, 0.2, (1, 40))).astype(np.float32)
        kept = SequenceSums(
            losses=("held_out/loss_15",), rows=np.arange(40), sums=sums, counts=counts
        )
        write_evaluation(
            run,
            task="held-out",
            checkpoint="final",
            metrics={"held_out/loss_15": float(sums.sum() / counts.sum())},
            settings={},
            arrays=kept.arrays(),
        )
    question = ComparisonQuestion(primary="held_out/loss_15")
    (answer,) = primary_answers(read_runs(six), question)
    assert answer.found is not None
    assert answer.found.arms[0].items is not None
    assert "3 seeds × 40 items, paired" in answer.sentences[0]
    (six[0] / "evaluation" / "held-out--final.npz").unlink()
    with pytest.raises(UserError, match=r"held-out--final\.npz"):
        primary_answers(read_runs(six), question)


def test_exploratory_answers_are_all_other_measures(six: list[Path]) -> None:
    found = exploratory_answers(read_runs(six), ComparisonQuestion(primary="held_out/loss_5"))
    names = [answer.measure.name for answer in found]
    assert names[0] == "held_out/loss"
    assert len(names) == 6
    assert all("Exploratory" in answer.sentences[0] for answer in found)
