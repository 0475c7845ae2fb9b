import hashlib
import json
import lzma
import multiprocessing
import random
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

import tidemask
from child_processes import HUNG_SECONDS, ended
from tidemask import progress
from tidemask.corpus import encoding
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.store.shards import SplitWriter
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.errors import UserError
from tidemask.token_classes import NO_CLASS, UPOS

NOUNS = ["cat", "dog", "mat", "house", "river", "garden", "letter", "window", "sailor", "captain"]
VERBS = ["sees", "finds", "likes", "washes", "paints", "remembers"]
ADJECTIVES = ["old", "small", "green", "quiet", "strange"]
SETTINGS = PrepareSettings(
    lowercase=True, vocab_size=300, sequence_length=32, held_out=0.2, workers=1
)


def sentence(draw):
    noun, verb, other = draw.choice(NOUNS), draw.choice(VERBS), draw.choice(NOUNS)
    number = draw.randint(0, 999)
    return f"The {draw.choice(ADJECTIVES)} {noun} {verb} {number} {other}s, and the {other} ran."


def make_documents(num_documents=40, seed=0):
    draw = random.Random(seed)
    return [
        Document("\n".join(sentence(draw) for _ in range(draw.randint(1, 12))), f"text {index}")
        for index in range(num_documents)
    ]


def prepare(tmp_path, documents, name="corpus", **changes):
    return prepare_corpus(
        lambda: documents, out=tmp_path / name, settings=replace(SETTINGS, **changes)
    )


def prepare_files(paths, out):
    return tidemask.prepare(
        paths, out=out, vocab_size=300, sequence_length=32, held_out=0.2, workers=1, progress=False,
        documents="blank-lines",
    )  # fmt: skip


def all_rows(split):
    return split.rows(range(len(split)))


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


# --- splits and duplicates


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


def test_prepare_keeps_fields_of_documents(tmp_path):
    documents = [replace(d, fields={"year": n}) for n, d in enumerate(make_documents(5))]
    table = prepare(tmp_path, documents, tagger="none").documents
    assert [table[number].fields["year"] for number in range(5)] == list(range(5))


def test_a_corpus_of_an_earlier_version_has_no_documents():
    corpus = open_corpus(Path(__file__).parents[1] / "earlier_version" / "corpus")
    for ask in (lambda: corpus.documents, lambda: corpus.train.pieces):
        with pytest.raises(UserError, match="corpus without its documents: there is no ") as caught:
            ask()
        assert "\n" not in str(caught.value)


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


def test_prepare_a_book_without_blank_lines_has_a_held_out_split(tmp_path):
    draw = random.Random(0)
    (tmp_path / "book.txt").write_text("\n".join(sentence(draw) for _ in range(2500)))
    corpus = prepare_files([tmp_path / "book.txt"], out=tmp_path / "out")
    assert corpus.manifest.held_out.num_documents >= 1
    assert corpus.manifest.train.num_documents >= 10


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
    assert stages == ["reading text", "training tokenizer", "tagging and tokenizing"]
    for stage in stages:
        done = [d for s, d, _ in calls if s == stage]
        assert done[:-1] == list(range(len(done) - 1))
    assert calls[-1] == ("tagging and tokenizing", 30, 30)


# --- bad input


def complaint(tmp_path, documents, error=UserError, **changes):
    """The message, after making sure that nothing was left behind."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error) as caught:
        prepare(tmp_path, documents, "new/corpus", **changes)
    assert sorted(tmp_path.rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_prepare_refuses_empty_splits(tmp_path):
    one = [Document("A single text.", "x")]
    assert complaint(tmp_path, one).startswith(
        "held-out split is empty: 1 document and held_out=0.2. Expected at least one document. "
    )
    assert complaint(tmp_path, one).endswith(" or set held_out=0 (--held-out 0).")
    assert complaint(tmp_path, one, held_out=0.999999).startswith("held-out split is empty: ")
    assert complaint(tmp_path, []).startswith("training split is empty: 0 documents ")
    corpus = prepare(tmp_path, one, held_out=0)
    assert len(corpus.held_out) == 0
    assert corpus.manifest.train.num_documents == 1


def test_prepare_refuses_unknown_taggers_and_tokenizers(tmp_path):
    documents = make_documents(5)
    assert "textblub" in complaint(tmp_path, documents, tagger="textblub")
    assert "Expected a tokenizer" in complaint(
        tmp_path, documents, tokenizer=str(tmp_path / "none")
    )


def test_prepare_refuses_bad_files_and_leaves_nothing(tmp_path):
    good = tmp_path / "good.txt"
    good.write_text("\n\n".join(d.text for d in make_documents(30)))
    bad = tmp_path / "very bad.txt"
    bad.write_bytes(b"text\n\n" * 10 + b"\xff")
    with pytest.raises(UserError, match=r"very bad\.txt, byte offset 60: 0xff"):
        prepare_files([good, bad], out=tmp_path / "out")
    with pytest.raises(UserError, match="no such file"):
        prepare_files([good, tmp_path / "absent.txt"], out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.txt", "very bad.txt"]


def test_prepare_refuses_a_taken_directory_before_any_work(tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine").write_text("x")

    def documents():
        raise AssertionError("work was begun")

    with pytest.raises(UserError, match="output directory is not empty"):
        prepare_corpus(documents, out=tmp_path / "corpus", settings=SETTINGS)
    with pytest.raises(UserError, match="output directory is not empty"):
        prepare_files([tmp_path / "absent.txt"], out=tmp_path / "corpus")
    assert [path.name for path in (tmp_path / "corpus").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Document(None, "notes"), "text is not a string: document 3 (of notes): text=None. Exp"),
        (Document(17, "notes"), "text is not a string: document 3 (of notes): text=17. Expected"),
        (Document(np.nan, "notes"), "text is not a string: document 3 (of notes): text=nan. Exp"),
        (Document("a", "b", passes=0), "passes outside their range: document 3 (of b): passes=0."),
        (None, "no document: number 3 of the documents is None. Expected Document(text, source)."),
        ("text", "no document: number 3 of the documents is 'text'. Expected Document("),
    ],
)
def test_prepare_names_a_document_that_is_none(tmp_path, given, said):
    assert complaint(tmp_path, [*make_documents(2), given]).startswith(said)


@pytest.mark.parametrize("change", [-1, 1])
def test_prepare_notices_text_that_changes_meanwhile(tmp_path, change):
    documents = make_documents(31)
    calls = []

    def changing():
        calls.append(None)
        return documents[: 30 + change * (len(calls) > 1)]

    with pytest.raises(UserError, match="text changed while it was read"):
        prepare_corpus(changing, out=tmp_path / "out", settings=SETTINGS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", ["reading text", "training tokenizer"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_prepare_interrupted_before_anything_is_finished_leaves_nothing(tmp_path, stage, error):
    def interrupt(current, done, total):
        if current == stage:
            raise error

    with pytest.raises(error):
        prepare_corpus(
            make_documents, out=tmp_path / "a" / "out", settings=SETTINGS, on_progress=interrupt
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_prepare_interrupted_ends_its_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK_CHARACTERS", 500)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_CALLS", 0)

    def interrupt(stage, done, total):
        if stage == "tagging and tokenizing" and done == 35:
            raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(
            make_documents,
            out=tmp_path / "out",
            settings=replace(SETTINGS, workers=2),
            on_progress=interrupt,
        )
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    assert threading.active_count() == threads


@pytest.mark.slow
def test_prepare_ends_its_workers_when_writing_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK_CHARACTERS", 500)

    def full_disk(self, document, number):
        raise OSError("No space left on device")

    monkeypatch.setattr(SplitWriter, "add", full_disk)
    with pytest.raises(OSError, match="No space left") as caught:
        prepare(tmp_path, make_documents(), workers=2)
    assert multiprocessing.active_children() == []
    assert [path.name for path in tmp_path.iterdir()] == [".corpus.partial"]
    del caught  # it held the frames, and with them all that was not ended


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        (
            {"vocab_size": 63},
            "setting outside its range: vocab_size=63. Expected an integer from 64 to ",
        ),
        ({"workers": 0}, "setting outside its range: workers=0. Expected an integer from 1 to "),
        ({"engine": "slurm"}, "setting outside its range: engine='slurm'. Expected local, ray or "),
        ({"engine": "ray:"}, "setting outside its range: engine='ray:'. Expected local, ray or "),
        ({"engine": "ray", "workers": 65536}, "setting outside its range: workers=65536. "),
        ({"engine": "ray:head:6379", "workers": 65537}, "setting outside its range: workers=65537"),
        ({"sequence_length": 7}, "setting outside its range: sequence_length=7."),
        ({"held_out": 1.0}, "setting outside its range: held_out=1."),
        ({"held_out": -0.1}, "setting outside its range: held_out=-0.1."),
        ({"held_out": float("nan")}, "setting outside its range: held_out=nan."),
        ({"duplicate_threshold": 0.0}, "setting outside its range: duplicate_threshold=0."),
        ({"duplicate_threshold": 1.1}, "setting outside its range: duplicate_threshold=1.1"),
        ({"deduplicate": "fuzzy"}, "setting outside its range: deduplicate='fuzzy'. Expected "),
        ({"duplicate_unit": "line"}, "setting outside its range: duplicate_unit='line'."),
        ({"held_out": 5}, "setting outside its range: held_out=5. Expected a number from "),
    ],
)
def test_prepare_settings_are_checked(changes, start):
    with pytest.raises(UserError) as caught:
        replace(SETTINGS, **changes)
    assert str(caught.value).startswith(start)


# --- in a process of its own

SCRIPT = """
import signal, sys
from tidemask.corpus import encoding
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.text_sources import TextSources

def stop(number, frame):
    raise SystemExit(128 + number)

def main():
    signal.signal(signal.SIGTERM, stop)
    encoding.CHUNK_CHARACTERS = 2000
    settings = PrepareSettings(vocab_size=300, sequence_length=32, held_out=0.2, workers=2,
                               documents="blank-lines")
    def show(stage, done, total):
        if done:
            print(stage, flush=True)
    files = TextSources.find(sys.argv[1:2], settings)
    prepare_corpus(files, out=sys.argv[2], settings=settings, on_progress=show)

if __name__ == "__main__":
    main()
"""


def start_script(tmp_path, num_documents):
    (tmp_path / "script.py").write_text(SCRIPT)
    text = "\n\n".join(d.text for d in make_documents(num_documents))
    (tmp_path / "text.txt").write_text(text)
    (tmp_path / "home").mkdir()
    arguments = [sys.executable, "-W", "error", "script.py", "text.txt", "out"]
    return subprocess.Popen(
        arguments,
        cwd=tmp_path,
        env={"HOME": str(tmp_path / "home"), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_prepare_is_quiet_and_leaves_nothing_in_the_home_directory(tmp_path):
    process = start_script(tmp_path, 60)
    with ended(process):
        _, errors = process.communicate(timeout=HUNG_SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert len(open_corpus(tmp_path / "out").train) > 10
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.slow
def test_prepare_ended_by_a_signal_leaves_what_is_finished(tmp_path):
    process = start_script(tmp_path, 4000)
    with ended(process):
        for line in process.stdout:
            if line.startswith("tagging"):
                break
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=HUNG_SECONDS)
    assert (process.returncode, errors) == (128 + signal.SIGTERM, "")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".out.partial", "home", "script.py", "text.txt"]


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
