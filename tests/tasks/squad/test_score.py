"""Exact match and F1 against the definition as the two official scripts spell it out."""

import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from tidemask.tasks.squad.score import exact_match, f1, normalize_answer, score_v1, score_v2

WORDS = st.sampled_from(
    [
        "the",
        "The",
        "a",
        "an",
        "theory",
        "cat",
        "Cat's",
        "U.S.",
        "ß",
        "É",
        "7,000",
        "--",
        "\u00a0",
        "",
    ]
)
TEXTS = st.lists(WORDS, max_size=5).map(" ".join)
ANSWERS = st.lists(TEXTS.filter(str.strip), min_size=1, max_size=3)


def plain_normalized(text):
    text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def plain_f1(prediction, answer, version):
    wanted, found = plain_normalized(answer).split(), plain_normalized(prediction).split()
    common = Counter(wanted) & Counter(found)
    if version == 2 and (not wanted or not found):
        return int(wanted == found)
    num_same = sum(common.values())
    if num_same == 0:
        return 0
    precision, recall = num_same / len(found), num_same / len(wanted)
    return 2 * precision * recall / (precision + recall)


def plain_scores(prediction, answers, version):
    """Of one question, as the official scripts have it."""
    if version == 2:
        answers = [text for text in answers if plain_normalized(text)] or [""]
    exact = max(int(plain_normalized(prediction) == plain_normalized(text)) for text in answers)
    return exact, max(plain_f1(prediction, text, version) for text in answers)


def plain_best(predictions, scores, differences, answers):
    """`find_best_thresh` of evaluate-v2.0.py: from no question answered to all."""
    current = best = sum(1 for texts in answers if not texts)
    threshold = 0.0
    for index in sorted(range(len(scores)), key=lambda index: differences[index]):
        if answers[index]:
            current += scores[index]
        else:
            current += -1 if predictions[index] else 0
        if current > best:
            best, threshold = current, differences[index]
    return best / len(scores), threshold


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "overlap"),
    [
        ("The cat", ["cat"], 1, 1),  # articles
        ("an U.S. cat!", ["us, cat"], 1, 1),  # punctuation
        ("theory", ["ory"], 0, 0),  # an article inside a word is none
        ("black cat", ["dog", "the cat", "cat black"], 0, 1),  # the best of several answers
        ("cat cat", ["cat"], 0, 2 / 3),  # words are counted
        ("well-known", ["well known"], 0, 0),  # a hyphen joins
        ("Étude", ["étude"], 1, 1),
        ("“cat”", ["cat"], 0, 0),  # typographic quotes are not ASCII punctuation
        ("", ["cat"], 0, 0),
        ("in the town", ["town hall"], 0, 0.5),
    ],
)
def test_score_of_hand_made_cases(prediction, answers, exact, overlap):
    assert exact_match(prediction, answers) == exact
    for empty_texts_agree in (False, True):
        assert f1(prediction, answers, empty_texts_agree=empty_texts_agree) == pytest.approx(
            overlap
        )


def test_score_of_an_answer_that_is_an_article_differs_between_the_versions():
    assert score_v1(["A"], [["the"]]) == {"exact_match": 1.0, "f1": 0.0}
    assert score_v2(["A"], [["the"]], [-1.0])["f1"] == 1.0


@given(TEXTS, ANSWERS)
def test_score_equals_the_definition(prediction, answers):
    exact, overlap = plain_scores(prediction, answers, version=1)
    assert normalize_answer(prediction) == plain_normalized(prediction)
    assert score_v1([prediction], [answers]) == pytest.approx({"exact_match": exact, "f1": overlap})


@pytest.mark.slow  # its import
@given(TEXTS, ANSWERS)
@random_examples(50)
def test_score_equals_that_of_torchmetrics(prediction, answers):
    squad = pytest.importorskip("torchmetrics.functional.text").squad
    other = squad(
        {"prediction_text": prediction, "id": "0"},
        {"answers": {"text": answers, "answer_start": [0] * len(answers)}, "id": "0"},
    )
    # Its F1 of two texts without a word is that of version 2.0.
    assert exact_match(prediction, answers) == pytest.approx(float(other["exact_match"]) / 100)
    ours = f1(prediction, answers, empty_texts_agree=True)
    assert ours == pytest.approx(float(other["f1"]) / 100, abs=1e-6)


@given(
    st.lists(
        st.tuples(
            TEXTS,
            st.one_of(st.just([]), ANSWERS),
            st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0]),
        ),
        min_size=1,
        max_size=8,
    )
)
@random_examples(200)
def test_score_of_version_2_equals_the_definition(questions):
    predictions, answers, differences = (list(column) for column in zip(*questions, strict=True))
    metrics = score_v2(predictions, answers, differences)

    raw = [plain_scores(*pair, version=2) for pair in zip(predictions, answers, strict=True)]
    final = [
        score if difference <= 0 else (int(not texts), int(not texts))
        for score, difference, texts in zip(raw, differences, answers, strict=True)
    ]
    groups = {
        ("exact_match", "f1"): final,
        ("HasAns_exact", "HasAns_f1"): [s for s, t in zip(final, answers, strict=True) if t],
        ("NoAns_exact", "NoAns_f1"): [s for s, t in zip(final, answers, strict=True) if not t],
    }
    expected = {
        name: sum(score[column] for score in group) / len(group)
        for names, group in groups.items()
        for column, name in enumerate(names)
        if group
    }
    for column, name in enumerate(("exact", "f1")):
        scores = [score[column] for score in raw]
        best = plain_best(predictions, scores, differences, answers)
        expected |= dict(zip((f"best_{name}", f"best_{name}_thresh"), best, strict=True))
    assert metrics == pytest.approx(expected)


def test_score_of_version_2_finds_the_best_threshold():
    # In the order of the differences: right, right, unanswerable, right, wrong.
    predictions = ["cat", "dog", "hall", "town", "house"]
    answers = [["cat"], ["dog"], [], ["town"], ["boat"]]
    metrics = score_v2(predictions, answers, [-3.0, -1.0, 0.25, 0.5, 2.0])
    assert metrics["exact_match"] == 3 / 5  # two answered rightly, one rightly left
    assert (metrics["best_exact"], metrics["best_exact_thresh"]) == (3 / 5, -1.0)
    assert (metrics["HasAns_exact"], metrics["NoAns_exact"]) == (2 / 4, 1.0)


def test_score_of_version_2_where_no_answer_is_always_best():
    metrics = score_v2(["cat", "dog"], [[], []], [-1.0, 1.0])
    assert metrics["f1"] == 0.5
    assert (metrics["best_f1"], metrics["best_f1_thresh"]) == (1.0, 0.0)
    assert "HasAns_f1" not in metrics
