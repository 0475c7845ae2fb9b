"""What entries of a new vocabulary are made of, from those of an old one."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from cases import all_cases
from prose import text
from tidemask.corpus.tokenizing.carried_entries import carried_entries
from tidemask.corpus.tokenizing.extension import extended
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tokenizer_kinds import KINDS, tokenizer_of
from trained_tokenizer import train_tokenizer

TEXTS = tuple(text(6).splitlines())


@cache
def tokenizer(kind: str) -> CorpusTokenizer:
    return CorpusTokenizer(tokenizer_of(kind, template=("<s> $A </s>", "<s> $A </s> $B </s>")))


@cache
def trained(kind: str, **settings: Any) -> CorpusTokenizer:
    if kind == "unigram":
        pytest.importorskip("sentencepiece")
    chosen = {"vocab_size": 400, "lowercase": False, **settings}
    return train_tokenizer(TEXTS, tokenizer_kind=kind, **chosen)


@all_cases("kind", KINDS)
def test_carried_to_the_same_vocabulary_everything_stays(kind: str) -> None:
    carried = carried_entries(tokenizer(kind), tokenizer(kind))
    assert carried.keeps_ids
    assert carried.ids == tuple((i,) for i in range(tokenizer(kind).vocab_size))


@all_cases("kind", KINDS)
def test_carried_to_an_extended_vocabulary_new_entries_are_their_pieces(kind: str) -> None:
    """The pieces spell it, and each goes on within the word where the entry does."""
    old = tokenizer(kind)
    new = extended(old, lambda: TEXTS, 20, "here").tokenizer
    carried = carried_entries(old, new)
    assert carried.keeps_ids
    assert carried.num_same == old.vocab_size
    assert carried.num_of_pieces == new.vocab_size - old.vocab_size > 10
    spelled = new.tokenizer.convert_ids_to_tokens(range(old.vocab_size, new.vocab_size))
    for entry, ids in zip(spelled, carried.ids[old.vocab_size :], strict=True):
        first, *others = old.tokenizer.convert_ids_to_tokens(list(ids))
        assert first + "".join(piece.removeprefix("##") for piece in others) == entry
        assert all(piece.startswith("##") for piece in others) or kind != "wordpiece"


def test_carried_between_kinds_by_the_texts_of_entries() -> None:
    old, new = trained("wordpiece"), trained("bpe")
    carried = carried_entries(old, new)
    before, after = old.tokenizer.get_vocab(), new.tokenizer.get_vocab()
    assert not carried.keeps_ids
    for entry, expected in (("Ġriver", "river"), ("Ġthe", "the"), (".", "."), ("Ġthe", "the")):
        assert carried.ids[after[entry]] == (before[expected],)
    assert carried.ids[after["<mask>"]] == (before["[MASK]"],)
    assert carried.ids[after["<s>"]] == (before["[CLS]"],)
    assert carried.ids[after["</s>"]] == (before["[SEP]"],)
    assert carried.ids[after["Ã"]] == ()  # half of a character
    total = carried.num_same + carried.num_of_pieces + sum(not old for old in carried.ids)
    assert total == new.vocab_size
    assert carried.num_same > 100


def test_carried_pieces_are_those_within_a_word() -> None:
    old = trained("wordpiece", vocab_size=120, lowercase=True)
    new = trained("wordpiece", lowercase=True)
    carried = carried_entries(old, new)
    after = new.tokenizer.get_vocab()
    lacking = after.keys() - old.tokenizer.get_vocab().keys()
    inner = [entry for entry in lacking if entry.startswith("##") and carried.ids[after[entry]]]
    assert len(inner) > 5
    for entry in inner:
        found = old.tokenizer.convert_ids_to_tokens(list(carried.ids[after[entry]]))
        assert "".join(piece.removeprefix("##") for piece in found) == entry.removeprefix("##")
        assert all(piece.startswith("##") for piece in found)
