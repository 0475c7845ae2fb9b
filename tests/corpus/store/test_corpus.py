import json
import multiprocessing
import pickle
import shutil
import warnings

import datasets
import numpy as np
import pytest

from cases import all_cases
from privileges import readable_by_all, without_privileges
from tidemask.corpus.store import shards
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.store.manifest import FORMAT_VERSION, Manifest
from tidemask.corpus.store.packing import RowPacker
from tidemask.corpus.store.pieces import PIECES
from tidemask.corpus.store.rows import EncodedDocument, RowLayout
from tidemask.corpus.store.shards import Shard, SplitWriter
from tidemask.corpus.store.split import CorpusSplit
from tidemask.corpus.store.tables import TableWriter
from tidemask.errors import UserError
from tidemask.token_classes import NO_CLASS

CLASS_NAMES = ("NOUN", "VERB", "X")


def layout(sequence_length, vocab_size=1000):
    return RowLayout(
        sequence_length=sequence_length,
        vocab_size=vocab_size,
        begin_id=1,
        end_id=2,
        separator_id=2,
        pad_id=0,
    )


def random_documents(seed, num_documents, num_tokens=40):
    draw = np.random.default_rng(seed)
    return [
        EncodedDocument(
            draw.integers(10, 1000, num_tokens).astype(np.uint32),
            draw.random(num_tokens) < 0.7,
            draw.choice(np.array([0, 1, NO_CLASS], np.uint8), num_tokens),
            np.arange(num_tokens),
        )
        for _ in range(num_documents)
    ]


def write_split(directory, documents, form):
    pieces = TableWriter(directory.parent / "pieces" / directory.name, PIECES)
    writer = SplitWriter(directory, form, CLASS_NAMES, pieces)
    for number, document in enumerate(documents):
        writer.add(document, number)
    return writer.finish()


def expected_rows(documents, form):
    packer = RowPacker(form)
    blocks = [rows for document in documents for rows, _ in packer.add(document, 0)]
    blocks += [rows for rows, _ in packer.finish()]
    return {
        name: np.concatenate([getattr(block, name) for block in blocks]) for name in vars(blocks[0])
    }


def assert_rows(rows, expected, indices):
    for name, value in vars(rows).items():
        assert value.dtype == expected[name].dtype
        assert np.array_equal(value, expected[name][indices]), name


def make_corpus(root, *, num_train=30, num_held_out=5, sequence_length=13):
    root.mkdir()
    (root / "tokenizer").mkdir()
    (root / "tokenizer" / "tokenizer.json").write_text("{}")
    form = layout(sequence_length)
    train, train_hash = write_split(root / "train", random_documents(1, num_train), form)
    held_out, held_out_hash = write_split(
        root / "held_out", random_documents(2, num_held_out), form
    )
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        sequence_length=sequence_length,
        vocab_size=1000,
        tokenizer_fingerprint="t",
        tagger="textblob",
        tagger_fingerprint="g",
        class_names=CLASS_NAMES,
        train=train,
        held_out=held_out,
        num_duplicates_dropped=0,
        sources=(),
        fingerprint="",
    ).with_fingerprint(train_hash, held_out_hash)
    manifest.write(root / "manifest.json")
    return manifest


# --- rows


@pytest.mark.parametrize("sequence_length", [8, 13, 128])
@pytest.mark.parametrize("shard_tokens", [1, 100, 1 << 22])
@pytest.mark.slow
def test_store_gives_back_the_rows_that_were_written(
    tmp_path, monkeypatch, sequence_length, shard_tokens
):
    monkeypatch.setattr(shards, "SHARD_TOKENS", shard_tokens)
    documents, form = random_documents(0, 60), layout(sequence_length)
    counts, _ = write_split(tmp_path / "train", documents, form)
    expected = expected_rows(documents, form)
    split = CorpusSplit([Shard.open(path) for path in sorted((tmp_path / "train").iterdir())])
    assert len(split) == counts.num_sequences == len(expected["length"])
    assert_rows(split.rows(range(len(split))), expected, slice(None))
    draw = np.random.default_rng(1).integers(0, len(split), 50)
    assert_rows(split.rows(draw), expected, draw)
    assert_rows(split.rows(draw.tolist()[:1]), expected, draw[:1])
    assert_rows(split.rows([]), expected, slice(0, 0))


def test_store_rows_are_copies(tmp_path):
    make_corpus(tmp_path / "corpus")
    split = open_corpus(tmp_path / "corpus").train
    rows = split.rows([0])
    rows.input_ids[:] = 7
    rows.length[:] = 7
    assert not (split.rows([0]).input_ids == 7).all()
    assert split.rows([0]).length[0] != 7


@pytest.mark.parametrize("index", [-1, 10**6])
def test_store_refuses_rows_that_do_not_exist(tmp_path, index):
    make_corpus(tmp_path / "corpus")
    split = open_corpus(tmp_path / "corpus").train
    with pytest.raises(IndexError, match=f"no such row: {index}. Expected a number from 0 to "):
        split.rows([0, index])
    with pytest.raises(IndexError):
        split.rows([len(split)])


def test_store_counts_what_it_holds(tmp_path):
    documents, form = random_documents(3, 50), layout(16)
    counts, _ = write_split(tmp_path / "train", documents, form)
    classes = np.concatenate([document.classes for document in documents])
    assert counts.num_documents == 50
    assert counts.num_tokens == 50 * 40
    assert counts.num_words == sum(1 + document.word_starts[1:].sum() for document in documents)
    assert counts.class_counts == {
        "NOUN": (classes == 0).sum(),
        "VERB": (classes == 1).sum(),
        "X": 0,
    }


def test_store_hash_follows_the_rows_and_not_the_files(tmp_path, monkeypatch):
    documents = random_documents(4, 60)
    _, first = write_split(tmp_path / "a", documents, layout(16))
    monkeypatch.setattr(shards, "SHARD_TOKENS", 64)
    _, same = write_split(tmp_path / "b", documents, layout(16))
    _, reordered = write_split(tmp_path / "c", documents[::-1], layout(16))
    documents[-1].classes[-1] = 2
    _, changed = write_split(tmp_path / "d", documents, layout(16))
    assert first == same
    assert len({first, reordered, changed}) == 3


def test_store_splits_can_be_pickled(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_TOKENS", 100)
    make_corpus(tmp_path / "corpus")
    split = open_corpus(tmp_path / "corpus").train
    sent = pickle.dumps(split)
    assert len(sent) < 20_000  # the place of the rows, not the rows
    expected = vars(split.rows(range(len(split))))
    assert_rows(pickle.loads(sent).rows(range(len(split))), expected, slice(None))


def _total_in_child(connection, split):
    connection.send(int(split.rows(range(len(split))).input_ids.astype(np.int64).sum()))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_store_splits_may_be_used_after_a_fork(tmp_path):
    make_corpus(tmp_path / "corpus")
    split = open_corpus(tmp_path / "corpus").train
    expected = int(split.rows(range(len(split))).input_ids.astype(np.int64).sum())
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_total_in_child, args=(there, split))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads, from 3.12
        child.start()
    assert here.poll(30)
    assert here.recv() == expected
    child.join()


def test_store_files_open_as_hugging_face_datasets(tmp_path):
    make_corpus(tmp_path / "corpus")
    split = open_corpus(tmp_path / "corpus").train
    (path,) = (tmp_path / "corpus" / "train").iterdir()
    dataset = datasets.Dataset.from_file(str(path))
    rows = split.rows(range(len(split)))
    assert dataset["input_ids"][:] == rows.input_ids.tolist()
    assert dataset["word_start"][:] == rows.word_start.tolist()
    assert dataset["token_class"][:] == rows.token_class.tolist()
    assert dataset["length"][:] == rows.length.tolist()


# --- opening


def test_store_opens_what_was_written(tmp_path):
    manifest = make_corpus(tmp_path / "corpus")
    corpus = open_corpus(str(tmp_path / "corpus"))
    assert corpus.manifest == manifest
    assert corpus.root == tmp_path / "corpus"
    assert corpus.tokenizer_directory == tmp_path / "corpus" / "tokenizer"
    assert len(corpus.train) == manifest.train.num_sequences
    assert len(corpus.held_out) == manifest.held_out.num_sequences


def test_store_a_held_out_split_may_be_empty(tmp_path):
    make_corpus(tmp_path / "corpus", num_held_out=0)
    corpus = open_corpus(tmp_path / "corpus")
    assert len(corpus.held_out) == 0
    assert corpus.held_out.rows([]).input_ids.shape == (0, 13)


def complaint(path):
    with pytest.raises(UserError) as caught:
        open_corpus(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_store_refuses_what_is_not_a_corpus(tmp_path):
    assert complaint(tmp_path / "absent").startswith(f"no such corpus: {tmp_path / 'absent'} ")
    assert complaint(tmp_path).startswith(f"not a prepared corpus: {tmp_path} has no manifest.json")


def change_manifest(root, **changes):
    path = root / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_store_refuses_another_format_version(tmp_path):
    root = tmp_path / "corpus"
    make_corpus(root)
    change_manifest(root, format_version=FORMAT_VERSION + 1)
    assert f"format_version={FORMAT_VERSION + 1}. Expected {FORMAT_VERSION}." in complaint(root)


@pytest.mark.parametrize("content", ["{", "[]", "{}", f'{{"format_version": {FORMAT_VERSION}}}'])
def test_store_refuses_a_damaged_manifest(tmp_path, content):
    root = tmp_path / "corpus"
    make_corpus(root)
    (root / "manifest.json").write_text(content)
    assert complaint(root).startswith(f"damaged corpus manifest: {root / 'manifest.json'}: ")


@all_cases("value", ["3", None, [], {}, 1e9, float("nan"), True, -1])
@all_cases("name", ["sequence_length", "vocab_size", "train", "class_names"])
def test_store_refuses_a_manifest_with_values_of_another_type(tmp_path, name, value):
    """A field that is a number may be no text, and so on; the message names it."""
    if name == "class_names" and value == []:
        return  # a corpus without classes
    root = tmp_path / f"{name} {value}"
    make_corpus(root)
    change_manifest(root, **{name: value})
    said = complaint(root)
    assert said.startswith(f"damaged corpus manifest: {root / 'manifest.json'}: ")
    assert name in said.partition("manifest.json: ")[2] or value != value  # JSON has no NaN
    assert said.endswith("Prepare the corpus again.")


def test_store_refuses_a_corpus_without_tokenizer(tmp_path):
    root = tmp_path / "corpus"
    make_corpus(root)
    (root / "tokenizer" / "tokenizer.json").unlink()
    assert complaint(root).startswith(f"incomplete corpus: {root}: tokenizer/tokenizer.json")


def test_store_refuses_missing_files(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_TOKENS", 200)
    root = tmp_path / "corpus"
    make_corpus(root)
    files = sorted((root / "train").iterdir())
    assert len(files) > 2
    files[1].unlink()
    assert f"train/ has {len(files) - 1} of {len(files)} files" in complaint(root)
    for path in (root / "held_out").iterdir():
        path.unlink()
    make_whole = sorted((root / "train").iterdir())
    for path in make_whole:
        path.unlink()
    assert "train/ has no rows" in complaint(root)


def test_store_refuses_files_that_break_off(tmp_path):
    root = tmp_path / "corpus"
    make_corpus(root)
    (path,) = (root / "train").iterdir()
    whole = path.read_bytes()
    for size in (len(whole) // 2, 10, 0):
        path.write_bytes(whole[:size])
        assert f"incomplete corpus: {root}: train/{path.name} is damaged" in complaint(root)


def test_store_refuses_rows_that_the_manifest_does_not_know(tmp_path):
    root = tmp_path / "corpus"
    make_corpus(root)
    train = json.loads((root / "manifest.json").read_text())["train"]
    change_manifest(root, train=train | {"num_sequences": 3})
    assert "its manifest 3" in complaint(root)
    change_manifest(root, train=train, sequence_length=14)
    assert "has rows of 13 tokens, not 14" in complaint(root)


@pytest.mark.parametrize("name", ["train", "held_out"])
def test_corpus_without_permission_is_not_called_incomplete(name, corpus):
    with readable_by_all() as root:
        shutil.copytree(corpus, root / "corpus")
        (root / "corpus" / name).chmod(0)
        with without_privileges(), pytest.raises(UserError) as caught:
            open_corpus(root / "corpus")
    said = f"cannot read: {root / 'corpus' / name}: Permission denied. Check the permissions of"
    assert str(caught.value).startswith(said)
