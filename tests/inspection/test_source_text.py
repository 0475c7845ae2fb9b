"""The text behind rows is that of the files, however a corpus was put together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from prose import text
from tidemask.corpus.prepare import prepare
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus
from tidemask.inspection.inspect import inspect_row
from tidemask.inspection.source_text import source_texts


def prepared(root: Path, source: str, **settings: Any) -> PreparedCorpus:
    return prepare(
        root / source, out=root / "corpus", tokenizer_kind="bpe", vocab_size=300,
        sequence_length=32, tagger="none", workers=1, progress=False, **settings,
    )  # fmt: skip


def check_every_row(corpus: PreparedCorpus) -> None:
    """The words of each piece spell its text; white space alone is shown as the vocabulary does."""
    for split in ("train", "held_out"):
        for row in range(len(getattr(corpus, split))):
            notes: list[str] = []
            for piece in inspect_row(corpus.root, row, split=split, on_note=notes.append):
                assert piece.text is not None, notes
                letters = "".join(word.text for word in piece.words)
                assert re.sub(r"\s", "", piece.text) == re.sub(r"[\sĊĠ]", "", letters)


@pytest.mark.slow
@pytest.mark.parametrize("is_listed", [False, True])
def test_source_text_of_records_beside_a_held_out_file(is_listed: bool, tmp_path: Path) -> None:
    """What separates documents of the held-out text, and its place, are of its own."""
    records = [json.dumps({"text": one}) for one in text(6).split("\n\n")]
    (tmp_path / "train.jsonl").write_text("\n".join(records), encoding="utf-8")
    (tmp_path / "held.txt").write_text(text(3, seed=5), encoding="utf-8")
    (tmp_path / "mix.yaml").write_text("sources:\n- {name: records, text: train.jsonl}\n")
    source = "mix.yaml" if is_listed else "train.jsonl"
    corpus = prepared(tmp_path, source, held_out_text=tmp_path / "held.txt")
    assert corpus.manifest.held_out.num_documents == 3
    check_every_row(corpus)


@pytest.mark.slow
def test_source_text_of_documents_with_several_passes(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(text(6), encoding="utf-8")
    (tmp_path / "mix.yaml").write_text("sources:\n- {name: one, text: one.txt, passes: 3}\n")
    corpus = prepared(tmp_path, "mix.yaml", held_out=0.2, documents="blank-lines")
    assert corpus.manifest.train.num_documents % 3 == 0
    check_every_row(corpus)


@pytest.mark.slow
def test_source_text_of_passages_with_several_passes(tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text(text(8).replace("\n\n", "\n"), encoding="utf-8")
    (tmp_path / "mix.yaml").write_text("sources:\n- {name: one, text: novel.txt, passes: 2}\n")
    corpus = prepared(tmp_path, "mix.yaml", held_out=0.2, documents="file")
    assert corpus.manifest.train.num_documents > 2
    check_every_row(corpus)


def test_source_text_reads_a_source_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many documents of it are wanted, and in whatever order."""
    (tmp_path / "one.txt").write_text(text(6), encoding="utf-8")
    prepared(tmp_path, "one.txt", held_out=0.2, documents="blank-lines")
    corpus = open_corpus(tmp_path / "corpus")
    read: list[Path] = []
    real = Path.open

    def opened(path: Path, *arguments: Any, **options: Any) -> Any:
        read.append(path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", opened)
    texts, notes = source_texts(corpus, [corpus.documents[i] for i in (4, 1, 3, 1)])
    whole = text(6).strip().split("\n\n")
    assert (texts, notes) == ({i: whole[i] for i in (1, 3, 4)}, [])
    assert read.count(tmp_path / "one.txt") == 3  # its hash, a look at its lines, and its text
