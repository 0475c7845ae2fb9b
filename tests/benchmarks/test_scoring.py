"""The benchmark of scoring: that it measures what it says, not how fast anything is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmarks.machine import conditions
from benchmarks.scoring import data, speed
from benchmarks.scoring.page import page
from benchmarks.scoring.peer import import_minicons
from benchmarks.scoring.precision import table


@pytest.mark.slow
def test_scoring_benchmark_rows_say_what_the_issue_asks_for() -> None:
    """One round of a few pairs."""
    effort = speed.Effort(rounds=1, pairs=4, peer_pairs=1, peer_at_once=(2,), compared_pairs=2)
    rows = speed.measure("bert-tiny", effort)
    peer = import_minicons()
    assert [row["group"] for row in rows] == ["tidemask", *(["minicons"] if peer else [])]
    for row in rows:
        low, high = row["quartiles"]
        assert 0 < low <= row["pairs_per_second"] <= high < math.inf
        assert (row["times_minicons"] is None) == (peer is None)


@pytest.mark.slow
def test_scoring_benchmark_pairs_are_like_those_of_blimp() -> None:
    """BLiMP's sentences have 10.8 tokens under a WordPiece tokenizer of 16,000 entries."""
    pairs = data.pairs(200)
    assert pairs == data.pairs(200)
    assert all(pair.good != pair.bad for pair in pairs)
    tokenizer = data.tokenizer("WordPiece")
    lengths = [len(tokenizer.tokenize(s)) for pair in pairs for s in (pair.good, pair.bad)]
    assert 9.5 < sum(lengths) / len(lengths) < 12.5


def test_scoring_benchmark_page_shows_the_data() -> None:
    made: list[dict[str, Any]] = [
        {"group": "tidemask", "model": "bert-tiny", "at_once": "all", "pairs_per_second": 123.0,
         "quartiles": [100.0, 150.0], "num_calls": 3, "times_minicons": 7.0}
    ]  # fmt: skip
    equality = {"tokenizer": "WordPiece", "variant": "original", "num_pairs": 2}
    equality |= {"largest_difference": 2e-5, "mean_score": -100.0}
    result = {**conditions(), "rows": made, "equality": [equality]}
    assert "| bert-tiny | tidemask | all | 123.0 (100.0–150.0) | 7.00 |" in page(result)
    assert "| WordPiece | `original` | -100.0 | 2.0e-05 |" in page(result)
    made[0]["times_minicons"] = None
    assert "| 123.0 (100.0–150.0) |  |" in page({**result, "equality": []})


@pytest.mark.slow
def test_scoring_benchmark_compares_the_scores_of_both_libraries() -> None:
    pytest.importorskip("minicons.scorer")
    rows = speed.compare(speed.Effort(rounds=1, compared_pairs=3))
    assert [(row["tokenizer"], row["variant"]) for row in rows] == [
        (kind, variant)
        for kind in ("WordPiece", "byte-level BPE")
        for variant in ("original", "within_word_l2r")
    ]
    for row in rows:
        assert row["largest_difference"] < 1e-4
        assert row["mean_score"] < -20


def test_benchmark_of_precision_compares_means_over_seeds() -> None:
    def row(precision: str, scores: list[float], seconds: float) -> dict[str, Any]:
        found = {"task": "cola", "metric": "accuracy", "scores": scores, "seconds": seconds}
        return {**found, "precision": precision}

    rows = [row("float32", [0.5, 0.7], 4.0), row("bf16", [0.6, 0.7], 2.0)]
    lines = table(rows).splitlines()
    assert lines[2] == "| cola | accuracy | 60.00 | 65.00 | +5.00 | 14.14 | 2.00 |"
