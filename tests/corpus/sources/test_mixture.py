"""Mixtures of sources: passes, filters, and what the corpus says of them."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

import tidemask
from prose import text
from tidemask.corpus.sources.mixture import Mixture, find_text
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.store.corpus import PreparedCorpus
from tidemask.corpus.writing import ENCODING
from tidemask.errors import UserError
from tidemask.progress.display import ProgressDisplay


def listed(directory: Path, content: str) -> Path:
    path = directory / "sources.yaml"
    path.write_text(f"sources:\n{content}")
    return path


def mixture(path: Path) -> Mixture:
    return Mixture.find(path, TextSettings())


def test_mixture_documents_have_the_name_of_their_source_and_their_settings(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("one two\nthree\n")
    (tmp_path / "rows.jsonl").write_text('{"body": "four", "year": 5}')
    path = listed(
        tmp_path,
        "  - {name: lines, text: lines.txt, documents: line}\n"
        "  - {name: rows, text: '*.jsonl', text_field: body, keep: [year], passes: 2}\n",
    )
    found = mixture(path)
    assert [(d.text, d.passes, dict(d.fields)) for d in found()] == [
        ("one two", 1, {"source": "lines"}), ("three", 1, {"source": "lines"}),
        ("four", 2, {"source": "rows", "year": 5}),
    ]  # fmt: skip
    assert [(source.name, source.format) for source in found.sources()] == [
        ("", "sources"), ("lines", "text"), ("rows", "json lines"),
    ]  # fmt: skip
    assert isinstance(find_text([path], TextSettings()), Mixture)


def test_mixture_leaves_out_short_and_long_documents_and_says_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\none two\none two three\none two three four\n漢字\n")
    path = listed(
        tmp_path, "  - {name: a, text: a.txt, documents: line, min_words: 2, max_words: 3}\n"
    )
    found = mixture(path)
    for _ in range(2):
        read = {document.text: document.left_out for document in found()}
        assert read == {
            "one": "too short", "one two": "", "one two three": "",
            "one two three four": "too long", "漢字": "",
        }  # fmt: skip
        assert found.notes() == [
            "Documents of a left out: 1 of fewer than 2 words between white space, "
            "1 of more than 3 words between white space."
        ]
    path = listed(tmp_path, "  - {name: a, text: a.txt, documents: line, min_words: 9}\n")
    with pytest.raises(
        UserError, match=r"nothing of source a is left\. Documents of a left out: 5 "
    ):
        list(mixture(path)())


def test_mixture_part_of_a_pass_is_a_choice_by_the_text(tmp_path: Path) -> None:
    lines = [f"text {number}" for number in range(4000)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    passes = {}
    for share in (0.25, 0.5, 1.25):
        path = listed(tmp_path, f"  - {{name: a, text: a.txt, documents: line, passes: {share}}}\n")
        passes[share] = {document.text: document.passes for document in mixture(path)()}
    # Five standard deviations of a binomial count.
    assert abs(len(passes[0.25]) - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5
    assert abs(len(passes[0.5]) - 2000) < 5 * (4000 * 0.25) ** 0.5
    assert passes[0.25].keys() < passes[0.5].keys()
    assert passes[1.25] == {line: 1 + (line in passes[0.25]) for line in lines}


class _Display(ProgressDisplay):
    """Remembers what it was to show."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO()))
        self.calls: list[tuple[str, int, int | None]] = []

    def on_progress(self, stage: str, done: int, total: int | None) -> None:
        self.calls.append((stage, done, total))


def prepared(path: Path, out: Path, progress: bool | ProgressDisplay = False) -> PreparedCorpus:
    return tidemask.prepare(
        path, out=out, vocab_size=200, sequence_length=32, held_out=0.3, tagger=None, workers=1,
        progress=progress,
    )  # fmt: skip


def test_mixture_passes_repeat_training_text_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text(20, seed=1))
    (tmp_path / "b.txt").write_text(text(20, seed=2))
    names = "  - {{name: a, text: a.txt, documents: blank-lines, passes: {}}}\n"
    names += "  - {{name: b, text: b.txt, documents: blank-lines}}\n"
    display = _Display()
    once = prepared(listed(tmp_path, names.format(1)), tmp_path / "once")
    thrice = prepared(listed(tmp_path, names.format(3)), tmp_path / "thrice", display)
    total = thrice.manifest.train.num_documents + thrice.manifest.held_out.num_documents
    assert display.calls[-1] == (ENCODING, total, total)
    assert {of for stage, _, of in display.calls if stage == ENCODING} == {total}
    assert once.manifest.held_out.num_tokens > 0
    assert thrice.manifest.held_out.num_documents == once.manifest.held_out.num_documents
    assert thrice.manifest.num_duplicates_dropped == 0
    counts = [_by_source(once), _by_source(thrice)]
    assert counts[1] == {"a": 3 * counts[0]["a"], "b": counts[0]["b"]}
    assert thrice.manifest.train.num_documents == counts[1].total()


def test_mixture_is_made_again_from_its_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text(10, seed=1))
    (tmp_path / "b.txt").write_text(text(10, seed=2))
    path = listed(tmp_path, "  - {name: a, text: a.txt, passes: 2}\n  - {name: b, text: [b.txt]}\n")
    first = prepared(path, tmp_path / "first")
    again = tidemask.prepare_again(first.root, out=tmp_path / "again", workers=1, progress=False)
    assert again.manifest.fingerprint == first.manifest.fingerprint
    assert again.manifest.sources == first.manifest.sources
    (tmp_path / "b.txt").write_text(text(11, seed=2))
    with pytest.raises(UserError, match=rf"^source changed: the text of b in {path} is not what"):
        tidemask.prepare_again(first.root, out=tmp_path / "other", workers=1, progress=False)
    path.write_text(path.read_text() + "\n")
    with pytest.raises(UserError, match=rf"^source changed: {path} has"):
        tidemask.prepare_again(first.root, out=tmp_path / "other", workers=1, progress=False)


def _by_source(corpus: PreparedCorpus) -> Counter[object]:
    """Documents of the training split by the name of their source."""
    records = (corpus.documents[number] for number in range(len(corpus.documents)))
    return Counter(record.fields["source"] for record in records if record.split == "train")


def test_mixture_that_cannot_be_found_is_named(tmp_path: Path) -> None:
    path = listed(tmp_path, "  - {name: a, text: none.txt}\n")
    with pytest.raises(UserError, match=rf"^source a of {path}: no such file: .*none\.txt\."):
        mixture(path)
    path = listed(tmp_path, "  - {name: a, text: none.txt, keep: [source]}\n")
    with pytest.raises(UserError, match=r"^a field of the name source: keep of a\."):
        mixture(path)
