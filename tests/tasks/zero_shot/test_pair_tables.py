"""Tables of minimal pairs: as the `csv` module writes them, and as they stand in plain text."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from tidemask.errors import UserError
from tidemask.tasks.zero_shot.minimal_pairs import MinimalPairsTask
from tidemask.tasks.zero_shot.pair_files import read_pairs
from tidemask.tasks.zero_shot.pair_tables import first_row_note, table_rows

SPOKEN = [
    ('She said "no".', 'She say "no".'),
    ("The cats sleep.", "The cats sleeps."),
    ('"Go," he said.', '"Go," he say.'),
    ("Two\nlines, and more.", "Two\nline,\tand more."),
]


def _pairs(path: Path, columns: tuple[str, str] | None = None) -> list[tuple[str, str]]:
    return [(pair.good, pair.bad) for pair in read_pairs([path], columns=columns)]


def _write_csv(path: Path, rows: Any, **options: Any) -> Path:
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **{"delimiter": delimiter, **options}).writerows(rows)
    return path


@pytest.mark.parametrize("ending", [".tsv", ".csv"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_pair_tables_are_read_as_the_csv_module_writes_them(
    tmp_path: Path, ending: str, quoting: int
) -> None:
    path = _write_csv(tmp_path / f"a{ending}", SPOKEN, quoting=quoting)
    assert _pairs(path) == SPOKEN
    read = read_pairs([_write_csv(path, [("good", "bad"), *SPOKEN, SPOKEN[1]], quoting=quoting)])
    assert [(pair.good, pair.bad) for pair in read] == [*SPOKEN, SPOKEN[1]]
    assert [pair.place.rpartition(" ")[2] for pair in read] == ["2", "3", "4", "5", "8"]


_TEXT = st.text('a "\t\n,;', max_size=6)
_CELL = st.tuples(_TEXT, _TEXT).map("c d".join).map(str.strip)


@given(
    st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=6),
    st.sampled_from([".tsv", ".csv"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@random_examples(300)
def test_pair_tables_give_back_whatever_the_csv_module_wrote(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], ending: str, quoting: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"own{ending}"
    _write_csv(path, rows, quoting=quoting)
    found = [(row["sentence_good"], row["sentence_bad"]) for row, _ in table_rows(path)]
    assert found == rows


@pytest.mark.parametrize(
    "line",
    [
        '"Go," he said.\t"Go," he say.',
        '"Go."\tGo.',
        'He said "go".\tHe say "go".',
        '"Yes" and "no".\t"Yes" and no.',
    ],
)
def test_pair_tables_of_plain_text_keep_the_quotation_marks_of_sentences(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"The cats sleep.\tThe cats sleeps.\n{line}\n", encoding="utf-8")
    assert _pairs(path)[1] == tuple(line.split("\t"))


def test_pair_tables_of_a_spreadsheet_quote_what_has_a_comma(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('"Yes, we go."\t"Yes, we goes."\nWe go.\tWe goes.\n', encoding="utf-8")
    assert _pairs(path) == [("Yes, we go.", "Yes, we goes."), ("We go.", "We goes.")]


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        ("sentence_bad\tsentence_good", None),
        ("Bad sentence\tGood sentence", None),
        ("unacceptable\tacceptable", None),
        ("Ungrammatical_Sentence\tgrammatical-sentence", None),
        ("falsch\trichtig", ("richtig", "falsch")),
    ],
)
def test_pair_tables_take_their_columns_from_the_heading(
    tmp_path: Path, heading: str, columns: tuple[str, str] | None
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"{heading}\nWe goes.\tWe go.\n", encoding="utf-8")
    assert _pairs(path, columns) == [("We go.", "We goes.")]
    path.write_text(f"n\t{heading}\tUID\n7\tWe goes.\tWe go.\tagreement\n", encoding="utf-8")
    (pair,) = read_pairs([path], columns=columns)
    assert (pair.good, pair.bad, pair.paradigm) == ("We go.", "We goes.", "agreement")


def test_pair_tables_of_semicolons_and_of_single_words(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("good;bad\nYes, we go.;Yes, we goes.\n", encoding="utf-8")
    assert _pairs(path) == [("Yes, we go.", "Yes, we goes.")]
    path.write_text("cats,catses\ndogs,dogses\n", encoding="utf-8")
    assert _pairs(path) == [("cats", "catses"), ("dogs", "dogses")]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("satz_a\tsatz_b\nWe go.\tWe goes.\n", None, "unknown heading: .*line 1: 'satz_a', 'satz"),
        ("n\ta\tb\n1\tc d\td c\n", None, r"line 1 has 3 columns: .*minimal_pairs\.good="),
        ("good\tbad\nWe go.\n", None, r"line 2 has 1 columns\. Expected 2, as the heading"),
        ("good\tbad\tgood\na b\tb a\tc\n", None, "columns of one name: .*line 1"),
        ("good\tbad\na b\tb a\n", ("x", "y"), r"no such columns: .*'good', 'bad'\. Expected .*x"),
    ],
)
def test_pair_tables_refuse_what_is_not_certain(
    tmp_path: Path, text: str, columns: tuple[str, str] | None, message: str
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        _pairs(path, columns)


def test_pair_tables_refuse_broken_quotes_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a b,b a\n"Go" he said.,"Go" he say.\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"broken quoting: .*a\.csv, in the row .* line 2: "):
        _pairs(path)


@pytest.mark.parametrize("ending", [".tsv", ".csv"])
@pytest.mark.parametrize("heading", [[("good", "bad")], []])
def test_pair_tables_have_sentences_of_any_length(
    tmp_path: Path, ending: str, heading: list[tuple[str, str]]
) -> None:
    """Longer than the 131,072 characters that the `csv` module takes by itself."""
    long = "word " * 30_000
    pair = (f'{long}says, "no".', f'{long}say, "no".')
    limit = csv.field_size_limit(131_072)  # of the process, in which other tables may be read
    try:
        assert _pairs(_write_csv(tmp_path / f"a{ending}", [*heading, pair])) == [pair]
    finally:
        csv.field_size_limit(limit)


@pytest.mark.parametrize("ending", [".tsv", ".csv"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_pair_tables_have_lines_that_end_in_any_way(
    tmp_path: Path, ending: str, line_end: str
) -> None:
    path = _write_csv(tmp_path / f"a{ending}", SPOKEN[1:2] * 2, lineterminator=line_end)
    assert _pairs(path) == SPOKEN[1:2] * 2


def test_pair_tables_are_described_as_before_unless_read_in_another_way(tmp_path: Path) -> None:
    path = _write_csv(tmp_path / "a.tsv", SPOKEN[1:2])
    described = MinimalPairsTask(path=path).describe("bert")
    assert described["settings"].keys() == {"variant", "precision", "limit"}
    assert described["data"].keys() == {"fingerprint"}
    _write_csv(path, SPOKEN)
    described = MinimalPairsTask(path=path, columns=("a", "b")).describe("bert")
    assert described["data"]["quoted"] is True
    assert described["settings"]["columns"] == ["a", "b"]


def test_pair_tables_say_what_their_first_row_was_read_as(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ok sentence,wrong one\nHe runs.,He run.\n")
    assert first_row_note(path) == (
        f"{path}, line 1 ('ok sentence', 'wrong one') was read as the first pair, for it is no "
        "heading that is known."
    )
    path.write_text("good,bad\nHe runs.,He run.\n")
    assert str(first_row_note(path)).endswith("('good', 'bad') was read as the heading.")
