"""A corpus made again from its manifest has the same rows and documents."""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tidemask
from prose import document
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus
from tidemask.errors import UserError
from tidemask.inspection.inspect import inspect_row

SMALL: dict[str, Any] = {
    "tagger": "none", "sequence_length": 16, "vocab_size": 200, "workers": 1, "progress": False,
}  # fmt: skip
QUIET: dict[str, Any] = {"workers": 1, "progress": False}


def texts(number: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [document(rng, 4) for _ in range(number)]


def write_text(path: Path, found: list[str]) -> Path:
    path.write_text("\n\n".join(found))
    return path


def write_records(path: Path, found: list[str]) -> Path:
    path.write_text("\n".join(json.dumps({"body": t, "year": n}) for n, t in enumerate(found)))
    return path


def assert_same(
    again: PreparedCorpus, first: PreparedCorpus, moved: Mapping[str, str] | None = None
) -> None:
    """All is the same but the notes, and the names of files that were moved, by the old ones."""
    moved = moved or {}
    expected = [replace(s, path=moved.get(s.path, s.path)) for s in first.manifest.sources]
    assert again.manifest.sources == tuple(expected)
    assert replace(again.manifest, notes=(), sources=()) == replace(
        first.manifest, notes=(), sources=()
    )
    rows, before = (corpus.documents.table().to_pylist() for corpus in (again, first))
    assert rows == [{**row, "source": moved.get(row["source"], row["source"])} for row in before]
    dropped = (first.root / "dropped.jsonl").read_text()
    for old, new in moved.items():
        dropped = dropped.replace(old, new)
    assert (again.root / "dropped.jsonl").read_text() == dropped


@pytest.mark.parametrize(
    "settings",
    [
        {"held_out": 0.3, "lowercase": True, "deduplicate": "near"},
        {"tokenizer_kind": "bpe", "vocab_size": 300, "words": "whitespace", "deduplicate": "none"},
    ],
)
def test_again_gives_the_same_corpus(tmp_path: Path, settings: dict[str, Any]) -> None:
    found = texts(20)
    path = write_text(tmp_path / "text.txt", [*found, found[3]])
    first = tidemask.prepare(path, out=tmp_path / "first", **{**SMALL, **settings})
    assert first.manifest.settings is not None
    assert first.manifest.settings["documents"] == "blank-lines"
    assert first.manifest.settings.items() >= settings.items()
    assert "workers" not in first.manifest.settings
    assert first.manifest.tidemask_version == tidemask.__version__
    again = tidemask.prepare_again(tmp_path / "first", out=tmp_path / "again", **QUIET)
    assert_same(again, first)


def test_again_takes_files_that_were_moved_and_renamed(tmp_path: Path) -> None:
    found = texts(20)
    write_records(tmp_path / "train.jsonl", found)
    write_text(tmp_path / "test.txt", texts(3, seed=1) + found[:2])
    first = tidemask.prepare(
        tmp_path / "train.jsonl", out=tmp_path / "first", held_out_text=tmp_path / "test.txt",
        text_field="body", keep="year", **SMALL,
    )  # fmt: skip
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "train.jsonl").rename(tmp_path / "elsewhere" / "a.txt")
    (tmp_path / "test.txt").rename(tmp_path / "elsewhere" / "b.txt")
    with pytest.raises(UserError, match=r"source is not where it was: .*train\.jsonl") as caught:
        tidemask.prepare_again(first.root, out=tmp_path / "again", **QUIET)
    assert "\n" not in str(caught.value)
    again = tidemask.prepare_again(
        first.root, out=tmp_path / "again", text=tmp_path / "elsewhere", **QUIET
    )
    renamed = {"train.jsonl": "elsewhere/a.txt", "test.txt": "elsewhere/b.txt"}
    assert_same(
        again, first, {str(tmp_path / old): str(tmp_path / new) for old, new in renamed.items()}
    )
    assert first.manifest.drops == again.manifest.drops
    # It is known where the text is now, so that it can be shown and made again.
    assert all(piece.text for piece in inspect_row(again.root, 0))
    third = tidemask.prepare_again(again.root, out=tmp_path / "third", **QUIET)
    assert_same(third, again)
    assert first.manifest.drops is not None
    assert first.manifest.drops["copy of a held-out text"] == 2


@pytest.mark.slow
def test_again_takes_standard_input_for_text_that_was_there_or_elsewhere(
    tmp_path: Path,
    tidemask: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, held_out = (write_text(tmp_path / f"{n}.txt", texts(9, seed=n)) for n in (1, 2))
    small = ("--tagger", "none", "--vocab-size", 200, "--workers", 1)
    given = ("prepare", "-", "--held-out-text", held_out, "--out", tmp_path / "first", *small)

    def piped(*arguments: object, content: bytes = path.read_bytes()) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return tidemask(*arguments)

    assert piped(*given)[0] == 0
    asked = ("prepare", "--again", tmp_path / "first", "--workers", 1, "--out", tmp_path / "again")
    status, _, err = piped(*asked, "-")
    assert status == 0, err
    assert_same(*map(open_corpus, (tmp_path / "again", tmp_path / "first")))
    status, _, err = piped(*asked[:-1], tmp_path / "other", "-", content=b"Other text.")
    assert (status, err.count("\n")) == (2, 1)
    assert "source is not where it was: standard input" in err


def test_again_uses_the_copy_of_a_tokenizer_that_was_named(tmp_path: Path) -> None:
    path = write_text(tmp_path / "text.txt", texts(20))
    trained = tidemask.prepare(path, out=tmp_path / "trained", **SMALL)
    named = {name: value for name, value in SMALL.items() if name != "vocab_size"}
    trained.tokenizer_directory.rename(tmp_path / "tokenizer")
    first = tidemask.prepare(
        path,
        out=tmp_path / "first",
        tokenizer=tmp_path / "tokenizer",
        extend_vocabulary=5,
        **named,
    )
    (tmp_path / "tokenizer").rename(tmp_path / "gone")
    again = tidemask.prepare_again(first.root, out=tmp_path / "again", **QUIET)
    assert again.manifest.fingerprint == first.manifest.fingerprint
    assert again.manifest.vocab_size == trained.manifest.vocab_size + 5


def test_again_refuses_what_it_cannot_make(tmp_path: Path) -> None:
    path = write_text(tmp_path / "text.txt", texts(20))
    first = tidemask.prepare(path, out=tmp_path / "first", **SMALL)
    path.write_text(path.read_text() + "\nOne more line.\n")
    with pytest.raises(UserError, match=r"source changed: .*text\.txt has .* bytes and the SHA"):
        tidemask.prepare_again(first.root, out=tmp_path / "again", **QUIET)

    of_program = prepare_corpus(
        lambda: [Document(text, "here") for text in texts(20)],
        out=tmp_path / "program",
        settings=PrepareSettings(tagger="none", vocab_size=200, workers=1),
    )
    with pytest.raises(UserError, match=r"no sources: the documents of .* came from a program"):
        tidemask.prepare_again(of_program.root, out=tmp_path / "again", **QUIET)

    earlier = Path(__file__).parents[1] / "earlier_version" / "corpus"
    with pytest.raises(UserError, match=r"no settings: the manifest of .* an earlier version"):
        tidemask.prepare_again(earlier, out=tmp_path / "again", **QUIET)

    manifest = first.root / "manifest.json"
    recorded = json.loads(manifest.read_text())
    for setting, said in (
        ({"flavour": "sweet"}, "unknown settings: flavour in the manifest of "),
        ({"normalization": 0.5}, "wrong settings in the manifest of .*: normalization=0.5"),
        ({"vocab_size": 1}, "wrong settings in the manifest of .*: vocab_size=1"),
    ):
        changed = {**recorded, "settings": {**recorded["settings"], **setting}}
        manifest.write_text(json.dumps(changed))
        with pytest.raises(UserError, match=said):
            tidemask.prepare_again(first.root, out=tmp_path / "again", **QUIET)
    assert not (tmp_path / "again").exists()


def test_again_by_command_says_where_rows_differ(
    tmp_path: Path, tidemask: Callable[..., tuple[int, str, str]]
) -> None:
    path = write_text(tmp_path / "text.txt", texts(20))
    small = ("--tagger", "none", "--vocab-size", 200, "--workers", 1)
    status, _, err = tidemask("prepare", path, "--out", tmp_path / "first", *small)
    assert status == 0, err
    asked = ("prepare", "--again", tmp_path / "first", "--out", tmp_path / "again")
    status, _, err = tidemask(*asked, "--vocab-size", 100)
    assert (status, err.count("\n")) == (2, 1)
    assert "settings beside --again: --vocab-size. Expected none" in err
    status, out, err = tidemask(*asked, "--workers", 1)
    assert (status, "not the same" in err) == (0, False)
    assert f"Corpus: {tmp_path / 'again'}" in out.replace("\n", "")

    manifest = tmp_path / "again" / "manifest.json"
    changed = json.loads(manifest.read_text())
    changed["settings"]["sequence_length"] = 17
    manifest.write_text(json.dumps(changed))
    asked = ("prepare", "--again", tmp_path / "again", "--out", tmp_path / "other")
    status, _, err = tidemask(*asked, "--workers", 1)
    assert status == 0
    assert "The corpus is not the same as" in " ".join(err.split())
