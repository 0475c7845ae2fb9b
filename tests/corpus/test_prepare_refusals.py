"""What preparation refuses: in one line, and with nothing left behind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prepared_documents import SETTINGS, make_documents, prepare, prepare_files
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError


def test_a_corpus_of_an_earlier_version_has_no_documents():
    corpus = open_corpus(Path(__file__).parents[1] / "earlier_version" / "corpus")
    for ask in (lambda: corpus.documents, lambda: corpus.train.pieces):
        with pytest.raises(UserError, match="corpus without its documents: there is no ") as caught:
            ask()
        assert "\n" not in str(caught.value)


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
