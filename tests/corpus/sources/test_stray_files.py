"""A file that is no text among others of a folder: it is named, and how to leave it out."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cases import all_cases
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.errors import UserError


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Twenty pages of Markdown, some in a folder below."""
    root = tmp_path / "my [draft] pages"
    (root / "more").mkdir(parents=True)
    for number in range(20):
        (root / ("more" if number > 15 else ".") / f"{number}.md").write_text(
            f"# Page {number}\n\nThe harbour has {number} boats.\n"
        )
    return root


def read(*patterns: str | Path) -> int:
    return sum(1 for _ in TextSources.find(patterns, TextSettings())())


STRAYS = {
    "an object without the field": ("data.json", '{"a": 1}', "no field text: "),
    "an array": ("data.json", '[{"a": 1}, {"a": 2}]', "damaged record: "),
    "an array over lines": ("data.json", '[\n  {"a": 1}\n]', "damaged record: "),
    "an object over lines": ("data.json", '{\n  "a": 1\n}', "damaged record: "),
    "a table": ("numbers.csv", "year,boats\n1890,4\n", "no field text: "),
    "damaged Parquet": ("more.parquet", "not of this kind", "damaged file: "),
}


@all_cases(("name", "content", "said"), STRAYS.values(), ids=STRAYS)
def test_stray_file_is_named_with_a_glob_that_leaves_it_out(
    name: str, content: str, said: str, pages: Path
) -> None:
    (pages / name).write_text(content)
    with pytest.raises(UserError) as caught:
        read(pages)
    (pages / name).unlink()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{said}{pages / name}")
    begin = f" If {name} is not text to train on, leave it out: "
    assert message.count(begin) == 1
    advice = message.partition(begin)[2]
    assert advice.endswith("names the 20 files of .md there.")
    (pages / name).write_text(content)
    assert read(shlex.split(advice)[0]) == 20  # what is advised works, as a shell takes it
    (pages / name).unlink()


def test_damaged_file_among_others_of_its_ending_is_no_stray(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_text('{"text": "A boat."}\n')
    (tmp_path / "1.jsonl").write_text('{"text": "A boat\n')
    (tmp_path / "README.md").write_text("# Boats\n")
    with pytest.raises(UserError, match=r"1\.jsonl") as caught:
        read(tmp_path)
    assert "leave it out" not in str(caught.value)


def test_stray_file_of_a_glob_is_named_so_too(pages: Path) -> None:
    (pages / "data.json").write_text('{"a": 1}')
    pattern = str(pages / "*").replace("[", "[[]")
    with pytest.raises(UserError, match=r"If data\.json is not text to train on, .*20 files of"):
        read(pattern)


def test_stray_file_that_was_named_itself_is_no_stray(pages: Path) -> None:
    (pages / "data.json").write_text('{"a": 1}')
    for others in ([], [pages / "1.md"]):
        with pytest.raises(UserError, match="Name it with --text-field") as caught:
            read(pages / "data.json", *others)
        assert "leave it out" not in str(caught.value)
