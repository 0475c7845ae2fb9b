"""Borders of documents in text files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemask.corpus.sources.borders import texts_between
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.errors import UserError

LINES = ["", "  one", "two  ", "", " ", "three", "***", "", "four", ""]
HERE = Path("here")


def between(documents: str, lines: list[str] = LINES) -> list[tuple[str, int]]:
    return [(text, line) for text, line in texts_between(lines, documents, HERE, lambda: None)]


def test_borders_of_each_kind() -> None:
    assert between("blank-lines") == [("  one\ntwo  ", 2), ("three\n***", 6), ("four", 9)]
    assert between("line") == [
        ("  one", 2), ("two  ", 3), ("three", 6), ("***", 7), ("four", 9),
    ]  # fmt: skip
    assert between("file") == [("  one\ntwo  \n\n \nthree\n***\n\nfour", 2)]
    assert between("separator=***") == [("  one\ntwo  \n\n \nthree", 2), ("four", 9)]


@given(st.lists(st.sampled_from(["", " ", "a", "b c", "--"])))
def test_borders_keep_every_line_with_text_in_order(lines: list[str]) -> None:
    expected = [line for line in lines if line.strip()]
    for documents in ("blank-lines", "file", "line", "separator=--"):
        found = between(documents, lines)
        kept = [line for text, _ in found for line in text.split("\n") if line.strip()]
        wanted = [line for line in expected if documents != "separator=--" or line != "--"]
        assert kept == wanted
        for text, place in found:
            assert lines[place - 1 :][: len(text.split("\n"))] == text.split("\n")


def test_borders_a_separator_that_no_line_is_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n***\ntwo\n")
    (tmp_path / "b.txt").write_text("three\n")
    sources = TextSources.find([tmp_path], TextSettings(documents="separator= *** "))
    assert [document.text for document in sources()] == ["one", "two", "three"]
    sources = TextSources.find([tmp_path], TextSettings(documents="separator=---"))
    with pytest.raises(UserError, match=r"^no separator: no line of .*a\.txt, .*b\.txt is '---'\."):
        list(sources())


def test_borders_of_text_and_records_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    (tmp_path / "b.jsonl").write_text('{"text": "three\\n\\nfour"}\n')
    both = TextSources.find([tmp_path], TextSettings(documents="blank-lines"))
    assert [document.text for document in both()] == ["one", "two", "three\n\nfour"]
    with pytest.raises(UserError, match=r"no rows: documents=row, and .*a\.txt is text\."):
        TextSources.find([tmp_path], TextSettings(documents="row"))
    records = TextSources.find([tmp_path / "b.jsonl"], TextSettings(documents="line"))
    assert records.documents == "row"
    assert records.notes() == [
        f"documents=line has no effect, since each record of {tmp_path / 'b.jsonl'} is a document."
    ]
    assert TextSources.find([tmp_path / "b.jsonl"], TextSettings()).documents == "row"
