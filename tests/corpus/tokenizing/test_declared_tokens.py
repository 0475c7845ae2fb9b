"""Special tokens of the user's own: whole in text, and never masked, predicted or drawn."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cases import all_cases
from prose import text
from tidemask import BatchDataset, Masker, MaskingSettings, ShuffledOrder, StepKey, Vocabulary
from tidemask.corpus.prepare import prepare
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.masking.schedule import Constant
from tidemask.tasks.tagging.features import WordTokenizer
from tidemask.tasks.zero_shot.text_tokens import ScoringTokenizer
from tidemask.token_classes import NO_CLASS
from tokenizer_kinds import KINDS, tokenizer_of

DECLARED = ["[ANON]", "<url>", "[E1]"]
TEXT = "Patient [ANON] was seen by Dr [ANON], see <url>; [MASK] [CLS] <mask> </s>"


@cache
def tokenizer(kind: str, *, way: str = "at once") -> Any:
    made = tokenizer_of(kind, template=("<s> $A </s>", "<s> $A </s> $B </s>"))
    if way == "as special tokens":
        made.add_tokens(DECLARED, special_tokens=True)
        return made
    for some in [DECLARED] if way == "at once" else [[one] for one in DECLARED]:
        made.add_special_tokens({"additional_special_tokens": some})
    return made


@all_cases("kind", KINDS)
def test_declared_tokens_are_whole_and_the_named_ones_are_text(kind: str) -> None:
    made = tokenizer(kind)
    (encoded,) = CorpusTokenizer(made).encoder().encode([TEXT])
    ids = encoded.ids.tolist()
    declared = made.convert_tokens_to_ids(DECLARED)
    assert [ids.count(token_id) for token_id in declared] == [2, 1, 0]
    named = {made.mask_token_id, made.pad_token_id, 2, 3}  # <s> and </s> are of the frame
    assert not named & set(ids)
    for place in np.flatnonzero(np.isin(encoded.ids, declared)):
        assert encoded.word_starts[place : place + 2].all()
        spelled = made.convert_ids_to_tokens(ids[place])
        assert TEXT[encoded.starts[place] : encoded.ends[place]].strip() == spelled


@all_cases(("kind", "way"), [(k, w) for k in KINDS for w in ("one by one", "as special tokens")])
def test_declared_in_any_way(kind: str, way: str) -> None:
    """transformers itself forgets which were declared, and knows that they are special."""
    both = [tokenizer(kind), tokenizer(kind, way=way)]
    first, second = (CorpusTokenizer(made).encoder().encode([TEXT])[0] for made in both)
    assert first.ids.tolist() == second.ids.tolist()


@all_cases("kind", KINDS)
def test_declared_tokens_are_read_and_not_scored(kind: str) -> None:
    made = tokenizer(kind)
    declared = made.convert_tokens_to_ids(DECLARED)
    [scored] = ScoringTokenizer(made).encode([TEXT])
    (encoded,) = CorpusTokenizer(made).encoder().encode([TEXT])
    assert (
        scored.ids[scored.first : scored.first + len(encoded.ids)].tolist() == encoded.ids.tolist()
    )
    assert len(scored) == len(encoded.ids) - 3 == len(scored.targets) == len(scored.places)
    assert not np.isin(scored.targets, declared).any()
    assert np.array_equal(scored.ids[scored.places], scored.targets)
    windows = list(scored.windows(12))
    assert sum(map(len, windows)) == len(scored)
    assert (
        np.concatenate([window.targets for window in windows]).tolist() == scored.targets.tolist()
    )


@all_cases("kind", KINDS)
def test_declared_tokens_are_whole_among_words_that_are_tagged(kind: str) -> None:
    made = tokenizer(kind)
    [[_, anon, last]] = WordTokenizer.of(made).subwords([["Dr", "[ANON]", "[MASK]"]])
    declared = made.convert_tokens_to_ids("[ANON]")
    assert (anon[-1], anon.count(declared)) == (declared, 1)
    assert made.mask_token_id not in last


def test_declared_tokens_are_never_masked_or_drawn() -> None:
    made = tokenizer("wordpiece")
    vocabulary = Vocabulary.of_tokenizer(made)
    declared = made.convert_tokens_to_ids(DECLARED)
    assert vocabulary.is_special[declared].all()
    assert not set(declared) & set(vocabulary.ordinary_ids.tolist())


@all_cases("way", ["at once", "one by one", "as special tokens"])
def test_declared_tokens_of_a_prepared_corpus(tmp_path: Path, way: str) -> None:
    """They stand in its rows without a class, are counted, and masking everything leaves them."""
    documents = [f"Dr [ANON] says: {part}" for part in text(20, num_sentences=8).split("\n\n")]
    here = tmp_path / way
    here.mkdir()
    (here / "notes.txt").write_text("\n\n".join(documents))
    made = tokenizer("wordpiece", way=way)
    made.save_pretrained(here / "tokenizer")
    corpus = prepare(
        here / "notes.txt",
        out=here / "corpus",
        tokenizer=here / "tokenizer",
        held_out=0,
        workers=1,
        sequence_length=32,
        progress=False,
    )
    vocabulary = Vocabulary.of_tokenizer(made)
    order = ShuffledOrder(len(corpus.train), seed=0)
    batch = BatchDataset(corpus.train, order, vocabulary.is_special).__getitems__(
        range(len(corpus.train))
    )
    is_declared = batch.input_ids == made.convert_tokens_to_ids("[ANON]")
    assert is_declared.sum() == 20
    counts = corpus.manifest.train
    assert counts.num_special == 20 + (counts.num_unknown or 0)
    assert counts.maskable_per_row * len(corpus.train) == pytest.approx(batch.maskable.sum())
    earlier = replace(counts, num_special=None)
    assert earlier.maskable_per_row * len(corpus.train) == pytest.approx(batch.maskable.sum() + 20)
    assert batch.token_class is not None
    assert (batch.token_class[is_declared] == NO_CLASS).all()
    for unit in ("token", "word"):
        settings = MaskingSettings(ratio=Constant(ratio=1.0), unit=unit)
        masked = Masker(settings, vocabulary, max_steps=1)(batch, progress=0.0, key=StepKey(0, 0))
        assert torch.equal(masked.selected, batch.maskable)
        assert torch.equal(masked.input_ids[is_declared], batch.input_ids[is_declared])
        assert (masked.labels[is_declared] == -100).all()
