"""Records under the name of a text are remarked on, and text that looks like them is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources

RECORDS = "\n".join(json.dumps({"text": f"record {number}"}) for number in range(9))


@pytest.mark.parametrize("documents", ["auto", "line"])
@pytest.mark.parametrize(
    "content", [RECORDS, "\ufeff\n" + RECORDS, json.dumps({"text": "word " * 300_000})]
)
def test_record_lines_of_a_text_file_are_remarked_on(
    content: str, documents: str, tmp_path: Path
) -> None:
    path = tmp_path / "renamed.txt"
    path.write_text(content, encoding="utf-8")
    (tmp_path / "other.txt").write_text("A line of text.\n", encoding="utf-8")
    notes = TextSources.find([tmp_path], TextSettings(documents=documents)).notes()
    (note,) = [note for note in notes if "JSON" in note]
    assert note.startswith(f"{path} is read as text and begins with a JSON object: keys")


@pytest.mark.parametrize("content", ["{a} and more", "{\n  x\n}", "[1, 2]", '"quoted"', "12", ""])
def test_record_lines_are_not_seen_in_other_text(content: str, tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text(content, encoding="utf-8")
    notes = TextSources.find([path], TextSettings()).notes()
    assert not [note for note in notes if "JSON" in note]
