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


def printed(
    table: tuple[list[str], list[list[str]], int],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> list[str]:
    monkeypatch.setattr(stdout, "width", width)
    print_table(table[0], table[1], text_columns=table[2])
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_headings_take_several_lines_before_a_row_becomes_a_paragraph(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = ["split", "5 %", "with those above, %"], [["train", "13", "7.5"]], 1
    lines = printed(lengths, 32, monkeypatch, capsys)
    assert [line.split() for line in lines] == [
        ["with"], ["those"], ["above,"], ["split", "5", "%", "%"], ["─" * 20],
        ["train", "13", "7.5"],
    ]  # fmt: skip
    assert len(printed(lengths, 40, monkeypatch, capsys)) == 3  # one line of headings


def test_a_row_that_is_a_paragraph_reads_as_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Units stand behind their numbers, and a line breaks within none of the short pairs."""
    sentence = "It falls on half a cosine wave, from 30 % at first down to 15 % at the very end."
    recipes = (
        ["recipe", "what it does", "of all, %", "end"],
        [["decay", sentence, "2.7", "15 %"]],
        2,
    )
    assert printed(recipes, 35, monkeypatch, capsys) == [
        "decay",
        "It falls on half a cosine wave,",
        "from 30 % at first down to 15 %",
        "at the very end. of all 2.7 %,",
        "end 15 %",
    ]
