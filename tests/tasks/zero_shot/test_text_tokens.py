"""Texts as tokens: their words, windows, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from cases import random_examples
from scored_material import KINDS, TEXTS, byte_level, unigram, wordpiece, words_by_hand
from tidemask.errors import UserError
from tidemask.tasks.zero_shot.text_tokens import ScoringTokenizer

each_kind = pytest.mark.parametrize("kind", KINDS)


def _words(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    """The tokens of each word, joined."""
    (tokens,) = ScoringTokenizer(tokenizer).encode([text])
    shown = tokenizer.convert_ids_to_tokens(tokens.targets.tolist())
    words: dict[int, list[str]] = {}
    for token, end in zip(shown, tokens.word_ends.tolist(), strict=True):
        words.setdefault(end, []).append(token)
    return ["".join(word).replace("##", "") for word in words.values()]


def test_text_tokens_words_of_wordpiece() -> None:
    assert _words(wordpiece(), "She didn't, café") == ["she", "didn", "'", "t", ",", "cafe"]


def test_text_tokens_words_of_byte_level() -> None:
    assert _words(byte_level(), "She didn't  paint.") == ["She", "Ġdidn", "'t", "Ġ", "Ġpaint", "."]


@pytest.mark.parametrize("kind", ["unigram", "unigram-in-one-piece"])
def test_text_tokens_words_of_unigram(kind: str) -> None:
    words = _words(KINDS[kind](), "She paints lanterns.")
    assert words == ["▁She", "▁paints", "▁lanterns."]


@each_kind
@random_examples(25)
@given(text=st.text(alphabet="ab é\t\n.'🙂0—e\u0301", max_size=30))
def test_text_tokens_words_are_those_found_by_hand(kind: str, text: str) -> None:
    tokenizer = KINDS[kind]()
    (tokens,) = ScoringTokenizer(tokenizer).encode([text])
    words = words_by_hand(tokenizer, text)
    assert len(words) == len(tokens)
    for place, end, word in zip(tokens.places, tokens.word_ends, words, strict=True):
        inside = range(place - tokens.first, end - tokens.first)
        assert all(words[i] == word for i in inside)
        assert end - tokens.first == len(words) or words[end - tokens.first] != word


@each_kind
def test_text_tokens_are_those_of_the_tokenizer(kind: str) -> None:
    tokenizer = KINDS[kind]()
    for text, tokens in zip(TEXTS, ScoringTokenizer(tokenizer).encode(TEXTS), strict=True):
        assert tokens.ids.tolist() == tokenizer(text)["input_ids"]
        assert tokens.targets.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokens.first == 1


@each_kind
@pytest.mark.parametrize("length", [3, 7, 12, None])
def test_text_tokens_windows_hold_every_token_once(kind: str, length: int | None) -> None:
    for tokens in ScoringTokenizer(KINDS[kind]()).encode([*TEXTS, ""]):
        windows = list(tokens.windows(length))
        together = np.concatenate([window.targets for window in windows])
        assert together.tolist() == tokens.targets.tolist()
        ends = {0}
        for window in windows:
            assert length is None or len(window.ids) <= length
            assert window.ids[0] == tokens.ids[0]
            assert window.ids[-1] == tokens.ids[-1]
            assert (window.word_ends <= len(window.ids) - 1).all()
            assert (window.word_ends > window.places).all()
            ends.add(max(ends) + len(window))
        longest = max(map(len, windows), default=0)
        for end in ends - {0}:  # a window ends within a word only if the word fills it
            last = int(tokens.word_ends[end - 1]) - tokens.first if len(tokens) else end
            assert last == end or last - (end - longest) >= longest


def test_text_tokens_are_cut_to_a_length() -> None:
    (tokens,) = ScoringTokenizer(wordpiece()).encode(["winter winter winter river"])
    short = tokens.cut(len(tokens.ids) - 2)
    assert short.ids.tolist() == [*tokens.ids[:-3], tokens.ids[-1]]
    assert short.num_left_out == 2
    assert short.word_ends.max() == len(short.ids) - 1
    assert tokens.cut(len(tokens.ids)) is tokens
    assert tokens.cut(None) is tokens
    with pytest.raises(UserError, match=r"max_length=2.*2 special tokens"):
        tokens.cut(2)


@pytest.mark.parametrize("make", [wordpiece, byte_level, unigram])
def test_text_tokens_that_spell_special_ones_are_text(make: object) -> None:
    tokenizer = make()
    text = f"a {tokenizer.mask_token} or {tokenizer.sep_token}"
    (tokens,) = ScoringTokenizer(tokenizer).encode([text])
    known = {tokenizer.mask_token_id, tokenizer.sep_token_id, tokenizer.cls_token_id}
    assert not known & set(tokens.targets.tolist())
    assert len(tokens) > 4


def test_text_tokens_of_a_vocabulary_that_has_special_ones_become_unknown() -> None:
    (tokens,) = ScoringTokenizer(unigram()).encode(["[MASK]"])
    assert unigram().mask_token_id not in tokens.targets


def test_text_tokens_refuse_a_tokenizer_without_a_mask() -> None:
    backend = Tokenizer(models.WordLevel({"a": 0, "<pad>": 1}, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(UserError, match="without mask token"):
        ScoringTokenizer(PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>"))


def test_text_tokens_refuse_special_ones_that_nothing_can_replace() -> None:
    backend = Tokenizer(models.BPE({"a": 0, "m": 1}, []))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="m")
    with pytest.raises(UserError, match=r"spells a special token: 'm' in '"):
        ScoringTokenizer(tokenizer).encode(["am"])
