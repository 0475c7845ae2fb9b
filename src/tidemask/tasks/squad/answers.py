"""From the logits of windows to answers: the n best spans of a question, and "no answer".

References:
    Devlin et al. (2019), BERT, sections 4.2 and 4.3: a span scores the sum of its two logits, "no
    answer" that of the [CLS] token; of several windows the lowest score of "no answer" counts, as
    in `run_squad.py`. Unlike there every span is looked at, not only those of the 20 best starts
    and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemask.tasks.squad.tokens import Ints
from tidemask.tasks.squad.windows import AnswerWindows

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """A passage of a context, as an answer.

    Attributes:
        text: the passage itself.
        begin: where it begins, characters.
        end: where it ends.
        score: the sum of its two logits.
    """

    text: str
    begin: int
    end: int
    score: float


@dataclass(frozen=True)
class Answers:
    """A model's answers to a question.

    Attributes:
        spans: the best ones, best first; none if the context has no token.
        no_answer_score: sum of the two logits of giving no answer.
    """

    spans: tuple[Span, ...]
    no_answer_score: float

    @property
    def text(self) -> str:
        """The best span; empty if there is none."""
        return self.spans[0].text if self.spans else ""

    @property
    def no_answer_difference(self) -> float:
        """Score of no answer less that of the best span; infinite if there is none."""
        return self.no_answer_score - self.spans[0].score if self.spans else np.inf


def extract_answers(
    windows: AnswerWindows,
    start_logits: Sequence[Floats32],
    end_logits: Sequence[Floats32],
    *,
    num_best: int,
    max_answer_length: int,
) -> list[Answers]:
    """The answers to every question, in order.

    Args:
        windows: those of the questions.
        start_logits: of each window, one per position: [L].
        end_logits: the same for the last token.
        num_best: spans to keep, at least 1; one found in several windows counts once, with its
            best score.
        max_answer_length: tokens of a span, at least 1.
    """
    spans: list[dict[tuple[int, int], float]] = [{} for _ in windows.questions]
    no_answer = [np.inf] * len(windows.questions)
    null = windows.null_position
    for window, starts, ends in zip(windows.windows, start_logits, end_logits, strict=True):
        asked = window.question
        no_answer[asked] = min(no_answer[asked], float(starts[null]) + float(ends[null]))
        tokens = slice(window.position, window.position + window.num_tokens)
        offsets = windows.offsets(window)
        found = spans[asked]
        for first, last, score in best_spans(
            starts[tokens], ends[tokens], offsets, num_best, max_answer_length
        ):
            place = (int(offsets[first, 0]), int(offsets[last, 1]))
            found[place] = max(score, found.get(place, -np.inf))
    return [
        Answers(_ranked(question.context, found, num_best), score)
        for question, found, score in zip(windows.questions, spans, no_answer, strict=True)
    ]


def best_spans(
    starts: Floats32, ends: Floats32, offsets: Ints, num_best: int, max_answer_length: int
) -> list[tuple[int, int, float]]:
    """First token, last token and score of the best spans of a window, best first.

    No span begins or ends with a token that is white space only.

    Args:
        starts: logits of the first token: [T].
        ends: logits of the last token: [T].
        offsets: begin and end of each token, characters: [T, 2].
        num_best: how many spans; fewer if there are no more.
        max_answer_length: tokens of a span.
    """
    is_text = offsets[:, 1] > offsets[:, 0]
    begin = np.where(is_text, starts.astype(np.float64), -np.inf)
    after = np.full(max_answer_length - 1, -np.inf)
    finish = np.concatenate([np.where(is_text, ends.astype(np.float64), -np.inf), after])
    if not len(begin):
        return []
    # Row i has the spans that begin with token i, column j those of j + 1 tokens.
    scores = begin[:, None] + np.lib.stride_tricks.sliding_window_view(finish, max_answer_length)
    flat = scores.ravel()
    kept = min(num_best, len(flat))
    best = np.argpartition(-flat, kept - 1)[:kept]
    best = best[np.lexsort((best, -flat[best]))]  # equal scores in order of their places
    best = best[np.isfinite(flat[best])]
    first, more = np.divmod(best, max_answer_length)
    return list(zip(first.tolist(), (first + more).tolist(), flat[best].tolist(), strict=True))


def _ranked(context: str, found: dict[tuple[int, int], float], num_best: int) -> tuple[Span, ...]:
    order = sorted(found, key=lambda place: (-found[place], place))
    return tuple(
        Span(context[begin:end], begin, end, found[begin, end]) for begin, end in order[:num_best]
    )
