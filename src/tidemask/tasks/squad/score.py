"""Exact match and F1 of extracted answers, by the definition of SQuAD's evaluation scripts.

Written here since no library gives all of it: torchmetrics 1.9 (`text.SQuAD`) has no questions
without an answer and sums in float32, transformers 5 has dropped its copy of the v2.0 script. The
two versions differ in one point, which is kept: F1 of two texts that both normalise to nothing
(the answer "A") is 0 in version 1.1 and 1 in version 2.0.

References:
    Rajpurkar et al. (2016), SQuAD: 100,000+ Questions for Machine Comprehension of Text, sec. 6.1,
    and `evaluate-v1.1.py`; Rajpurkar, Jia and Liang (2018), Know What You Don't Know, and
    `evaluate-v2.0.py`.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def normalize_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, then without English articles and extra white space.

    Example:
        >>> normalize_answer("The  U.S., a 'land'")
        'us land'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1 if the prediction equals one of the answers once both are normalised, else 0.

    Args:
        prediction: the text to score; empty for "no answer".
        answers: the gold texts, at least one; `("",)` for a question without an answer.
    """
    return float(normalize_answer(prediction) in map(normalize_answer, answers))


def f1(prediction: str, answers: Sequence[str], *, empty_texts_agree: bool) -> float:
    """Largest F1 over the answers, of the words as bags; in [0, 1].

    Args:
        prediction: the text to score; empty for "no answer".
        answers: the gold texts, at least one; `("",)` for a question without an answer.
        empty_texts_agree: what two texts without a word score: 1 if true (version 2.0), else 0.
    """
    return max(_f1(prediction, answer, empty_texts_agree) for answer in answers)


def _f1(prediction: str, answer: str, empty_texts_agree: bool) -> float:
    predicted, wanted = normalize_answer(prediction).split(), normalize_answer(answer).split()
    if not predicted and not wanted:
        return float(empty_texts_agree)
    common = sum((Counter(predicted) & Counter(wanted)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(predicted), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def score_v1(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """`exact_match` and `f1` as `evaluate-v1.1.py` has them, but as fractions.

    Args:
        predictions: one text per question, at least one.
        answers: the gold texts of each question, at least one each.
    """
    scores = _scores(predictions, answers, empty_texts_agree=False)
    return {"exact_match": float(scores["exact"].mean()), "f1": float(scores["f1"].mean())}


def score_v2(
    predictions: Sequence[str],
    answers: Sequence[Sequence[str]],
    no_answer_difference: ArrayLike,
) -> dict[str, float]:
    """The scores of `evaluate-v2.0.py`, as fractions.

    A question is left unanswered where its difference is above the threshold: above 0 for all
    scores but those that begin with `best_`, which are at the best threshold for themselves.

    Args:
        predictions: one text per question, at least one; the best text that is not empty.
        answers: the gold texts of each question; none for a question without an answer.
        no_answer_difference: score of "no answer" less that of the prediction, per question.

    Returns:
        `exact_match`, `f1`; the same over questions with and without an answer, `HasAns_exact`,
        `HasAns_f1`, `NoAns_exact`, `NoAns_f1` (each pair only if there are such questions);
        `best_exact`, `best_f1` and their thresholds `best_exact_thresh`, `best_f1_thresh`, in the
        unit of the differences.
    """
    has_answer = np.array([len(texts) > 0 for texts in answers])
    gold = [[text for text in texts if normalize_answer(text)] or [""] for texts in answers]
    difference = np.asarray(no_answer_difference, dtype=np.float64)
    answered = _scores(predictions, gold, empty_texts_agree=True)
    # A question that is left unanswered scores 1 if it has no answer, else 0.
    at_zero = {n: np.where(difference <= 0, s, ~has_answer) for n, s in answered.items()}
    metrics = {"exact_match": float(at_zero["exact"].mean()), "f1": float(at_zero["f1"].mean())}
    for name, group in (("HasAns", has_answer), ("NoAns", ~has_answer)):
        if group.any():
            metrics |= {f"{name}_{n}": float(s[group].mean()) for n, s in at_zero.items()}
    has_text = np.array([bool(text) for text in predictions])
    for name, scores in answered.items():
        best, threshold = best_threshold(scores, difference, has_answer, has_text)
        metrics[f"best_{name}"], metrics[f"best_{name}_thresh"] = best, threshold
    return metrics


def best_threshold(
    scores: Floats, difference: Floats, has_answer: Bools, has_text: Bools
) -> tuple[float, float]:
    """The highest mean score over all thresholds, and that threshold.

    Questions are taken in the order of their differences, from none answered to all. As in the
    official script the threshold is 0 where answering none is best, and questions of one
    difference are separated by their order.

    Args:
        scores: of the predictions, one per question, in [0, 1].
        difference: score of "no answer" less that of the prediction.
        has_answer: whether the question has an answer.
        has_text: whether the prediction is not empty.
    """
    # Answering one question more adds its score if it has an answer. If it has none, leaving it
    # unanswered was right, and a text takes that point away. The running total has its maximum at
    # the best threshold.
    order = np.argsort(difference, kind="stable")
    gains = np.where(has_answer, scores, -has_text.astype(np.float64))[order]
    # Added one by one, as in the script: another rounding might find another threshold.
    totals = np.cumsum([float(np.count_nonzero(~has_answer)), *gains])
    best = int(totals.argmax())
    threshold = float(difference[order[best - 1]]) if best else 0.0
    return float(totals[best]) / len(scores), threshold


def _scores(
    predictions: Sequence[str], answers: Sequence[Sequence[str]], *, empty_texts_agree: bool
) -> dict[str, Floats]:
    """Exact match, `exact`, and `f1` of each question, in [0, 1]."""
    pairs = list(zip(predictions, answers, strict=True))
    return {
        "exact": np.array([exact_match(text, gold) for text, gold in pairs]),
        "f1": np.array([f1(*pair, empty_texts_agree=empty_texts_agree) for pair in pairs]),
    }
