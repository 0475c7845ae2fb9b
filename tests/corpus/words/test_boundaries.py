"""Words by the rules of Unicode: by hand in many scripts, and against the rules written out."""

from __future__ import annotations

import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases
from tidemask.corpus.words.boundaries import spaced_words, unicode_words
from tidemask.corpus.words.spans import Words

BY_HAND = {
    "She didn't pay 1,000.50 for foo_bar.": "She didn't pay 1,000.50 for foo_bar .",
    "état-major d'un naïf": "état - major d'un naïf",
    "किताब पढ़ो।": "किताब पढ़ो ।",
    "தமிழ் மொழி": "தமிழ் மொழி",
    "বাংলা ভাষা": "বাংলা ভাষা",
    "שָׁלוֹם עולם": "שָׁלוֹם עולם",
    "كِتَابٌ جَدِيدٌ": "كِتَابٌ جَدِيدٌ",
    "می\u200cروم.": "می\u200cروم .",
    "학교에 갔다": "학교에 갔다",
    "我们今天去北京。": "我们 今天 去 北京 。",
    "東京に行く": "東京 に 行く",
    "ผมรักภาษาไทย": "ผม รัก ภาษา ไทย",
    "រៀន\u200bបាយ": "រៀន បាយ",
    "👩\u200d👩\u200d👧👍🏽x": "👩\u200d👩\u200d👧 👍🏽 x",
    "𝒳, 𐐷𐐷 y": "𝒳 , 𐐷𐐷 y",
    "two\r\nlines\x00 \u00a0 end ": "two lines \x00 end",
    "": "",
    " \n\t": "",
}


def shown(text: str, words: Words) -> list[str]:
    assert words.starts.dtype == words.ends.dtype == np.int32
    return [text[a:b] for a, b in zip(words.starts.tolist(), words.ends.tolist(), strict=True)]


@all_cases("form", ["NFC", "NFD"])
@all_cases("text, expected", BY_HAND.items())
def test_unicode_words_by_hand(form: str, text: str, expected: str) -> None:
    """They are the same in either normal form: marks belong to their letter."""
    text, expected = (unicodedata.normalize(form, each) for each in (text, expected))
    assert shown(text, unicode_words(text)) == [word for word in expected.split(" ") if word]


KINDS = {
    "letter": [*"abzÀéßжЯك𝒳", "e\u0301", "कि", "তি", "تَ"],
    "digit": [*"1290"],
    "in words": [":"],
    "in numbers": [*",;"],
    "in both": [*".'’"],
    "joining": ["_"],
    "other": [*'"-–@#()!?… \n\t😀', "👍🏽"],
}
KIND_OF = {character: kind for kind, characters in KINDS.items() for character in characters}
SPACED_SCRIPTS = st.lists(st.sampled_from([*KIND_OF]), max_size=30)
"""Characters with their marks, of scripts that separate words."""


def by_the_annex(characters: list[str]) -> list[str]:
    """Words by the rules WB5 to WB13b of Annex 29; no rule reaches over more than three."""
    kinds = [KIND_OF[character] for character in characters]
    words: list[str] = []
    for place, character in enumerate(characters):
        near = [kinds[i] if 0 <= i < len(kinds) else "" for i in range(place - 2, place + 2)]
        two_before, before, own, after = near
        solid = {"letter", "digit", "joining"}
        joined = {before, own} <= solid
        for kind, within in (("letter", "in words"), ("digit", "in numbers")):
            joined |= (before, after) == (kind, kind) and own in (within, "in both")
            joined |= (two_before, own) == (kind, kind) and before in (within, "in both")
        if joined:
            words[-1] += character
        else:
            words.append(character)
    return [word for word in words if not word.isspace()]


@given(SPACED_SCRIPTS)
def test_unicode_words_are_those_of_the_annex(characters: list[str]) -> None:
    text = "".join(characters)
    assert shown(text, unicode_words(text)) == by_the_annex(characters)


@given(st.text(max_size=60))
def test_words_have_every_character_but_white_space_once(text: str) -> None:
    for rule in (unicode_words, spaced_words):
        words = rule(text)
        covered = np.zeros(len(text), np.int64)
        for start, end in zip(words.starts.tolist(), words.ends.tolist(), strict=True):
            covered[start:end] += 1
        visible = [not (c.isspace() or c == "\u200b") for c in text]
        assert covered.max(initial=0) <= 1
        assert all(covered[place] for place, is_visible in enumerate(visible) if is_visible)
        assert all(visible[place] for place in words.starts.tolist())
        assert all(visible[place - 1] for place in words.ends.tolist())
        assert (words.starts[1:] >= words.ends[:-1]).all()


@given(SPACED_SCRIPTS.map("".join))
def test_spaced_words_are_those_of_split(text: str) -> None:
    assert shown(text, spaced_words(text)) == text.split()
