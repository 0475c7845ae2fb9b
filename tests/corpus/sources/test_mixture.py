"""Mixtures of sources: passes, filters, and what the corpus says of them."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

import tidemask
from prose import text
from tidemask.corpus.planning import COUNTING, LEARNING
from tidemask.corpus.sources.documents import TextSource
from tidemask.corpus.sources.hub_rows import HubRows
from tidemask.corpus.sources.mixture import Mixture, find_text
from tidemask.corpus.sources.recorded import recorded_sources
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.source_list import ListedSource
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


def test_mixture_blank_documents_are_empty_whatever_else_they_would_be(tmp_path: Path) -> None:
    rows = [{"text": text} for text in ("one two three", "", " \n\u3000", "one")]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = listed(tmp_path, "  - {name: a, text: a.jsonl, passes: 1.5, min_words: 2}\n")
    corpus = tidemask.prepare(
        path, out=tmp_path / "corpus", tagger="none", vocab_size=100, sequence_length=16,
        held_out=0, workers=1, progress=False,
    )  # fmt: skip
    drops = corpus.manifest.drops
    assert drops is not None
    assert {reason: n for reason, n in drops.items() if n} == {"empty": 2, "too short": 1}
    assert corpus.manifest.notes == (
        "Documents of a left out: 1 of fewer than 2 words between white space.",
        "The tokenizer has 27 entries where 100 were asked for (--vocab-size): there is too little "
        "text for more.",
    )


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


@pytest.mark.slow
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
    for stage in (COUNTING, LEARNING):
        (done, of) = next(call[1:] for call in reversed(display.calls) if call[0] == stage)
        assert done == of == thrice.manifest.train.num_documents
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
    with pytest.raises(UserError, match=rf"^source changed: {tmp_path / 'b.txt'} has"):
        tidemask.prepare_again(first.root, out=tmp_path / "other", workers=1, progress=False)


MANY = """
  - {name: a, text: a.txt, passes: 2, min_words: 4, documents: blank-lines}
  - {name: b, text: [parts/*.jsonl, b.txt], text_field: body, keep: [year], passes: 0.75}
"""


@pytest.mark.slow
def test_mixture_is_made_again_where_its_files_were_moved_and_its_list_is_gone(
    tmp_path: Path,
) -> None:
    """What the list said is in the manifest, and so is what separates documents."""
    rows = [{"body": text(1, seed=n, num_sentences=3).strip(), "year": n} for n in range(8)]
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "a.txt").write_text(text(10, seed=1))
    (tmp_path / "b.txt").write_text(text(10, seed=2))
    (tmp_path / "held-out.yaml").write_text("sources: [{name: h, text: h.txt, documents: file}]")
    (tmp_path / "h.txt").write_text(text(2, seed=3))
    first = tidemask.prepare(
        listed(tmp_path, MANY), out=tmp_path / "first", held_out_text=tmp_path / "held-out.yaml",
        tagger="none", vocab_size=200, workers=1, progress=False,
    )  # fmt: skip
    said, _, _, _, of_held_out, _ = first.manifest.sources
    assert [(one["name"], one["passes"], one["documents"]) for one in said.listed] == [
        ("a", 2.0, "blank-lines"), ("b", 0.75, "blank-lines"),
    ]  # fmt: skip
    assert of_held_out.held_out
    assert of_held_out.listed[0]["documents"] == "file"

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for number, name in enumerate(("a.txt", "b.txt", "h.txt", "parts/p.jsonl")):
        (tmp_path / name).rename(elsewhere / f"{number}.txt")
    for name in ("sources.yaml", "held-out.yaml"):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match=r"^source is not where it was: .*a\.txt .*Put it back"):
        tidemask.prepare_again(first.root, out=tmp_path / "other", workers=1, progress=False)
    again = tidemask.prepare_again(
        first.root, out=tmp_path / "again", text=elsewhere, workers=1, progress=False
    )
    assert again.manifest.fingerprint == first.manifest.fingerprint
    assert [one.sha256 for one in again.manifest.sources] == [
        one.sha256 for one in first.manifest.sources
    ]
    third = tidemask.prepare_again(again.root, out=tmp_path / "third", workers=1, progress=False)
    assert third.manifest.sources == again.manifest.sources
    assert _by_source(third) == _by_source(first)


def test_mixture_of_an_earlier_manifest_reads_its_list(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text(10, seed=1))
    path = listed(tmp_path, "  - {name: a, text: a.txt, passes: 2}\n")
    first = prepared(path, tmp_path / "first")
    manifest = first.root / "manifest.json"
    earlier = json.loads(manifest.read_text())
    for source in earlier["sources"]:
        del source["listed"]
    manifest.write_text(json.dumps(earlier))
    again = tidemask.prepare_again(first.root, out=tmp_path / "again", workers=1, progress=False)
    assert again.manifest.fingerprint == first.manifest.fingerprint
    assert again.manifest.sources == first.manifest.sources
    path.write_text(path.read_text() + "\n")
    manifest.write_text(json.dumps(earlier))
    with pytest.raises(UserError, match=rf"^source changed: {path} has"):
        tidemask.prepare_again(first.root, out=tmp_path / "other", workers=1, progress=False)


def test_mixture_reads_a_data_set_of_the_hub_at_its_recorded_revision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []

    def find(name: str, revision: str = "") -> HubRows:
        found.append((name, revision))
        return HubRows(name, [{"text": "one"}], revision or "of today")

    monkeypatch.setattr(HubRows, "find", find)
    one = ListedSource(name="a", text="hf:somebody/news").recorded("row")
    recorded = [
        TextSource(path="list.yaml", num_bytes=9, sha256="0", format="sources", listed=(one,)),
        TextSource(path="hf:somebody/news", num_bytes=0, sha256="", format="hub",
                   revision="c0ffee", name="a"),
    ]  # fmt: skip
    again = recorded_sources(recorded, {}, TextSettings())
    assert found == [("hf:somebody/news", "c0ffee")]
    assert again.sources() == tuple(recorded)


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
