"""What a prepared corpus holds: its text, its classes, its documents and its sources."""

import hashlib
import json
import lzma
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

import tidemask
from prepared_documents import SETTINGS, all_rows, make_documents, prepare, prepare_files
from tidemask import progress
from tidemask.corpus import encoding
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.token_classes import NO_CLASS, UPOS


def words_of(corpus, split):
    """The split's words with the class of each one's first token, those that rows cut put together.

    A tokenizer that is trained marks what goes on within a word, so that a piece shows that it is
    one.
    """
    tokenizer = AutoTokenizer.from_pretrained(corpus.tokenizer_directory)
    rows = all_rows(split)
    words = []
    for ids, starts, classes in zip(rows.input_ids, rows.word_start, rows.token_class, strict=True):
        tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
        for token, is_start, number in zip(tokens, starts.tolist(), classes.tolist(), strict=True):
            if is_start and not token.startswith("##"):
                words.append((token, number))
            elif token not in ("[CLS]", "[SEP]", "[PAD]"):
                words[-1] = (words[-1][0] + token.removeprefix("##"), words[-1][1])
    return words


def split_by(is_held_out, documents):
    return [replace(d, held_out=is_held_out(n)) for n, d in enumerate(documents)]


# --- what comes out


def test_prepare_keeps_all_text_in_order_on_its_side(tmp_path):
    documents = split_by(lambda number: number % 5 == 3, make_documents())
    corpus = prepare(tmp_path, documents)
    for split, side in ((corpus.train, False), (corpus.held_out, True)):
        texts = [d.text for d in documents if d.held_out == side]
        expected = " ".join(texts).lower().replace(",", " ,").replace(".", " .").split()
        assert [word for word, _ in words_of(corpus, split)] == expected


def test_prepare_manifest_says_what_the_rows_hold(tmp_path):
    documents = make_documents()
    corpus = prepare(tmp_path, documents)
    manifest = corpus.manifest
    assert manifest.class_names == UPOS
    assert manifest.tagger == "textblob"
    assert manifest.tagger_fingerprint == load_tagger("textblob").fingerprint
    assert manifest.sequence_length == 32
    assert manifest.train.num_documents + manifest.held_out.num_documents == len(documents)
    for split, counts in ((corpus.train, manifest.train), (corpus.held_out, manifest.held_out)):
        rows = all_rows(split)
        assert counts.num_sequences == len(rows.length)
        is_text = rows.input_ids > 4  # special tokens have the ids 0 to 4; nothing is unknown here
        assert counts.num_tokens == is_text.sum()
        first_tokens = len(rows.length)  # where a row begins within a word, a piece of it starts
        assert 0 <= rows.word_start.sum() - counts.num_words <= first_tokens
        found = np.bincount(rows.token_class[is_text], minlength=256)
        assert counts.class_counts == {name: found[i] for i, name in enumerate(UPOS)}
        assert (rows.token_class[~is_text] == NO_CLASS).all()
        assert sum(counts.class_counts.values()) == counts.num_tokens
    assert manifest.train.class_counts["NOUN"] > 100
    assert json.loads((corpus.root / "manifest.json").read_text())["train"] == asdict(
        manifest.train
    )


def test_prepare_gives_each_word_the_class_of_its_tagger(tmp_path):
    corpus = prepare(tmp_path, make_documents())
    words = words_of(corpus, corpus.train)
    classes_of = {word: {UPOS[c] for w, c in words if w == word} for word in ("the", ".", "and")}
    assert classes_of == {"the": {"DET"}, ".": {"PUNCT"}, "and": {"CCONJ"}}


def test_prepare_without_tagger_has_no_classes(tmp_path):
    corpus = prepare(tmp_path, make_documents(), tagger="none")
    assert corpus.manifest.class_names == ()
    assert (corpus.manifest.tagger, corpus.manifest.tagger_fingerprint) == ("none", "")
    assert corpus.manifest.train.class_counts == {}
    assert (all_rows(corpus.train).token_class == NO_CLASS).all()


def test_prepare_awkward_texts(tmp_path):
    texts = [
        "x" * 90 + " " + "[MASK] [SEP] </s> [PAD]",
        "... !!! ??? --- ***",
        "🙂 👩‍👩‍👧 🙂🙂",
        "cafe\u0301 naïve Ångström a\u0301\u0302",
        "漢字かな交じり文。中文也行。",
        " \n ",
        "",
        "1 2 3",
    ]
    documents = [Document(text, "x", held_out=False) for text in texts]
    settings = {"held_out": 0, "vocab_size": 80, "sequence_length": 8}
    corpus = prepare(tmp_path, documents, tagger="textblob:unchecked", **settings)
    assert corpus.manifest.train.num_documents == len(texts) - 2
    rows = all_rows(corpus.train)
    positions = np.arange(8)
    is_end = positions == rows.length[:, None] - 1
    is_padding = positions >= rows.length[:, None]
    assert (rows.input_ids[:, 0] == 2).all()
    assert (rows.input_ids[is_end] == 3).all()
    assert (rows.input_ids[is_padding] == 0).all()
    assert not (rows.input_ids == 4).any()  # no "[MASK]" in the text became a mask token
    assert not (rows.input_ids == 0)[~is_padding].any()
    assert rows.word_start[:, 1].all()


# --- the same whatever the workers


@pytest.mark.slow
def test_prepare_is_the_same_for_any_number_of_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK_CHARACTERS", 900)
    documents = make_documents()
    one, three = (prepare(tmp_path, documents, f"c{n}", workers=n) for n in (1, 3))
    assert one.manifest == three.manifest
    for split in ("train", "held_out"):
        rows = [all_rows(getattr(corpus, split)) for corpus in (one, three)]
        for name, value in vars(rows[0]).items():
            assert np.array_equal(value, getattr(rows[1], name))


@pytest.mark.slow
def test_prepare_fingerprint_changes_with_what_matters(tmp_path):
    documents = make_documents()
    variants = [
        {},
        {"vocab_size": 299},
        {"lowercase": False},
        {"strip_accents": False},
        {"normalization": "nfkc"},
        {"tokenizer_kind": "bpe"},
        {"tagger": "none"},
        {"sequence_length": 33},
        {"held_out": 0.3},
    ]
    prints = [
        prepare(tmp_path, documents, str(index), **changes).manifest.fingerprint
        for index, changes in enumerate(variants)
    ]
    prints.append(prepare(tmp_path, documents[:-1], "shorter").manifest.fingerprint)
    assert len(set(prints)) == len(variants) + 1
    assert prepare(tmp_path, documents, "again").manifest.fingerprint == prints[0]


# --- documents


def test_prepare_rows_know_their_documents_and_the_text_behind(tmp_path):
    documents = make_documents(30)
    corpus = prepare(tmp_path, [*documents[:3], Document(" ", "blank"), *documents[3:]])
    tokenizer = AutoTokenizer.from_pretrained(corpus.tokenizer_directory)
    table = corpus.documents
    assert [table[number].source for number in range(30)] == [d.source for d in documents]
    for name, split in (("train", corpus.train), ("held_out", corpus.held_out)):
        pieces = split.pieces.of_rows(range(len(split)))
        rows = all_rows(split)
        counts = getattr(corpus.manifest, name)
        assert pieces.num_tokens.sum() == counts.num_tokens
        assert len(set(pieces.document.tolist())) == counts.num_documents
        for number in set(pieces.document.tolist()):
            of_document = pieces.num_tokens[pieces.document == number].sum()
            assert (table[number].split, table[number].num_tokens) == (name, of_document)
        columns = [column.tolist() for column in vars(pieces).values()]
        for row, position, length, number, _, character in zip(*columns, strict=True):
            ids = rows.input_ids[row, position : position + length]
            tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
            text = "".join(documents[number].text[character:].lower().split())
            assert text.startswith("".join(token.removeprefix("##") for token in tokens))


def test_prepare_keeps_fields_of_documents(tmp_path):
    documents = [replace(d, fields={"year": n}) for n, d in enumerate(make_documents(5))]
    table = prepare(tmp_path, documents, tagger="none").documents
    assert [table[number].fields["year"] for number in range(5)] == list(range(5))


# --- files


def test_prepare_files_record_their_sources(tmp_path):
    (tmp_path / "texts").mkdir()
    for index in range(3):
        text = "\n\n".join(d.text for d in make_documents(20, seed=index))
        (tmp_path / "texts" / f"{index}.txt.xz").write_bytes(lzma.compress(text.encode()))
    corpus = prepare_files([tmp_path / "texts"], out=tmp_path / "out")
    assert [Path(s.path).name for s in corpus.manifest.sources] == [
        "0.txt.xz",
        "1.txt.xz",
        "2.txt.xz",
    ]
    for source in corpus.manifest.sources:
        compressed = Path(source.path).read_bytes()
        assert source.num_bytes == len(compressed)
        assert source.sha256 == hashlib.sha256(compressed).hexdigest()
    assert open_corpus(tmp_path / "out").manifest == corpus.manifest


def test_prepare_progress_counts_documents_in_each_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_CALLS", 0)
    calls = []
    prepare_corpus(
        lambda: make_documents(30),
        out=tmp_path / "out",
        settings=SETTINGS,
        on_progress=lambda *call: calls.append(call),
    )
    stages = list(dict.fromkeys(stage for stage, _, _ in calls))
    assert stages == [
        "reading text",
        "counting letters",
        "training tokenizer",
        "tagging and tokenizing",
    ]
    for stage in stages:
        done = [d for s, d, _ in calls if s == stage]
        assert done[:-1] == list(range(len(done) - 1))
    assert calls[-1] == ("tagging and tokenizing", 30, 30)


def test_prepare_fills_the_present_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.txt").write_text("The fox saw the grapes.\n\nA dog sat by the sea.\n")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    small = {"vocab_size": 64, "held_out": 0, "workers": 1, "tagger": "none", "progress": False}
    tidemask.prepare("../text.txt", out=".", **small)
    assert (tmp_path / "out").samefile(".")
    assert open_corpus(tmp_path / "out").manifest.train.num_documents == 2
