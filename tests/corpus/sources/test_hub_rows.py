"""Data sets of the hub, and directories of the same form."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cases import all_cases
from tidemask.corpus.sources.documents import TextSource
from tidemask.corpus.sources.hub_rows import HubRows
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.errors import UserError


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of two splits, as it would lie on the hub."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "news").mkdir()
    for split, texts in (("train", ["eins", "zwei"]), ("test", ["drei"])):
        rows = [{"body": text, "id": number} for number, text in enumerate(texts)]
        (tmp_path / "news" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "news"


def found(name: str, **settings: Any) -> TextSources:
    return TextSources.find([name], TextSettings(**settings))


def test_hub_rows_are_streamed_as_documents(directory: Path) -> None:
    sources = found(f"hf:{directory}", text_field="body", keep=("id",))
    name = f"hf:{directory}"
    for _ in range(2):
        assert [(d.text, d.source, d.place, d.fields) for d in sources()] == [
            ("eins", name, 1, {"id": 0}), ("zwei", name, 2, {"id": 1}),
        ]  # fmt: skip
    assert sources.documents == "row"
    assert sources.sources() == (TextSource(path=name, num_bytes=0, sha256="", format="hub"),)


def test_hub_rows_of_a_named_split_and_configuration(directory: Path) -> None:
    for name in (f"hf:{directory}::test", f"hf:{directory}:default:test"):
        assert [document.text for document in found(name, text_field="body")()] == ["drei"]


@all_cases(("ending", "said"), [
    ("", r"no field text: hf:.*news(, row 1)? has body, id\."),
    ("::dev", r"no data set: hf:.*::dev cannot be read \(Bad split: dev\. Available splits: \["),
    (":other", r"no data set: hf:.*:other cannot be read \(BuilderConfig 'other' not found"),
    (":a:b:c", r"no name of a data set: hf:.*:a:b:c\. Expected hf:NAME, hf:NAME:CONFIG"),
])  # fmt: skip
def test_hub_rows_that_do_not_exist_are_named(ending: str, said: str, directory: Path) -> None:
    with pytest.raises(UserError, match=f"^{said}[^\n]*$"):
        list(found(f"hf:{directory}{ending}")())


def test_hub_rows_of_a_hub_that_does_not_answer() -> None:
    with pytest.raises(UserError) as caught:
        HubRows.find("hf:wikimedia/wikipedia:20231101.de")  # HF_HUB_OFFLINE is set in all tests
    assert str(caught.value) == (
        "no data set: hf:wikimedia/wikipedia:20231101.de cannot be read (HF_HUB_OFFLINE is set, "
        "and no copy of it is on this machine). Expected hf:NAME[:CONFIG][:SPLIT] on the hub. "
        "Check the name, or give a directory that `save_to_disk` of datasets wrote."
    )


def test_hub_rows_name_the_extra_that_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"hf:news needs datasets, .*'tidemask\[eval\]'"):
        found("hf:news")
