"""Tables: quoting as spreadsheets and as linguists do it, and what is broken in them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases
from tidemask.corpus.sources import quoted_cells
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.errors import UserError


@pytest.fixture
def usual_limit() -> Iterator[None]:
    """The length of a cell that the `csv` module takes by itself, in the whole process."""
    before = csv.field_size_limit(131_072)
    yield
    csv.field_size_limit(before)


def texts(path: Path) -> list[str]:
    return [document.text for document in TextSources.find([path], TextSettings())()]


def test_tables_quoted_cells_may_have_lines_and_separators(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,text\r\n1,"One, two.\r\n\r\nThree ""four""."\r\n\r\n2,five\r\n')
    assert texts(path) == ['One, two.\n\nThree "four".', "five"]


@all_cases("quoted", [True, False])
def test_tables_quotation_marks_between_tabs_may_be_plain(quoted: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    cells = ['"""No,"" she said."', "plain"] if quoted else ['"No," she said.', "plain"]
    path.write_text("text\tid\n" + "".join(f"{cell}\t1\n" for cell in cells))
    assert texts(path) == ['"No," she said.', "plain"]


CELLS = st.text(st.sampled_from('ab ",;\t\n')).filter(lambda cell: cell.strip() == cell)


@given(
    st.lists(st.tuples(CELLS.filter(bool), CELLS), min_size=1), st.sampled_from([".csv", ".tsv"])
)
def test_tables_written_by_python_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], ending: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"a{ending}"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="," if ending == ".csv" else "\t")
        writer.writerows([("text", "beside"), *rows])
    sources = TextSources.find([path], TextSettings(keep=("beside",)))
    found = [(document.text, document.fields["beside"]) for document in sources()]
    assert found == rows


def test_tables_cells_of_a_megabyte_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text\n"' + "word " * 200_000 + '"\n')
    assert [len(text) for text in texts(path)] == [1_000_000]


@pytest.mark.parametrize("content", [",,\n,,\n", '""\n""\n', ",\n"])
def test_tables_of_empty_cells_have_no_text(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=r"empty text: .*a\.csv\. Expected"):
        texts(path)


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
@pytest.mark.usefixtures("usual_limit")
def test_tables_of_one_long_line_are_read_as_others(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_text("word " * 30_000 + "\n")
    with pytest.raises(UserError, match=r"empty text: .*Expected at least one line"):
        texts(path)


@pytest.mark.usefixtures("usual_limit")
def test_tables_cells_that_are_too_long_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quotation mark without its second one makes one cell of all lines after it."""
    monkeypatch.setattr(quoted_cells, "MAX_DOCUMENT_CHARACTERS", 1000)
    path = tmp_path / "a.csv"
    path.write_text('text,id\none,1\n"two,2\n' + "more,3\n" * 1000)
    with pytest.raises(UserError) as caught:
        texts(path)
    said = f"cell too long: {path}, in the row that begins at line 3, one has more than 1,000 "
    assert str(caught.value).startswith(said)
    assert "a quotation mark without its second one" in str(caught.value)


@all_cases(("content", "said"), [
    ('text,id\n"one,1\ntwo,2\n', "broken quoting: {}, in the row that begins at line 2: "),
    ('text,id\nok,1\n"one" two,1\n', "broken quoting: {}, in the row that begins at line 3: "),
    ("text,id\none,1\ntwo\n", "another number of cells: {}, row 2 below the heading has 1, and"),
    ("text,id\none,two,3\n", "another number of cells: {}, row 1 below the heading has 3, and"),
])  # fmt: skip
def test_tables_broken_rows_are_named(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        texts(path)
    assert str(caught.value).startswith(said.format(path))
