"""Entity scores against a second implementation, and closed cases of the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from tidemask.tasks.tagging.scores import entity_scores, word_scores

_TAG = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-of-art", "I-of-art", "B", "I"])


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[list[list[str]], list[list[str]]]:
    lengths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=6))
    sides = [
        [draw(st.lists(_TAG, min_size=n, max_size=n)) for n in lengths] for _ in ("gold", "guess")
    ]
    return sides[0], sides[1]


def _spans(sentences: list[list[str]]) -> set[tuple[int, int, int, str]]:
    """Sentence, first word, word after the last, and type: as `conlleval` cuts chunks."""
    spans = set()
    for number, tags in enumerate(sentences):
        start, open_type = 0, None
        for position, tag in enumerate([*tags, "O"]):
            prefix, entity = (tag[0], tag[2:]) if tag != "O" else ("O", "")
            if open_type is not None and (prefix in "BO" or entity != open_type):
                spans.add((number, start, position, open_type))
                open_type = None
            if prefix != "O" and open_type is None:
                start, open_type = position, entity
    return spans


def _reference(gold: set[object], guess: set[object]) -> tuple[float, float, float]:
    right = len(gold & guess)
    precision = right / len(guess) if guess else 0.0
    recall = right / len(gold) if gold else 0.0
    f1 = 2 * right / (len(gold) + len(guess)) if gold or guess else 0.0
    return precision, recall, f1


@given(_pairs())
@random_examples(200)
def test_tagging_scores_of_entities_are_those_of_conlleval(
    pair: tuple[list[list[str]], list[list[str]]],
) -> None:
    gold, guess = pair
    scores = entity_scores(gold, guess)
    spans = _spans(gold), _spans(guess)
    named = {span[3] for side in spans for span in side} - {""}
    assert {name for name in scores if name.startswith("f1/")} == {f"f1/{name}" for name in named}
    for entity in ("", *named):
        chosen = [{span for span in side if entity in ("", span[3])} for side in spans]
        ending = f"/{entity}" if entity else ""
        found = tuple(scores[name + ending] for name in ("precision", "recall", "f1"))
        assert found == pytest.approx(_reference(*chosen))


def test_tagging_scores_of_entities_want_type_and_both_ends() -> None:
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "B-LOC", "O"]]
    guess = [["B-PER", "O", "O", "B-PER"], ["B-LOC", "I-LOC", "O"]]
    scores = entity_scores(gold, guess)
    assert (scores["f1"], scores["precision"], scores["recall"]) == (0.0, 0.0, 0.0)
    assert scores["accuracy"] == pytest.approx(4 / 7)
    guess[1] = ["B-LOC", "B-LOC", "B-PER"]
    scores = entity_scores(gold, guess)
    assert scores["precision"] == pytest.approx(2 / 5)
    assert scores["recall"] == pytest.approx(2 / 4)
    assert scores["f1/LOC"] == pytest.approx(2 * 2 / (3 + 2))
    assert scores["f1/PER"] == 0.0


def test_tagging_scores_of_words_count_unseen_ones_apart() -> None:
    gold = [["NOUN", "VERB"], ["NOUN", "ADJ"]]
    guess = [["NOUN", "VERB"], ["VERB", "NOUN"]]
    words = [["river", "sings"], ["River", "quiet"]]
    scores = word_scores(gold, guess, words, {"river", "sings", "quiet"})
    assert scores["accuracy"] == 0.5
    assert scores["accuracy/unseen"] == 0.0
    f1 = {"NOUN": 2 / (2 + 2), "VERB": 2 / (1 + 2), "ADJ": 0.0}
    assert scores["f1_macro"] == pytest.approx(sum(f1.values()) / 3)
    assert "accuracy/unseen" not in word_scores(gold, guess, words, {w for s in words for w in s})
