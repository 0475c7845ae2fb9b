"""Numbers of a text are compared with the tables at the precision they are written with."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemask.errors import UserError
from tidemask.report.paper import MarkedNumber, check_numbers
from tidemask.report.tables.table_files import write_table
from tidemask.report.tables.typed_table import Column, Table

ARMS = Table(
    name="arms",
    columns=(
        Column("arm", "arm"),
        Column("difference", "difference", kind="real"),
        Column("p", "p", kind="p"),
        Column("steps", "steps", kind="count"),
    ),
    rows=(("decay", -0.02756, 0.0312, 12345), ("whole words", 0.1, None, 100)),
)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    (tmp_path / "report" / "tables").mkdir(parents=True)
    write_table(ARMS, tmp_path / "report" / "tables")
    return tmp_path / "report"


def problems(report: Path, text: str) -> list[str]:
    paper = report.parent / "paper.md"
    paper.write_text(text)
    return check_numbers(paper, report)[1]


@pytest.mark.parametrize(
    "text",
    [
        "falls by 0.028 <!-- tidemask: arms decay difference negative -->",
        "**−0.0276**<!--tidemask: arms decay difference-->",
        "| -0.03 <!-- tidemask: arms decay difference --> |",
        "12,345 <!-- tidemask: arms decay steps --> steps",
        "1.2e4 <!-- tidemask: arms decay steps -->",
        "(p = 0.031) <!-- tidemask: arms decay p -->",
        'up 10 % of 1 or 0.1 <!-- tidemask: arms "whole words" difference -->',
    ],
)
def test_check_takes_what_is_the_table_at_the_digits_written(report: Path, text: str) -> None:
    assert problems(report, text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "0.027 <!-- tidemask: arms decay difference negative -->",
            "line 1: 0.027 negative, but arms, decay",
        ),
        ("rises by 0.028 <!-- tidemask: arms decay difference -->", "0.028, but arms, decay"),
        (
            'falls by 0.1 <!-- tidemask: arms "whole words" difference negative -->',
            "0.1 negative, but arms, whole words, difference is 0.1",
        ),
        ("\n+0.028 <!-- tidemask: arms decay difference -->", "line 2: +0.028, but arms"),
        ("0.02800 <!-- tidemask: arms decay difference negative -->", "0.02800 negative, but"),
        ("1 <!-- tidemask: arm decay difference -->", "no table arm. Did you mean arms?"),
        ("1 <!-- tidemask: arms dekay p -->", "0 rows dekay. Did you mean decay?"),
        ("1 <!-- tidemask: arms decay q -->", "no column q."),
        ('1 <!-- tidemask: arms "whole words" p -->', "is None. Mark a cell with a number"),
    ],
)
def test_check_names_what_is_not_the_table(report: Path, text: str, problem: str) -> None:
    (found,) = problems(report, text)
    assert problem in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "no marked number"),
        ("word <!-- tidemask: arms decay p -->", "mark without a number"),
        ("1 <!-- tidemask: arms decay -->", "Expected table, row and column"),
        ('1 <!-- tidemask: arms "decay p -->', "mark not understood"),
        ("1 <!-- tidemask: arms decay p down -->", "and `negative` if words say so"),
        ("−1 <!-- tidemask: arms decay difference negative -->", "two signs of a number"),
    ],
)
def test_check_refuses_marks_without_meaning(report: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        problems(report, text)


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_check_agrees_with_rounding(value: float, digits: int) -> None:
    unit = Decimal(1).scaleb(-digits)
    rounded = Decimal(repr(value)).quantize(unit, ROUND_HALF_EVEN)

    def agrees(number: Decimal) -> bool:
        found = MarkedNumber(where="", written=f"{number:+f}", table="", row="", column="")
        return found.agrees(value)

    assert agrees(rounded)
    assert not agrees(rounded + 2 * unit)
    assert not agrees(rounded - 2 * unit)
