"""A cased vocabulary under a tokenizer that lower-cases, as with `vocab.txt` alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from prose import text
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.tokenizing.letter_case import case_note
from tiny_models import tiny
from trained_tokenizer import train_tokenizer

SPECIAL = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def _vocabulary_alone(directory: Path, *, lowercase: bool) -> Path:
    """A BERT of a vocabulary that was trained with or without capitals, and no other file of it."""
    trained = train_tokenizer(text(40).splitlines(), vocab_size=300, lowercase=lowercase).tokenizer
    entries = [entry for entry in trained.get_vocab() if entry not in SPECIAL]
    directory.mkdir()
    (directory / "vocab.txt").write_text("\n".join([*SPECIAL, *sorted(entries)]) + "\n")
    (directory / "config.json").write_text(json.dumps({"model_type": "bert"}))
    return directory


def test_letter_case_of_a_cased_vocabulary_is_told_apart(tmp_path: Path) -> None:
    cased = _vocabulary_alone(tmp_path / "cased", lowercase=False)
    tokenizer = AutoTokenizer.from_pretrained(cased)
    note = case_note(tokenizer, "there") or ""
    with_capitals = [e for e in tokenizer.get_vocab() if e != e.lower() and e not in SPECIAL]
    assert with_capitals
    assert "there lower-cases text" in note
    assert "set do_lower_case to false in its tokenizer_config.json" in note
    (cased / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    tokenizer = AutoTokenizer.from_pretrained(cased)
    assert case_note(tokenizer, "there") is None
    assert "Marta" in tokenizer.tokenize("Marta")
    uncased = _vocabulary_alone(tmp_path / "uncased", lowercase=True)
    assert case_note(AutoTokenizer.from_pretrained(uncased), "there") is None


@pytest.mark.slow
def test_letter_case_is_named_by_prepare_and_by_measurements(
    tidemask: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    cased = _vocabulary_alone(tmp_path / "cased", lowercase=False)
    size = len(AutoTokenizer.from_pretrained(cased))
    tiny("bert", vocab_size=size, pad_token_id=0).save_pretrained(cased)
    (tmp_path / "text.txt").write_text(text(60))
    status, _, err = tidemask(
        "prepare", tmp_path / "text.txt", "--out", tmp_path / "corpus", "--tokenizer", cased,
        "--workers", 1, "--tagger", "none",
    )  # fmt: skip
    assert status == 0, err
    note = case_note(AutoTokenizer.from_pretrained(cased), str(cased))
    assert note in open_corpus(tmp_path / "corpus").manifest.notes
    assert f"{note}" in err
    for command in ("score", "fill"):
        status, _, err = tidemask(command, cased, "The [MASK] sleeps.")
        assert (status, f"{note}" in err) == (0, True)
