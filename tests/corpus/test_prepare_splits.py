"""What is held out, what is dropped as a copy, and what the tokenizer is trained on."""

import json
import random
from dataclasses import replace

import pytest
from transformers import AutoTokenizer

import tidemask
from prepared_documents import all_rows, make_documents, prepare, prepare_files, sentence
from tidemask.corpus.sources.documents import Document
from tidemask.errors import UserError


@pytest.mark.slow
def test_prepare_holds_out_the_share_of_the_tokens_that_was_asked_for(tmp_path):
    for share in (0.05, 0.2):
        corpus = prepare(tmp_path, make_documents(300), str(share), held_out=share, tagger="none")
        counts = corpus.manifest.train, corpus.manifest.held_out
        tokens = [split.num_tokens for split in counts]
        assert abs(tokens[1] / sum(tokens) - share) <= 0.1 * share
        assert corpus.manifest.notes == ()


def test_prepare_follows_documents_that_say_where_they_belong(tmp_path):
    documents = [replace(d, held_out=i < 5) for i, d in enumerate(make_documents(20))]
    corpus = prepare(tmp_path, documents, held_out=0.9)
    counts = (corpus.manifest.train.num_documents, corpus.manifest.held_out.num_documents)
    assert counts == (15, 5)


def test_prepare_drops_copies(tmp_path):
    documents = make_documents(20)
    doubled = documents + [replace(d, source="copy") for d in documents[:7]]
    corpus = prepare(tmp_path, doubled)
    assert corpus.manifest.num_duplicates_dropped == 7
    assert corpus.manifest.fingerprint == prepare(tmp_path, documents, "b").manifest.fingerprint
    all_kept = prepare(tmp_path, doubled, "c", deduplicate="none")
    counts = all_kept.manifest.train, all_kept.manifest.held_out
    assert sum(split.num_documents for split in counts) == 27


def test_prepare_takes_a_held_out_text_and_drops_its_copies(tmp_path):
    documents = [d.text for d in make_documents(30)]
    (tmp_path / "all.txt").write_text("\n\n".join(documents))
    (tmp_path / "test.txt").write_text("\n\n".join(documents[3:6]) + "\n\nNowhere else.\n")
    small = {"vocab_size": 300, "tagger": "none", "workers": 1, "progress": False}
    small["documents"] = "blank-lines"
    arguments = {**small, "held_out_text": tmp_path / "test.txt", "deduplicate": "none"}
    manifest = tidemask.prepare(tmp_path / "all.txt", out=tmp_path / "out", **arguments).manifest
    assert (manifest.train.num_documents, manifest.held_out.num_documents) == (27, 4)
    assert manifest.num_duplicates_dropped == 3
    assert "in the training text, too, which lost 3 documents for that." in manifest.notes[0]
    assert [source.held_out for source in manifest.sources] == [False, True]
    (tmp_path / "one.txt").write_text(documents[3])
    one = tidemask.prepare(
        tmp_path / "all.txt", out=tmp_path / "one", held_out_text=tmp_path / "one.txt", **small
    ).manifest
    assert "in the training text, too, which lost 1 document for that." in one.notes[0]
    with pytest.raises(UserError, match="both a held-out share and a held-out text"):
        tidemask.prepare(tmp_path / "all.txt", out=tmp_path / "no", held_out=0.1, **arguments)
    arguments["held_out_text"] = tmp_path / "all.txt"
    with pytest.raises(UserError, match=r"all of it is held-out text, too \(30 copies dropped\)"):
        tidemask.prepare(tmp_path / "all.txt", out=tmp_path / "no", **arguments)


def test_prepare_trains_the_tokenizer_on_the_training_split_alone(tmp_path):
    documents = [replace(d, held_out=False) for d in make_documents(20)]
    secret = [Document("Ω ψ ΩΩΩ ψψψ Ωψ " * 20, "x", held_out=True)]
    corpus = prepare(tmp_path, documents + secret)
    vocabulary = AutoTokenizer.from_pretrained(corpus.tokenizer_directory).get_vocab()
    assert not any("ω" in token or "ψ" in token for token in vocabulary)
    assert (all_rows(corpus.held_out).input_ids == vocabulary["[UNK]"]).any()


def test_prepare_takes_a_tokenizer_that_is_given(tmp_path):
    first = prepare(tmp_path, make_documents())
    second = prepare(
        tmp_path, make_documents(30, seed=2), "second", tokenizer=str(first.tokenizer_directory)
    )
    assert second.manifest.tokenizer_fingerprint == first.manifest.tokenizer_fingerprint
    assert second.manifest.vocab_size == first.manifest.vocab_size


def test_prepare_lists_what_it_drops_with_its_twin(tmp_path):
    texts = ["A first text.", "A second text.", "A first  text.", " ", "A second text."]
    places = [Document(text, f"file {n % 2}", place=n + 1) for n, text in enumerate(texts)]
    test = Document("A second text.", "test", held_out=True)
    corpus = prepare(tmp_path, [*places, test], held_out=0, tagger="none")
    lines = list(map(json.loads, (corpus.root / "dropped.jsonl").read_text().splitlines()))
    held_out = {"twin_source": "test", "twin_place": 0, "agreement": 1.0}
    first = {"twin_source": "file 0", "twin_place": 1, "agreement": 1.0}
    assert lines == [
        {"source": "file 0", "place": 3, "reason": "copy", **first},
        {"source": "file 1", "place": 4, "reason": "empty"},
        {"source": "file 1", "place": 2, "reason": "copy of a held-out text", **held_out},
        {"source": "file 0", "place": 5, "reason": "copy of a held-out text", **held_out},
    ]


def test_prepare_a_book_without_blank_lines_has_a_held_out_split(tmp_path):
    draw = random.Random(0)
    (tmp_path / "book.txt").write_text("\n".join(sentence(draw) for _ in range(2500)))
    corpus = prepare_files([tmp_path / "book.txt"], out=tmp_path / "out")
    assert corpus.manifest.held_out.num_documents >= 1
    assert corpus.manifest.train.num_documents >= 10
