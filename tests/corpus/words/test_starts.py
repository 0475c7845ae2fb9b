"""Tokens that begin a word: against the definition, token by token and character by character."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases
from tidemask.corpus.words.spans import Words
from tidemask.corpus.words.starts import token_starts

Token = tuple[int, int, int]
"""Start, end and number of the pre-tokenizer's piece."""


def starts_of(text: str, words: list[tuple[int, int]], tokens: list[Token]) -> list[bool]:
    starts, ends, pieces = np.array(tokens, np.int32).reshape(-1, 3).T.copy()
    before = starts.copy(), ends.copy()
    found = token_starts(text, Words.of(words), starts, ends, pieces)
    assert (starts == before[0]).all()
    assert (ends == before[1]).all()
    return found.tolist()


def by_definition(text: str, words: list[tuple[int, int]], tokens: list[Token]) -> list[bool]:
    """A token begins a word if no token before reaches into the word in which it begins."""
    word_of = {place: number for number, span in enumerate(words) for place in range(*span)}
    result: list[bool] = []
    reached: set[int] = set()
    for number, (start, end, piece) in enumerate(tokens):
        visible = [place for place in range(start, end) if not text[place].isspace()]
        own = word_of[visible[0]] if visible else word_of.get(start)
        follows_mark = False
        if number:
            begin, stop, other = tokens[number - 1]
            is_blank = text[begin:stop].strip() == "" and begin not in word_of
            is_one_space = bool(visible) and text[begin : visible[0]] == " "
            follows_mark = is_blank and (other == piece or is_one_space)
        if number == 0:
            result.append(True)
        elif follows_mark:
            result.append(False)
        elif own is None:
            result.append(True)
        else:
            result.append(all(own > one for one in reached))
        reached |= {word_of[place] for place in visible}
        reached |= {own} if own is not None else set()
    return result


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]], list[Token]]:
    """A text, words that cover it, and tokens that cover it, cut anywhere."""
    text = draw(st.text(st.sampled_from("ab,  \n"), min_size=1, max_size=20))
    words: list[tuple[int, int]] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        end = place + 1
        while end < len(text) and draw(st.booleans()):
            end += 1
        end = place + len(text[place:end].rstrip())
        words.append((place, end))
        place = end
    cuts = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=12))})
    piece, tokens = 0, []
    for start, end in pairwise(cuts):
        piece += draw(st.integers(0, 1))
        tokens += [(start, end, piece)] * draw(st.sampled_from([1, 1, 1, 2]))
    return text, words, tokens


@given(cut_texts())
def test_starts_are_those_of_the_definition(
    case: tuple[str, list[tuple[int, int]], list[Token]],
) -> None:
    assert starts_of(*case) == by_definition(*case)


BY_HAND = {
    # text: words, tokens with `|`, the starts; each token is a piece of its own
    "added token within a word": ("regrafting it", "regrafting it", "re|graft|ing| it", "1001"),
    "a token of two words joins them": (
        "one of the sea",
        "one of the sea",
        "one| of the| sea",
        "111",
    ),
    "and the pieces beside it": ("doesn't", "does n't", "doe|sn|'t", "100"),
    "white space within a word": ("10 000 men", "10 000_men", "10| |000| men", "1001"),
    "white space alone": ("one  two", "one two", "one| | two", "111"),
    "a mark of punctuation": ("mat.", "mat .", "mat|.", "11"),
    "marks that a tokenizer cuts": ("किताब", "किताब", "क|ि|त|ा|ब", "10000"),
}


@all_cases("text, words, tokens, expected", BY_HAND.values(), ids=BY_HAND)
def test_starts_by_hand(text: str, words: str, tokens: str, expected: str) -> None:
    spans, place = [], 0
    for word in words.split("_") if "_" in words else words.split(" "):
        place = text.index(word, place)
        spans.append((place, place + len(word)))
        place += len(word)
    cut, place = [], 0
    for number, token in enumerate(tokens.split("|")):
        cut.append((place, place + len(token), number))
        place += len(token)
    assert starts_of(text, spans, cut) == [flag == "1" for flag in expected]


def test_starts_a_mark_of_a_space_belongs_to_its_word() -> None:
    """The piece of the pre-tokenizer has both: `▁` and `東` of "▁東京"."""
    for pieces in ((0, 1, 1, 1), (0, 1, 2, 2)):  # an added token is a piece by itself
        spans = [(0, 1), (1, 2), (2, 3), (3, 4)]
        tokens = [(a, b, piece) for (a, b), piece in zip(spans, pieces, strict=True)]
        assert starts_of("a 東京", [(0, 1), (2, 4)], tokens) == [True, True, False, False]
        assert starts_of("a\n東京", [(0, 1), (2, 4)], tokens)[2] is (pieces[2] == 2)


def test_starts_what_no_word_has_is_a_word() -> None:
    """A tagger may leave punctuation out."""
    assert starts_of("ab,c", [(0, 2), (3, 4)], [(0, 2, 0), (2, 3, 0), (3, 4, 0)]) == [True] * 3
    assert starts_of("?!a", [(2, 3)], [(0, 1, 0), (1, 2, 0), (2, 3, 0)]) == [True, False, True]
    assert starts_of("ab", [], [(0, 1, 0), (1, 2, 0)]) == [True, False]


def test_starts_of_nothing() -> None:
    assert starts_of("", [], []) == []
    assert starts_of("  ", [], [(0, 2, 0)]) == [True]
