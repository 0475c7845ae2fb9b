"""The demonstration's text: its size, its split without leaks, and that it is always the same."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from tidemask.corpus.demo_text import documents as demo_text
from tidemask.corpus.demo_text.documents import Passage, demo_documents, held_out_packages
from tidemask.corpus.demo_text.prose import is_prose
from tidemask.corpus.sources.documents import Document


def num_words(documents: list[Document]) -> int:
    return sum(len(document.text.split()) for document in documents)


def shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[start : start + 8]) for start in range(len(words) - 7)}


@pytest.fixture(scope="module")
def reports() -> list[tuple[str, int, int | None]]:
    return []


@pytest.fixture(scope="module")
def documents(reports: list[tuple[str, int, int | None]]) -> list[Document]:
    return demo_documents(lambda *report: reports.append(report))


@pytest.mark.slow
def test_documents_are_lines_of_prose(documents: list[Document]) -> None:
    lines = [line for document in documents for line in document.text.split("\n")]
    assert len(lines) == len(set(lines))
    assert [line for line in lines if not is_prose(line)] == []


@pytest.mark.slow
def test_the_words_are_about_as_many_as_wanted(documents: list[Document]) -> None:
    assert 100_000 < num_words(documents) < 200_000
    assert 200 < num_words(documents) / len(documents) < 600
    by_source = Counter(document.source for document in documents)
    assert max(by_source.values()) < 0.25 * len(documents)


@pytest.mark.slow
def test_packages_are_held_out_whole(documents: list[Document]) -> None:
    split: dict[str, set[bool | None]] = {}
    for document in documents:
        split.setdefault(document.source, set()).add(document.held_out)
    assert all(len(values) == 1 and None not in values for values in split.values())
    share = num_words([document for document in documents if document.held_out]) / num_words(
        documents
    )
    assert 0.04 < share < 0.10


@pytest.mark.slow
def test_the_held_out_text_is_not_in_the_training_text(documents: list[Document]) -> None:
    training = set().union(
        *(shingles(document.text) for document in documents if not document.held_out)
    )
    leaked = [
        line
        for document in documents
        if document.held_out
        for line in document.text.split("\n")
        if len(shingles(line) & training) > 0.1 * len(shingles(line))
    ]
    assert leaked == []


@pytest.mark.slow
def test_progress_callback_is_called_in_order(
    documents: list[Document], reports: list[tuple[str, int, int | None]]
) -> None:
    by_stage: dict[str, list[int]] = {}
    for stage, done, total in reports:
        assert total is None or done <= total
        by_stage.setdefault(stage, []).append(done)
    assert by_stage.keys() == {"reading Python's documentation"}
    assert all(done == sorted(done) for done in by_stage.values())


def test_help_topics_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert demo_text._help_topics() == {}


def passages(words: dict[str, int]) -> list[Passage]:
    return [Passage(name, f"{name}.py", ("word " * number,)) for name, number in words.items()]


def test_packages_held_out_have_the_wanted_share_of_the_words() -> None:
    words = {f"small{number}": 10 + number for number in range(40)} | {"large": 5_000}
    chosen = held_out_packages(passages(words))
    share = sum(words[name] for name in chosen) / sum(words.values())
    assert 0.06 <= share <= 0.09
    assert "large" not in chosen


def test_packages_held_out_do_not_depend_on_the_order_of_the_text() -> None:
    words = {f"package{number}": 10 + number for number in range(40)}
    assert held_out_packages(passages(words)) == held_out_packages(passages(words)[::-1])


def test_no_package_is_held_out_where_each_is_too_large() -> None:
    assert held_out_packages(passages({"one": 100, "two": 100})) == frozenset()


@pytest.mark.slow
def test_the_text_is_the_same_in_another_process(documents: list[Document]) -> None:
    """Whatever the order of its sets, which the seed of their hashes changes."""
    program = (
        "import hashlib; from tidemask.corpus.demo_text.documents import demo_documents;"
        " print(hashlib.sha256(repr(demo_documents()).encode()).hexdigest())"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    output = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.strip() == hashlib.sha256(repr(documents).encode()).hexdigest()
