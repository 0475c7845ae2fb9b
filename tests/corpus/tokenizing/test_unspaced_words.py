"""Tokenizers that are trained on scripts without spaces have no entries of several words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

import pytest

from tidemask.corpus.tokenizing.extension import extended
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.words.boundaries import parts_at_words, unicode_words
from trained_tokenizer import train_tokenizer

# Words of our own choice, each of them one by the dictionaries of ICU, with what ends a sentence.
WORDS = {
    "Thai": ("แม่ ซื้อ ผัก ตลาด อ่าน หนังสือ บ้าน ข้าว น้ำ ฝน หนัก เพื่อน รถ แมว หมา นอน", " "),
    "Japanese": ("猫 が 屋根 の に パン を りんご とても です わたし ともだち きのう", "。"),
    "Chinese": ("我们 今天 北京 朋友 天气 公园 学校 老师 学生 喜欢 苹果 面包", "。"),
}
KINDS = ("wordpiece", "bpe", "unigram")


@cache
def texts_of(language: str) -> Sequence[str]:
    chance = random.Random(3)
    words, end = WORDS[language]
    return [
        "".join("".join(chance.choices(words.split(), k=6)) + end for _ in range(8))
        for _ in range(150)
    ]


@cache
def trained(kind: str, language: str) -> CorpusTokenizer:
    if kind == "unigram":
        pytest.importorskip("sentencepiece")
    return train_tokenizer(texts_of(language), tokenizer_kind=kind, lowercase=False, vocab_size=900)


def words_found(tokenizer: CorpusTokenizer, texts: Sequence[str]) -> tuple[int, int]:
    """Words that tokens keep apart, and words by the rule."""
    by_rule = [unicode_words(text) for text in texts]
    encoded = tokenizer.encoder().encode(texts, by_rule)
    return sum(int(e.word_starts.sum()) for e in encoded), sum(len(w.starts) for w in by_rule)


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("kind", KINDS)
def test_unspaced_words_have_tokens_of_their_own(kind: str, language: str) -> None:
    found, expected = words_found(trained(kind, language), texts_of(language))
    assert expected * 0.97 < found <= expected


@pytest.mark.parametrize("kind", KINDS)
def test_unspaced_words_are_learned_whole(kind: str) -> None:
    """Frequent ones are an entry within a run, too, so that a word takes about one token."""
    tokenizer = trained(kind, "Thai")
    encoded = tokenizer.encoder().encode(texts_of("Thai"))
    _, num_words = words_found(tokenizer, texts_of("Thai"))
    assert sum(len(one.ids) for one in encoded) < 1.4 * num_words


@pytest.mark.parametrize("kind", KINDS)
def test_unspaced_words_are_not_joined_by_an_extension(kind: str) -> None:
    old = trained(kind, "Thai")
    chance = random.Random(5)
    words = ["มาก", "ดาว", "ลม", "เรา", "ถาม"]  # their letters are known to the tokenizer
    texts = ["".join(chance.choices(words, k=9)) for _ in range(80)]
    new = extended(old, lambda: texts, 12, "old").tokenizer
    assert new.vocab_size > old.vocab_size
    before, expected = words_found(old, texts)
    after, _ = words_found(new, texts)
    assert before > 0.8 * expected
    assert after == before


def test_unspaced_parts_are_the_text_cut_between_words_alone() -> None:
    for language, (words, end) in WORDS.items():
        text = "".join(words.split()) + end + "and English, it isn't cut. 3 times"
        parts = parts_at_words(text)
        assert "".join(parts) == text
        bounds = set(unicode_words(text).starts.tolist())
        places, place = set(), 0
        for part in parts[:-1]:
            place += len(part)
            places.add(place)
        assert places <= bounds, language
        assert len(parts) >= len(words.split())
    assert parts_at_words("naïve café, don't!") == ["naïve café, don't!"]


def test_unspaced_text_with_symbols_of_braille_is_known_to_the_last() -> None:
    """What stands for a border while training is no character of the text."""
    texts = [text + " \u2800\u2801\u28ff" for text in texts_of("Thai")]
    for kind in ("wordpiece", "unigram"):
        if kind == "unigram":
            pytest.importorskip("sentencepiece")
        tokenizer = train_tokenizer(texts, tokenizer_kind=kind, lowercase=False, vocab_size=900)
        assert "\u2802" not in "".join(tokenizer.tokenizer.get_vocab())
        for one in tokenizer.encoder().encode(texts[:9]):
            assert tokenizer.unknown_id not in one.ids
