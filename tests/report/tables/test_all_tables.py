"""Every number of the tables against one computed here from the files, without our reader."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from synthetic_runs import (
    BANDS,
    CORPUS_SHARE,
    UNIGRAM_CROSS_ENTROPY,
    UNIGRAM_ENTROPY,
    MakeRun,
    read_runs,
)
from tidemask.report.compare import Comparison
from tidemask.report.tables.all_tables import all_tables, held_out_table

CELLS = tuple(f"{unit}loss_{percent}" for unit in ("", "word_") for percent in (5, 15, 30))


def logged(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def evaluated(run: Path) -> dict[str, Any]:
    content = json.loads((run / "evaluation" / "held-out--final.json").read_text())
    metrics: dict[str, Any] = content["metrics"]
    return metrics


def rows_of(comparison: Comparison, name: str) -> list[dict[str, str]]:
    with (comparison.directory / "tables" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_equal_the_files(four_runs: list[Path], comparison: Comparison) -> None:
    for row, run in zip(rows_of(comparison, "scores"), four_runs, strict=True):
        records, metrics = logged(run), evaluated(run)
        assert row["recipe"] == run.name
        assert row["seed"] == "17"
        assert row["status"] == "finished"
        assert int(row["last_step"]) == 1000
        assert int(row["tokens_seen"]) == 1_024_000
        assert int(row["predicted_tokens"]) == records[-1]["predicted_tokens"]
        for name in ("wall_seconds", "device_seconds", "flops"):
            assert float(row[name]) == records[-1][name]
        assert float(row["unigram_entropy"]) == UNIGRAM_ENTROPY
        assert float(row["unigram_cross_entropy"]) == UNIGRAM_CROSS_ENTROPY
        for name in ("loss", *CELLS, "own_loss"):
            assert float(row[name]) == metrics[f"held_out/{name}"]
            error = metrics[f"held_out/{name}_standard_error"]
            assert float(row[f"{name}_standard_error"]) == error
        gain = UNIGRAM_CROSS_ENTROPY - metrics["held_out/loss"]
        assert float(row["gain"]) == pytest.approx(gain)


def test_scores_mean_ratio_and_deviation(four_runs: list[Path], comparison: Comparison) -> None:
    for row, run in zip(rows_of(comparison, "scores"), four_runs, strict=True):
        records = logged(run)
        scheduled = sum(record["masking/ratio"] for record in records) / len(records)
        realised = records[-1]["predicted_tokens"] / records[-1]["tokens_seen"]
        assert float(row["mean_ratio"]) == pytest.approx(scheduled, abs=1e-12)
        assert float(row["ratio_deviation"]) == pytest.approx(realised - scheduled, abs=1e-12)


def test_steps_equal_the_log(four_runs: list[Path], comparison: Comparison) -> None:
    rows = iter(rows_of(comparison, "steps"))
    for run in four_runs:
        for record in logged(run):
            row = next(rows)
            assert row.pop("run") == run.name
            assert {name: float(value) for name, value in row.items()} == {
                name: record[name] for name in row
            }
    assert next(rows, None) is None


def test_held_out_has_the_evaluated_steps_alone(
    four_runs: list[Path], comparison: Comparison
) -> None:
    expected = [
        (run.name, record["step"], *(record[f"held_out/{name}"] for name in ("loss", *CELLS)))
        for run in four_runs
        for record in logged(run)
        if "held_out/loss_5" in record
    ]
    found = [
        (row["run"], int(row["step"]), *(float(row[f"held_out/{n}"]) for n in ("loss", *CELLS)))
        for row in rows_of(comparison, "held_out")
    ]
    assert found == expected
    assert len(found) == 40


def test_class_losses_equal_the_log(four_runs: list[Path], comparison: Comparison) -> None:
    found = {
        (row["run"], int(row["step"]), row["class"]): row["class_loss"]
        for row in rows_of(comparison, "class_loss")
    }
    assert len(found) == 4 * 40 * 17
    for run in four_runs:
        for record in logged(run):
            for name in CORPUS_SHARE:
                value = record[f"class_loss/{name}"]
                text = found[run.name, record["step"], name]
                assert text == "" if value is None else float(text) == value


def test_class_shares_have_those_of_the_corpus_beside_them(comparison: Comparison) -> None:
    rows = rows_of(comparison, "class_share")
    assert len(rows) == 4 * 40 * 17
    assert all(float(row["share_of_corpus"]) == CORPUS_SHARE[row["class"]] for row in rows)
    first = [float(row["share_of_masked"]) for row in rows if row["step"] == "25"]
    assert sum(first) == pytest.approx(4)


def test_held_out_per_class_equals_the_evaluation(
    four_runs: list[Path], comparison: Comparison
) -> None:
    rows = rows_of(comparison, "held_out_class")
    assert [row["class"] for row in rows] == list(CORPUS_SHARE)
    for run in four_runs:
        metrics = evaluated(run)
        for row in rows:
            losses = [metrics[f"held_out/{name}/{row['class']}"] for name in CELLS]
            assert [float(row[f"{run.name}/{name}"]) for name in CELLS] == losses
            assert float(row[f"{run.name}/loss"]) == pytest.approx(sum(losses) / 6)


def test_held_out_per_frequency_equals_the_evaluation(
    four_runs: list[Path], comparison: Comparison
) -> None:
    rows = rows_of(comparison, "held_out_frequency")
    names = ["0 to 50 %", "50 to 75 %", "75 to 90 %", "90 to 99 %", "99 to 100 %"]
    assert [row["band"] for row in rows] == names
    for run in four_runs:
        metrics = evaluated(run)
        for row, band in zip(rows, BANDS, strict=True):
            losses = [metrics[f"held_out/{name}/frequency/{band}"] for name in CELLS]
            assert [float(row[f"{run.name}/{name}"]) for name in CELLS] == losses
            assert float(row[f"{run.name}/loss"]) == pytest.approx(sum(losses) / 6)


def test_held_out_bands_are_not_classes(four_runs: list[Path]) -> None:
    (run,) = read_runs(four_runs[:1])
    assert run.held_out.classes == list(CORPUS_SHARE)


def test_settings_show_each_run(comparison: Comparison) -> None:
    rows = {row["setting"]: row for row in rows_of(comparison, "settings")}
    assert rows["masking.ratio.schedule"]["bert"] == "constant"
    assert rows["masking.ratio.schedule"]["ptw-mrd"] == "cosine"
    assert rows["masking.content.sharpness"]["bert"] == ""
    assert rows["masking.content.sharpness"]["ptw-mrd"] == "2.0"


def test_tables_without_classes_or_evaluation_are_empty_there(make_run: MakeRun) -> None:
    runs = read_runs([make_run("bare", classes=False, evaluated=False, held_out_every=0)])
    tables = {table.name: table for table in all_tables(runs)}
    for name in ("held_out", "held_out_class", "held_out_frequency", "class_loss", "class_share"):
        assert tables[name].rows == ()
    assert tables["scores"].values("loss") == [None]
    assert tables["scores"].values("gain") == [None]


def test_tables_of_runs_with_different_steps(make_run: MakeRun) -> None:
    runs = read_runs([make_run("a", logging_steps=10), make_run("b", logging_steps=25)])
    steps = [row[1] for row in held_out_table(runs).rows]
    assert steps == [20, 40, 60, 80, 100, 50, 100]
