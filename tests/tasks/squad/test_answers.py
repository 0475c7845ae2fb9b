"""The best spans against all spans, and the answers of several windows brought together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from squad_texts import questions, wordpiece
from tidemask.tasks.squad.answers import Answers, best_spans, extract_answers
from tidemask.tasks.squad.data import Question
from tidemask.tasks.squad.windows import AnswerWindows, WindowLimits

LOGITS = st.one_of(
    st.integers(-2, 2).map(float),  # with ties
    st.floats(-9, 9, width=32),
)


def made_windows(asked, max_length):
    limits = WindowLimits(max_length=max_length, max_question_length=8, doc_stride=4)
    return AnswerWindows(asked, wordpiece(), limits, with_labels=True, with_token_types=False)


def every_span(starts, ends, offsets, max_answer_length):
    """All spans, best first."""
    is_text = [end > begin for begin, end in offsets]
    spans = [
        (-(float(starts[first]) + float(ends[last])), first, last)
        for first in range(len(starts))
        for last in range(first, min(len(starts), first + max_answer_length))
        if is_text[first] and is_text[last]
    ]
    return sorted(spans)


@given(st.data(), st.integers(0, 12), st.integers(1, 6), st.integers(1, 20))
@random_examples(200)
def test_answers_best_spans_are_those_of_all_spans(data, size, max_answer_length, num_best):
    logits = st.lists(LOGITS, min_size=size, max_size=size)
    starts, ends = (np.array(data.draw(logits), dtype=np.float32) for _ in range(2))
    widths = data.draw(st.lists(st.sampled_from([0, 1, 3]), min_size=size, max_size=size))
    ending = np.cumsum(widths, dtype=np.int64)
    offsets = np.stack([ending - widths, ending], axis=1).reshape(-1, 2).astype(np.int64)

    found = best_spans(starts, ends, offsets, num_best, max_answer_length)
    expected = every_span(starts, ends, offsets, max_answer_length)
    assert len(found) == min(num_best, len(expected))
    assert [score for *_, score in found] == [-score for score, *_ in expected[: len(found)]]
    known = {(first, last): -score for score, first, last in expected}
    assert len({(first, last) for first, last, _ in found}) == len(found)
    assert all(known[first, last] == score for first, last, score in found)


@given(st.integers(0, 10_000), st.integers(20, 60))
@random_examples(40)
def test_answers_of_several_windows_are_the_best_of_all(seed, max_length):
    asked = questions(2, seed=seed)
    windows = made_windows(asked, max_length)
    rng = np.random.default_rng(seed)
    # Few values, so that a span in two windows often differs in rank, not in place.
    logits = [
        [rng.integers(-5, 6, len(feature["input_ids"])).astype(np.float32) for feature in windows]
        for _ in range(2)
    ]
    answers = extract_answers(windows, *logits, num_best=5, max_answer_length=3)
    for index, (question, answer) in enumerate(zip(asked, answers, strict=True)):
        places, null = {}, []
        for window, starts, ends in zip(windows.windows, *logits, strict=True):
            if window.question != index:
                continue
            null.append(starts[0] + ends[0])
            offsets = windows.offsets(window)
            held = slice(window.position, window.position + window.num_tokens)
            for score, first, last in every_span(starts[held], ends[held], offsets, 3):
                place = (offsets[first][0], offsets[last][1])
                places[place] = max(-score, places.get(place, -score))
        assert answer.no_answer_score == min(null)
        best = sorted(places.values(), reverse=True)[:5]
        assert [span.score for span in answer.spans] == best
        assert len({(span.begin, span.end) for span in answer.spans}) == len(answer.spans)
        for span in answer.spans:
            assert span.text == question.context[span.begin : span.end]
            assert places[span.begin, span.end] == span.score
        assert answer.no_answer_difference == min(null) - best[0]


def test_answers_point_to_the_labels():
    asked = questions(20)
    windows = made_windows(asked, 40)
    starts, ends = [], []
    for feature in windows:
        for side, logits in (("start", starts), ("end", ends)):
            one = np.zeros(len(feature["input_ids"]), dtype=np.float32)
            one[feature[f"{side}_positions"]] = 5.0
            logits.append(one)
    answers = extract_answers(windows, starts, ends, num_best=3, max_answer_length=8)
    assert [answer.text for answer in answers] == [question.answers[0] for question in asked]


def test_answers_never_lie_in_the_question_or_the_special_tokens():
    asked = questions(1)
    windows = made_windows(asked, 400)
    (window,), (feature,) = windows.windows, windows
    logits = np.full(len(feature["input_ids"]), 9.0, dtype=np.float32)
    logits[window.position : window.position + window.num_tokens] = -9.0
    (answer,) = extract_answers(windows, [logits], [logits], num_best=20, max_answer_length=30)
    assert answer.spans[0].score == -18.0
    assert answer.no_answer_difference == 36.0


def test_answers_to_an_empty_context_are_none():
    windows = made_windows([Question("q", "", "Who?", (), ())], 40)
    logits = np.zeros(len(windows[0]["input_ids"]), dtype=np.float32)
    assert extract_answers(windows, [logits], [logits], num_best=2, max_answer_length=3) == [
        Answers((), 0.0)
    ]
    assert Answers((), 0.0).text == ""
    assert Answers((), 0.0).no_answer_difference == np.inf


def test_answers_of_logits_that_are_not_finite_are_none():
    windows = made_windows(questions(1), 400)
    logits = np.full(len(windows[0]["input_ids"]), np.nan, dtype=np.float32)
    (answer,) = extract_answers(windows, [logits], [logits], num_best=2, max_answer_length=3)
    assert answer.spans == ()
