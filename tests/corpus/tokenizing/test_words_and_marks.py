"""Whole words where letters have marks, and where tokens were added to a vocabulary."""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import pairwise
from typing import Any

from cases import all_cases
from tidemask import word_starts_of
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tokenizer_kinds import KINDS, tokenizer_of

SENTENCES = (
    "बच्चे बग़ीचे में खेलते हैं",  # Hindi, with a nukta
    "குழந்தைகள் தோட்டத்தில் விளையாடுகிறார்கள்",  # Tamil
    "শিশুরা বাগানে খেলছে",  # Bengali
    "הַיְלָדִים מְשַׂחֲקִים בַּגַּן",  # Hebrew with points
    "يَلْعَبُ الأَطْفَالُ فِي الحَدِيقَةِ",  # vocalised Arabic
    "بچه‌ها در باغ می‌دوند",  # Persian, with zero-width non-joiners
    "เด็ก ๆ เล่น อยู่ ใน สวน",  # Thai, spaced
    "em bé chạy quanh vườn",  # Vietnamese
    "für Mädchen und Füße",
)


@cache
def tokenizer(kind: str, *added: str) -> Any:
    made = tokenizer_of(kind)
    made.add_tokens([*added])
    return made


def words_of(tokenizer: Any, text: str) -> list[str]:
    """The text between word starts, without white space."""
    (encoded,) = CorpusTokenizer(tokenizer).encoder().encode([text])
    begins = [*encoded.starts[encoded.word_starts].tolist(), len(text)]
    return [text[a:b].strip(" \u200b") for a, b in pairwise(begins)]


@all_cases(
    ("kind", "sentence"),
    [
        (kind, unicodedata.normalize(form, sentence))
        for kind in KINDS
        for sentence in SENTENCES
        for form in ("NFC", "NFD")
    ],
)
def test_words_keep_their_marks_and_joiners(kind: str, sentence: str) -> None:
    assert words_of(tokenizer(kind), sentence) == sentence.split()
    encoding = tokenizer(kind)(sentence)
    [starts] = word_starts_of(encoding, sentence)
    assert starts.sum() == len(sentence.split())


@all_cases("kind", [kind for kind in KINDS if kind not in ("wordpiece", "unigram")])
def test_words_end_at_a_zero_width_space(kind: str) -> None:
    """The other two have one unknown token for all of them: BERT's normaliser drops the space."""
    words = ["ខ្ញុំ", "រៀន", "ភាសា", "ខ្មែរ"]
    found = [word for word in words_of(tokenizer(kind), "\u200b".join(words)) if word]
    assert found == words


@all_cases("kind", KINDS)
def test_punctuation_after_a_mark_is_a_word_where_the_tokenizer_says_so(kind: str) -> None:
    """The mark is no reason to join what is not of one word, nor are ideographs joined by one."""
    words = words_of(tokenizer(kind), "cafe\u0301, no!")
    assert words == ["cafe\u0301", ",", "no", "!"]
    if kind == "wordpiece":
        assert words_of(tokenizer(kind), "\u6f22\ufe00\u5b57") == ["\u6f22\ufe00", "\u5b57"]


@all_cases("kind", [kind for kind in KINDS if kind != "llama"])
def test_added_tokens_do_not_cut_words(kind: str) -> None:
    """Llama's normaliser makes added tokens begin with a space, so they are not found in words."""
    made = tokenizer(kind, "graft", "thorax", "\u65b0\u51a0")
    text = "grafts of hydropneumothorax, and graft thoraxes. ungrafted"
    expected = ["grafts", "of", "hydropneumothorax", ",", "and", "graft", "thoraxes", "."]
    assert words_of(made, text) == [*expected, "ungrafted"]
    [starts] = word_starts_of(made(text), text)
    assert starts.sum() == len(expected) + 1
    if kind == "wordpiece":  # a border that the tokenizer makes at every ideograph stays
        assert words_of(made, "\u65b0\u51a0\u75c5") == ["\u65b0\u51a0", "\u75c5"]


@all_cases("kind", ["wordpiece", "byte-level"])
def test_added_tokens_do_not_cut_words_of_unicode(kind: str) -> None:
    made = tokenizer(kind, "graft", "thorax")
    [starts] = word_starts_of(made("grafts"), "grafts")
    assert starts.tolist() == [True, False]
