"""Tables in terminals of every width: no cell is lost, and no line is longer than the terminal."""

from __future__ import annotations

import pytest

from cases import all_cases
from tidemask.cli.tables import print_table
from tidemask.cli.terminal import stdout

TABLES = {
    "runs": (
        ["run", "state", "step", "of", "begun"],
        [["constant seed 0", "interrupted", "12,345", "20,000", "3"],
         ["books/decay seed 11", "waiting", "0", "20,000", "0"]],
        2,
    ),
    "arms": (
        ["arm", "waiting", "running", "interrupted", "dead", "failed", "finished"],
        [["a-policy-with-a-long-name", "1", "2", "30", "4", "5", "66"]],
        1,
    ),
    "cells": (["masked", "5 %\ntokens"], [["as its own policy masks", "3.521 ± 0.012"]], 1),
    "text": (["text", "PLL"], [["words and more words, and others", "-1,234,567.891"]], 1),
}  # fmt: skip


def test_a_title_is_as_wide_as_the_terminal_allows_whatever_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stdout, "width", 60)
    print_table(["a", "b"], [["1", "2"]], title="Documents that were left out")
    assert capsys.readouterr().out.splitlines()[0] == "Documents that were left out"


@all_cases("name", [*TABLES])
def test_a_table_shows_every_cell_in_any_width(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns, rows, text_columns = TABLES[name]
    for width in (20, 30, 40, 50, 60, 80, 120):
        monkeypatch.setattr(stdout, "width", width)
        print_table(columns, rows, text_columns=text_columns)
        printed = capsys.readouterr().out
        assert max(map(len, printed.splitlines())) <= width, (width, printed)
        shown = "".join(printed.split())
        for cell in [*columns[1:], *(cell for row in rows for cell in row)]:
            words = cell.split() if width < 80 else ["".join(cell.split("\n")[0].split())]
            assert all(word[:8] in shown for word in words), (width, cell, printed)
