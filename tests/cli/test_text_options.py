"""The options on how files become documents, from the command line to the corpus."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus

Command = Callable[..., tuple[int, str, str]]
SMALL = ["--vocab-size", 80, "--sequence-length", 16, "--held-out", 0, "--workers", 1]


@pytest.fixture
def prepared(tidemask: Command, tmp_path: Path) -> Callable[..., tuple[PreparedCorpus, str]]:
    """The corpus of some arguments, and what was said."""

    def run(*arguments: Any) -> tuple[PreparedCorpus, str]:
        out = tmp_path / f"corpus-{len(list(tmp_path.glob('corpus-*')))}"
        status, _, err = tidemask("prepare", *arguments, "--out", out, *SMALL, "--tagger", "none")
        assert status == 0, err
        return open_corpus(out), err

    return run


def test_text_options_of_records(prepared: Any, tmp_path: Path) -> None:
    rows = [{"body": f"Row {n} of {n * n}.", "year": n} for n in range(20)]
    rows.append({"body": None, "year": 0})
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    corpus, said = prepared(path, "--text-field", "body", "--keep", "year")
    assert corpus.manifest.train.num_documents == 20
    assert [source.format for source in corpus.manifest.sources] == ["json lines"]
    note, *_ = corpus.manifest.notes
    assert note == f"Records left out because body is null: 1, the first of them {path}, line 21."
    assert said.count(note) == 1


@pytest.mark.slow
def test_text_options_of_borders_encoding_and_errors(prepared: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Der Fluß.\nDas Meer.\n\nDie See.".encode("cp1252"))
    counts = {}
    for documents in ("line", "blank-lines", "file"):
        corpus, said = prepared(path, "--documents", documents, "--encoding", "cp1252")
        counts[documents] = corpus.manifest.train.num_documents
        assert not any("--documents" in note for note in corpus.manifest.notes)
        assert "(--documents" not in said
    assert counts == {"line": 3, "blank-lines": 2, "file": 1}
    corpus, said = prepared(path, "--errors", "replace")
    assert corpus.manifest.train.num_documents == 2
    chosen, remark, replaced, *_ = corpus.manifest.notes
    assert chosen.startswith("Blank lines separate the documents (--documents blank-lines, chosen")
    assert remark.startswith("Half of the documents have ")
    assert replaced.startswith(
        f"Bytes that are not utf-8, or NUL, and stand as U+FFFD: 1 in {path}"
    )
    assert {said.count(note) for note in corpus.manifest.notes} == {1}


def test_text_options_take_standard_input(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"The fox saw the grapes.\n***\nA dog sat by the sea."
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    corpus, _ = prepared("-", "--documents", "separator=***")
    assert corpus.manifest.train.num_documents == 2
    assert [source.path for source in corpus.manifest.sources] == ["standard input"]


def test_text_options_that_cannot_be_are_refused(tidemask: Command, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    for option, value in (("--documents", "lines"), ("--encoding", "utf-9"), ("--errors", "skip")):
        status, _, err = tidemask(
            "prepare", tmp_path / "a.txt", "--out", tmp_path / "out", option, value
        )
        assert (status, err.count("\n")) == (2, 1)
        assert value in err
        assert "Expected" in err
