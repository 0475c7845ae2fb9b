"""Text from standard input, which is read more than once."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.errors import UserError


def given(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_standard_input_is_read_as_often_as_needed_and_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    given("one\n\ntwö".encode(), monkeypatch)
    with TextSources.find(["-", "-"], TextSettings(documents="blank-lines")) as sources:
        for _ in range(3):
            assert [(d.text, d.source) for d in sources()] == [
                ("one", "standard input"), ("twö", "standard input"),
            ]  # fmt: skip
        assert [source.path for source in sources.sources()] == ["standard input"]
    assert list(tmp_path.iterdir()) == []


def test_standard_input_may_be_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    given(b'{"text": "one"}\n{"text": "two"}\n', monkeypatch)
    with TextSources.find(["-"], TextSettings()) as sources:
        assert [document.text for document in sources()] == ["one", "two"]
        assert sources.documents == "row"


def test_standard_input_may_have_a_record_longer_than_what_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = "word " * 300_000
    given(f'{{"text": "{book}"}}\n{{"text": "two"}}\n'.encode(), monkeypatch)
    with TextSources.find(["-"], TextSettings()) as sources:
        assert [document.text for document in sources()] == [book, "two"]


def test_standard_input_that_is_empty_or_a_terminal_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given(b"", monkeypatch)
    with (
        TextSources.find(["-"], TextSettings()) as sources,
        pytest.raises(UserError, match=r"^empty text: standard input\."),
    ):
        list(sources())
    terminal = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    with pytest.raises(UserError, match=r"^no standard input: - is a terminal\."):
        TextSources.find(["-"], TextSettings())
