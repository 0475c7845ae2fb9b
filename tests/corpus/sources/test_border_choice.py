"""What is chosen as a document where nobody says it."""

from __future__ import annotations

import random
import textwrap
from pathlib import Path

from cases import all_cases
from prose import document
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources


def words(number: int) -> str:
    return " ".join(["word"] * number)


def blocks(sizes: list[int]) -> str:
    return "\n\n".join(map(words, sizes))


def chosen(directory: Path, contents: list[str], ending: str = ".txt") -> tuple[str, list[str]]:
    for path in directory.iterdir():
        path.unlink()
    for number, content in enumerate(contents):
        (directory / f"{number:03}{ending}").write_text(content, "utf-8")
    sources = TextSources.find([directory], TextSettings())
    again = TextSources.find([directory], TextSettings())
    assert (again.documents, again.notes()) == (sources.documents, sources.notes())
    return sources.documents, sources.notes()


WRAPPED = textwrap.fill(document(random.Random(0), 200).replace("\n", " "), 60)
CHOICES = {
    "long blocks of one file": ([blocks([120, 80, 60, 30])], "blank-lines"),
    "long blocks of many files": ([blocks([120, 80])] * 9, "blank-lines"),
    "paragraphs of many files": ([blocks([24, 30, 2, 45, 60])] * 9, "file"),
    "short blocks of one file": ([blocks([12, 9, 20, 14])], "blank-lines"),
    "short blocks of some files": ([blocks([12, 9, 20, 14])] * 4, "blank-lines"),
    "a long text on each line": (["\n".join(map(words, [85, 40, 120]))], "line"),
    "wrapped lines of one text": ([WRAPPED], "file"),
    "one line in each file": ([words(300)] * 7, "line"),
    "Chinese articles, a line each": (["\n".join(["河水很长。" * 40] * 5)], "line"),
    "Chinese articles between blank lines": (["\n\n".join(["河水很长。" * 40] * 5)], "blank-lines"),
}


@all_cases(("contents", "expected"), CHOICES.values(), ids=CHOICES)
def test_border_choice_follows_the_form_of_the_files(
    contents: list[str], expected: str, tmp_path: Path
) -> None:
    documents, notes = chosen(tmp_path, contents)
    assert documents == expected
    assert f"(--documents {expected}, chosen as " in notes[0]


def test_border_choice_of_markdown_is_the_file(tmp_path: Path) -> None:
    for ending in (".md", ".markdown"):
        directory = tmp_path / ending
        directory.mkdir()
        documents, notes = chosen(directory, ["# Title\n\n" + blocks([200, 300])], ending)
        assert documents == "file"
        assert notes == [
            "Each file is a document (--documents file, chosen as in Markdown blank lines separate "
            "paragraphs)."
        ]


def test_border_choice_remarks_on_short_documents(tmp_path: Path) -> None:
    _, notes = chosen(tmp_path, [blocks([12, 9, 20, 14])])
    assert notes == [
        "Blank lines separate the documents (--documents blank-lines, chosen as the blocks between "
        "them have a median of 13 words).",
        "Half of the documents have 13 words or fewer. If they are paragraphs of longer texts, "
        "name what separates those (--documents).",
    ]
    _, notes = chosen(tmp_path, ["\n".join(map(words, [25, 30, 22]))])
    assert len(notes) == 2
    assert "If they are sentences of longer texts" in notes[1]
    assert len(chosen(tmp_path, [blocks([120, 80])])[1]) == 1


def test_border_choice_says_nothing_where_it_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(blocks([3, 4]))
    sources = TextSources.find([tmp_path], TextSettings(documents="blank-lines"))
    assert list(sources())
    assert sources.notes() == []


def test_border_choice_looks_at_the_beginning_of_some_files(tmp_path: Path) -> None:
    """What comes after the part that is looked at changes nothing, and costs nothing."""
    begin = blocks([100] * 600)
    assert len(begin) > 1 << 18
    assert chosen(tmp_path, [begin]) == chosen(tmp_path, [begin + "\n\n" + blocks([2] * 5000)])
