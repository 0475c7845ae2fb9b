"""Tokenizers that work in Python: ESM's has a fast form, the others are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CanineTokenizer, EsmTokenizer, PhobertTokenizer

from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.slow_tokenizers import fast_form
from tidemask.errors import UserError

ENTRIES = [
    "<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"
]  # fmt: skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("esm")
    (place / "vocab.txt").write_text("\n".join(ENTRIES))
    (place / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "EsmTokenizer"}))
    return place


def test_slow_esm_is_loaded_in_a_fast_form(directory: Path) -> None:
    loaded = load_tokenizer(directory)
    slow = EsmTokenizer(str(directory / "vocab.txt"))
    sequence = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
    (encoded,) = loaded.encoder().encode([sequence])
    assert slow(sequence)["input_ids"] == [loaded.begin_id, *encoded.ids.tolist(), loaded.end_id]
    assert encoded.starts.tolist() == list(range(len(sequence)))
    assert encoded.word_starts.all()
    named = {name: getattr(slow, f"{name}_token_id") for name in ("mask", "pad", "unk", "cls")}
    assert {name: getattr(loaded.tokenizer, f"{name}_token_id") for name in named} == named
    assert loaded.tokenizer("AG", "V")["input_ids"] == slow("AG", "V")["input_ids"]


@given(st.lists(st.sampled_from([*ENTRIES[4:-1], " ", "j", "ß", "\n"]), max_size=30))
def test_slow_esm_and_its_fast_form_give_the_same_ids(directory: Path, parts: list[str]) -> None:
    slow, fast = _both(directory)
    written = "".join(parts)
    assert slow(written)["input_ids"] == fast(written)["input_ids"]


_kept: dict[Path, tuple[Any, Any]] = {}


def _both(directory: Path) -> tuple[Any, Any]:
    if directory not in _kept:
        slow = EsmTokenizer(str(directory / "vocab.txt"))
        _kept[directory] = slow, fast_form(slow, "there")
    return _kept[directory]


@pytest.mark.slow
def test_slow_tokenizers_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("ng@@ 3\n")
    (tmp_path / "bpe.codes").write_text("n g 3\n")
    phobert = PhobertTokenizer(str(tmp_path / "vocab.txt"), str(tmp_path / "bpe.codes"))
    for tokenizer, reason in (
        (CanineTokenizer(), r"not a fast tokenizer: here \(CanineTokenizer\), which gives code"),
        (phobert, r"\(PhobertTokenizer\), which expects words whose syllables"),
    ):
        with pytest.raises(UserError, match=reason):
            fast_form(tokenizer, "here")
