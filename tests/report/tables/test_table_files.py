from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tidemask.errors import UserError
from tidemask.report.tables.table_files import (
    MAX_TYPESET_ROWS,
    read_table,
    to_latex,
    to_markdown,
    write_table,
)
from tidemask.report.tables.typed_table import Column, Table

TABLE = Table(
    name="t",
    columns=(
        Column("arm", "arm"),
        Column("mean", "mean", unit="%", kind="real", digits=1),
        Column("hidden", "hidden", shown=False),
    ),
    rows=(("a|b_50%", -1.25, "x"), ("ΔÄ & $", None, None)),
)


def test_table_files_hold_the_same_numbers(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"t.csv", "t.json", "t.md", "t.tex"}
    found = read_table(tmp_path / "t.json")
    assert found.names == ["arm", "mean", "hidden"]
    assert [tuple(row) for row in found.rows] == list(TABLE.rows)
    with (tmp_path / "t.csv").open(newline="") as file:
        assert [row["mean"] for row in csv.DictReader(file)] == ["-1.25", ""]


def test_table_files_show_what_a_reader_sees() -> None:
    assert to_markdown(TABLE) == (
        "| arm | mean, % |\n| --- | ---: |\n| a\\|b_50% | −1.2 |\n| ΔÄ & $ | – |\n"
    )
    assert r"a|b\_50\% & $-$1.2 \\" in to_latex(TABLE)
    assert r"ΔÄ \& \$ & -- \\" in to_latex(TABLE)


def test_table_files_of_a_log_are_for_machines_alone(tmp_path: Path) -> None:
    rows = (("a", 1.0, None),) * (MAX_TYPESET_ROWS + 1)
    write_table(Table(name="log", columns=TABLE.columns, rows=rows), tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".json"}


def test_table_files_that_are_damaged_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"columns": [{"name": "arm"}], "rows": [["a", 1]]}')
    with pytest.raises(UserError, match=r"damaged table: .*t\.json"):
        read_table(path)
