"""What `tidemask compare` prints, in the width of a terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tidemask.cli.comparison_tables import show_comparison
from tidemask.report.compare import Comparison
from tidemask.report.tables.typed_table import Column, Table


def downstream(labels: list[str], tasks: list[str]) -> Table:
    """Every score is 84.15, from 83.5 to 85.2."""
    columns = [Column("run", "run"), Column("loss_5", "5 %", kind="real")]
    for task in tasks:
        limits = f"{task}/low", f"{task}/high"
        columns += [
            Column(task, task, kind="real", digits=1, limits=limits),
            *(Column(name, name, kind="real", shown=False) for name in limits),
        ]
    rows = tuple((label, 5.0, *(84.15, 83.5, 85.2) * len(tasks)) for label in labels)
    return Table(name="downstream_scores", columns=tuple(columns), rows=rows)


@pytest.fixture
def printed(
    comparison: Comparison, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")

    def show(table: Table) -> list[str]:
        show_comparison(replace(comparison, downstream=table))
        return capsys.readouterr().out.splitlines()

    return show


@pytest.mark.parametrize("num_runs", [1, 2, 5, 9])
@pytest.mark.slow
def test_comparison_text_fits_80_columns_and_shows_every_run(printed, num_runs: int) -> None:
    labels = [f"constant-matched (runs/seed-{seed})" for seed in range(num_runs - 1)]
    tasks = ["pseudo-perplexity", "sst2"]
    lines = printed(downstream([*labels, "random weights"], tasks))
    tables = [
        line
        for line in lines
        if not line.startswith(("One seed", "Report")) and "with one seed" not in line
    ]
    assert max(map(len, tables)) <= 80
    assert "…" not in "".join(tables)
    text = "\n".join(tables)
    assert text.count("84.2 (83.5 to 85.2)") == 2 * num_runs
    assert [f"seed-{seed}" in text for seed in range(num_runs - 1)] == [True] * len(labels)
    assert "loss" in tables[2]


def test_comparison_text_of_runs_without_downstream_scores(printed) -> None:
    lines = printed(downstream([], []))
    assert not any("Downstream" in line for line in lines)
    assert lines[-1].startswith("Report: ")
    assert Path(lines[-1].removeprefix("Report: ")).name == "index.html"
