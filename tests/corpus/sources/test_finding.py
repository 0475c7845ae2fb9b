"""Which files are read, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.errors import UserError


def found(*patterns: Any, **settings: Any) -> TextSources:
    return TextSources.find(patterns, TextSettings(documents="file", **settings))


def test_finding_says_which_files_are_not_read(tmp_path: Path) -> None:
    for name in ("a.txt", "b.md", "c.pdf", "sub/d.PDF", "sub/Makefile", ".hidden", "e.parquet.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    sources = found(tmp_path)
    assert [file.path.name for file in sources.files] == ["a.txt", "b.md"]
    assert sources.notes() == [
        "Files that are not read, by their endings: 2 .pdf, 1 .gz, 1 no ending."
    ]
    assert found(tmp_path / "*.*").notes() == [
        "Files that are not read, by their endings: 1 .pdf, 1 .gz."
    ]
    assert found(tmp_path / "a.txt").notes() == []
    (tmp_path / "sub" / "Makefile").unlink()
    with pytest.raises(UserError, match=r"no text file in the directory: .*sub\. It has 1 \.pdf\."):
        found(tmp_path / "sub")


ROWS = datasets.Dataset.from_dict({"text": [f"text {n}" for n in range(7)], "n": [*range(7)]})


def of_records(*patterns: Any, **settings: Any) -> TextSources:
    return TextSources.find(patterns, TextSettings(**settings))


def test_finding_a_saved_data_set(tmp_path: Path) -> None:
    directory = tmp_path / "saved"
    ROWS.select([5, 0, 3, 1]).save_to_disk(directory, num_shards=2)
    sources = of_records(directory, keep=("n",))
    expected = [("text 5", 5), ("text 0", 0), ("text 3", 3), ("text 1", 1)]
    assert [(document.text, document.fields["n"]) for document in sources()] == expected
    assert sources.notes() == []
    assert {source.format for source in sources.sources()} == {"arrow"}
    (tmp_path / "more.jsonl").write_text('{"text": "more"}\n')
    assert [d.text for d in of_records(tmp_path)()] == [
        "more", "text 5", "text 0", "text 3", "text 1",
    ]  # fmt: skip
    next(directory.glob("*.arrow")).unlink()
    with pytest.raises(UserError, match=r"damaged data set: .*saved lacks data-0000\d"):
        of_records(directory)


def test_finding_a_saved_data_set_of_several_splits(tmp_path: Path) -> None:
    splits = {"train": ROWS.select([1]), "test": ROWS.select([2]), "dev": ROWS.select([3])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "several")
    sources = of_records(tmp_path / "several")
    assert [document.text for document in sources()] == ["text 1"]
    assert sources.notes() == [
        f"Of the data set {tmp_path / 'several'} the split train is read, and not test, dev."
    ]
    assert [d.text for d in of_records(tmp_path / "several" / "dev")()] == ["text 3"]
    del splits["train"]
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "without")
    with pytest.raises(UserError, match=r"no split train: .*without has test, dev\. Name the dir"):
        of_records(tmp_path / "without")
    datasets.DatasetDict({"all": ROWS}).save_to_disk(tmp_path / "alone")
    assert len(list(of_records(tmp_path / "alone")())) == 7
