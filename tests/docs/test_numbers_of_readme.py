"""Every number of the README is one that was measured: it stands in a file of results."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from claimed_numbers import claims
from places import ROOT

RESULTS = ROOT / "benchmarks" / "results"
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARMS = ("constant", "decay")
CELLS = ("loss_5", "loss_15", "loss_30", "word_loss_5", "word_loss_15", "word_loss_30")


def _results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}-cpu.json").read_text(encoding="utf-8"))
    return found


def _numbers(text: str) -> list[str]:
    """Its decimal numbers, without those that `test_shipped_results.py` compares."""
    text = re.sub(r"\S+[\s%)]*<!-- tidemask: .*?-->", "", text, flags=re.DOTALL)
    # The verdict is indented, and no code.
    text = re.sub(r"(?m)^    (?=decay is |paired\))", "", text)
    return [claim.number for claim in claims(text) if "." in claim.number]


def _demonstration() -> list[str]:
    """The numbers of the demonstration, as the README writes them, in its order."""
    tables = _results("demonstration")["tables"]
    means = {row["arm"]: row["mean"] for row in tables["arms"]}
    cells = {row["arm"]: row for row in tables["trained_under"]}
    ratios = {
        arm: [row["mean_ratio"] for row in tables["scores"] if row["run"].startswith(arm)]
        for arm in ARMS
    }
    (sentence,) = (row["sentence"] for row in tables["arms"] if row["arm"] == "decay")
    numbers = _numbers(sentence)
    for arm in ARMS:
        numbers += [f"{sum(ratios[arm]) / len(ratios[arm]):.3f}", f"{means[arm]:.3f}"]
        numbers += [f"{cells[arm][cell]:.2f}" for cell in CELLS]
    return [*numbers, f"{tables['scores'][0]['unigram_cross_entropy']:.2f}"]


def _training() -> list[str]:
    """How many times the tokens per second of the stock Trainer, in the README's order."""
    rows = {
        (row["model"], row["precision"]): f"{row['times_stock']:.1f}"
        for row in _results("training")["rows"]
        if (row["group"], row["recipe"], row["shape"]) == ("tidemask", "bert", "32x128")
    }
    return [
        rows["bert-tiny", "float32"],
        rows["bert-tiny", "bf16"],
        rows["bert-mini", "float32"],
    ]


def test_decimal_numbers_of_the_readme_are_those_of_the_results_in_their_order() -> None:
    assert _numbers(README) == [*_demonstration(), *_training()]


def test_verdict_of_the_readme_is_that_of_the_demonstration() -> None:
    (row,) = (r for r in _results("demonstration")["tables"]["arms"] if r["arm"] == "decay")
    assert row["sentence"] in re.sub(r"\s+", " ", README)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("seconds", r"took (\d+) min (\d+) s on two cores"),
        ("processor_seconds", r"(\d+) min (\d+) s of processor time"),
    ],
)
def test_times_of_the_readme_are_those_of_the_demonstration(name: str, pattern: str) -> None:
    found = re.search(pattern, re.sub(r"\s+", " ", README))
    assert found is not None
    seconds = 60 * int(found[1]) + int(found[2])
    assert seconds == round(_results("demonstration")[name])
