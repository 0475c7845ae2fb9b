from __future__ import annotations

import csv
import io

import pytest

from tidemask.report.tables.typed_table import MISSING, Column, Kind, Table

TABLE = Table(
    name="example",
    columns=(
        Column("run", "run"),
        Column("loss", "loss", unit="nats", kind="real", error="loss_error"),
        Column("loss_error", "error", kind="real", shown=False),
        Column("tokens", "tokens", kind="quantity"),
    ),
    rows=(("a, “quoted”", 1 / 3, 0.01, 1_234_567), ("b", None, None, 12)),
)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "bert", "bert"),
        ("count", 1234567, "1,234,567"),
        ("quantity", 999, "999"),
        ("quantity", 1000, "1.00 k"),
        ("quantity", 999_499, "999 k"),
        ("quantity", 999_600, "1.00 M"),
        ("quantity", 12_345_678, "12.3 M"),
        ("quantity", 7.2e9, "7.20 G"),
        ("seconds", 0.04, "0.0 s"),
        ("seconds", 59.96, "1 min 00 s"),
        ("seconds", 3599.6, "1 h 00 min"),
        ("seconds", 7325, "2 h 02 min"),
        ("real", -0.5, "−0.500"),
        ("real", -0.0001, "0.000"),
        ("real", None, MISSING),
    ],
)
def test_column_shows_a_value_in_its_kind(kind: Kind, value: float | None, text: str) -> None:
    assert Column("x", "x", kind=kind).show(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.5, "+0.50"), (-0.5, "−0.50"), (-0.001, "0.00")])
def test_column_shows_the_sign_where_asked(value: float, text: str) -> None:
    column = Column("x", "x", kind="real", digits=2, signed=True)
    assert column.show(value) == text


def test_table_shows_standard_errors_behind_their_value() -> None:
    assert TABLE.shown_rows() == [
        ["a, “quoted”", "0.333 ± 0.010", "1.23 M"],
        ["b", MISSING, "12"],
    ]


def test_table_csv_parses_back_to_the_same_values() -> None:
    header, first, second = csv.reader(io.StringIO(TABLE.to_csv()))
    assert header == ["run", "loss", "loss_error", "tokens"]
    assert (first[0], float(first[1]), float(first[2]), int(first[3])) == TABLE.rows[0]
    assert second == ["b", "", "", "12"]


def test_table_select_orders_what_is_shown_and_keeps_the_rest() -> None:
    selected = TABLE.select(["tokens", "run"])
    assert [column.name for column in selected.shown_columns] == ["tokens", "run"]
    assert selected.values("loss") == TABLE.values("loss")
    assert sorted(column.name for column in selected.columns) == sorted(
        column.name for column in TABLE.columns
    )


def test_table_text_is_aligned() -> None:
    lines = TABLE.to_text().splitlines()
    assert [len(line) for line in lines] == [len(lines[0])] * 3
    assert lines[1].endswith("0.333 ± 0.010  1.23 M")


@pytest.mark.parametrize("begin", list("=+-@\t\r\n＝"))
def test_table_csv_holds_no_formula(begin: str) -> None:
    """What a spreadsheet computes is text with an apostrophe; other text and numbers are alike."""
    name = f'{begin}HYPERLINK("http://example.org")'
    columns = (Column(name, "Name"), Column("value", "Value", kind="real"))
    rows = ((name, -1.5), ("-1.5", 2), ("+1e-3", None), ("a=b", -0.0), ("-", 1))
    text = Table(name="t", columns=columns, rows=rows).to_csv()
    first, *others = csv.reader(io.StringIO(text, newline=""))
    assert first == [f"'{name}", "value"]
    assert others == [
        [f"'{name}", "-1.5"], ["-1.5", "2"], ["+1e-3", ""], ["a=b", "-0.0"], ["'-", "1"]
    ]  # fmt: skip
