"""Phases, mixtures, scored positions, columns, shares of sources and growing batches in one run."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import tidemask
from small_runs import (
    TINY,
    killed_at,
    records,
    run_command,
    same_weights,
    stopped_at,
    trained,
)
from tidemask.run_record import PREDICTED_TOKENS, SCORING_SECONDS, SHORTFALL, RunDirectory
from tidemask.runs.train import train
from two_sources import corpus_of_two_sources

POLICY = (
    "masking.ratio={schedule: linear, start: 0.3, end: 0.1}",
    "masking.per_sequence={distribution: beta}",
    "masking.phases=["
    "{until: 0.6, content: {weighting: mixture, parts: ["
    "{share: {schedule: linear, start: 0.8, end: 0.2}, "
    "content: {weighting: model_score, mapping: {map: rank}, every_steps: 2}}, "
    "{share: {schedule: linear, start: 0.2, end: 0.8}, "
    "content: {weighting: class_statistic, statistic: progress, classes: things, "
    "horizon_steps: 2, blend_in: false}}]}}, "
    "{until: 1.0, unit: {group: phrases}, content: {weighting: column, column: scores}}]",
    "training.predictions_per_step=50",
    "training.source_shares={big: {schedule: linear, start: 0.9, end: 0.1}, small: 0.5}",
    "training.micro_batch_size=16",
    "training.gradient_accumulation_steps=2",
    "training.save_steps=2",
    "training.keep_checkpoints=0",
    "training.logging_steps=1",
    "model.dropout=0.0",
)


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources, and a column of each kind."""
    root = tmp_path_factory.mktemp("together")
    corpus = corpus_of_two_sources(root)
    (root / "list.txt").write_text("the\tARTICLE\nriver\tWATER\nthe bridge\tPLACE\nit\tIT\n")
    (root / "scores.txt").write_text("the\t1\nriver\t4\nit\t0.5\nshe\t2\n")
    for name, source, kind in (
        ("things", f"list:{root / 'list.txt'}", "class"),
        ("phrases", f"list:{root / 'list.txt'}", "group"),
        ("scores", f"list:{root / 'scores.txt'}", "weight"),
    ):
        tidemask.annotate(
            corpus, column=name, source=source, kind=kind, workers=1, progress=False,
        )  # fmt: skip
    return corpus


@pytest.fixture(scope="module")
def unbroken(annotated: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(annotated, tmp_path_factory.mktemp("runs") / "run", "bert", *POLICY)


@pytest.mark.slow
def test_policies_together_are_the_same_run_after_a_kill_at_any_step(
    annotated: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """Killed at a step that nobody chose; and stopped after the second checkpoint."""
    lines = records(unbroken)
    assert [SHORTFALL in line for line in lines] == [False] * 5 + [True] * 3
    logged = [json.loads(line) for line in unbroken.metrics.read_text().splitlines()]
    assert [SCORING_SECONDS in line for line in logged] == [i in (0, 2, 4) for i in range(8)]
    step = random.SystemRandom().randint(1, 7)
    broken = RunDirectory(tmp_path / "broken")
    arguments = ["pretrain", str(annotated), "--recipe=bert", f"--out={broken.root}"]
    killed_at(step, tmp_path / "held", [*arguments, *TINY, *POLICY])
    assert train(broken).step == step // 2 * 2
    stopped = stopped_at(unbroken, 4, tmp_path / "stopped")
    assert train(stopped).step == 4
    for again in (broken, stopped):
        assert same_weights(again, unbroken), f"killed with {step} steps done"
        assert repr(records(again)) == repr(lines), f"killed with {step} steps done"


@pytest.mark.slow
def test_policies_together_on_two_ranks_are_those_of_one(
    annotated: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    two = RunDirectory(tmp_path / "two")
    arguments = ["pretrain", str(annotated), "--recipe=bert", f"--out={two.root}", *TINY, *POLICY]
    done = run_command([*arguments, "training.gradient_accumulation_steps=1"], processes=2)
    assert done.returncode == 0, done.stderr
    for a, b in zip(records(unbroken), records(two), strict=True):
        assert a[PREDICTED_TOKENS] == b[PREDICTED_TOKENS]
        assert b == pytest.approx(a, rel=1e-4, abs=1e-6, nan_ok=True), a["step"]
