"""The benchmark of scoring: that it measures what it says, not how fast anything is."""

from __future__ import annotations

import importlib
import json
import math
import sys
from types import ModuleType
from typing import Any

import pytest

from places import ROOT


def _module(name: str) -> ModuleType:
    folder = str(ROOT / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def scoring() -> ModuleType:
    return _module("scoring")


@pytest.mark.slow
def test_scoring_benchmark_rows_say_what_the_issue_asks_for(scoring: ModuleType) -> None:
    """One round of a few pairs."""
    effort = scoring.Effort(rounds=1, pairs=4, peer_pairs=1, peer_at_once=(2,), compared_pairs=2)
    rows = scoring.measure("bert-tiny", effort)
    peer = _module("scoring_peer").import_minicons()
    assert [row["group"] for row in rows] == ["tidemask", *(["minicons"] if peer else [])]
    for row in rows:
        low, high = row["quartiles"]
        assert 0 < low <= row["pairs_per_second"] <= high < math.inf
        assert (row["times_minicons"] is None) == (peer is None)


@pytest.mark.slow
def test_scoring_benchmark_pairs_are_like_those_of_blimp() -> None:
    """BLiMP's sentences have 10.8 tokens under a WordPiece tokenizer of 16,000 entries."""
    material = _module("scoring_material")
    pairs = material.pairs(200)
    assert pairs == material.pairs(200)
    assert all(pair.good != pair.bad for pair in pairs)
    tokenizer = material.tokenizer("WordPiece")
    lengths = [len(tokenizer.tokenize(s)) for pair in pairs for s in (pair.good, pair.bad)]
    assert 9.5 < sum(lengths) / len(lengths) < 12.5


def test_scoring_benchmark_page_shows_the_data() -> None:
    made: list[dict[str, Any]] = [
        {"group": "tidemask", "model": "bert-tiny", "at_once": "all", "pairs_per_second": 123.0,
         "quartiles": [100.0, 150.0], "num_calls": 3, "times_minicons": 7.0}
    ]  # fmt: skip
    equality = {"tokenizer": "WordPiece", "variant": "original", "num_pairs": 2}
    equality |= {"largest_difference": 2e-5, "mean_score": -100.0}
    result = {**_module("machine").conditions(), "rows": made, "equality": [equality]}
    page = _module("scoring_page").page
    assert "| bert-tiny | tidemask | all | 123.0 (100.0–150.0) | 7.00 |" in page(result)
    assert "| WordPiece | `original` | -100.0 | 2.0e-05 |" in page(result)
    made[0]["times_minicons"] = None
    assert "| 123.0 (100.0–150.0) |  |" in page({**result, "equality": []})


def test_scoring_benchmark_the_committed_page_is_that_of_the_committed_data(
    scoring: ModuleType,
) -> None:
    if not scoring.RESULTS.is_file():
        pytest.skip("no results are kept")
    kept = json.loads(scoring.RESULTS.read_text(encoding="utf-8"))
    assert scoring.PAGE.read_text(encoding="utf-8") == _module("scoring_page").page(kept)


@pytest.mark.slow
def test_scoring_benchmark_compares_the_scores_of_both_libraries(scoring: ModuleType) -> None:
    pytest.importorskip("minicons.scorer")
    rows = scoring.compare(scoring.Effort(rounds=1, compared_pairs=3))
    assert [(row["tokenizer"], row["variant"]) for row in rows] == [
        (kind, variant)
        for kind in ("WordPiece", "byte-level BPE")
        for variant in ("original", "within_word_l2r")
    ]
    for row in rows:
        assert row["largest_difference"] < 1e-4
        assert row["mean_score"] < -20


@pytest.mark.parametrize(
    "arguments",
    [
        ["--quick", "--table"],
        ["--quick", "--json", "/nowhere/rows.json"],
        ["--table-only", "--quick"],
        ["--fast"],
    ],
)
def test_scoring_benchmark_bad_arguments_get_one_line(
    scoring: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        scoring.main(arguments)
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
