"""Questions as sequences for an encoder: the question, then a window of its context.

A context that is too long is read in several windows; neighbours share `doc_stride` tokens. A
window without the whole answer is labelled with the position of the [CLS] token.

References:
    Devlin et al. (2019), BERT, section 4.2, and its `run_squad.py`: questions of 64 tokens, 384 in
    all. There a stride is the distance of two windows; here, as in `run_qa.py` of transformers, it
    is what they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from tidemask.corpus.tokenizing.frame import Frame
from tidemask.errors import UserError
from tidemask.tasks.squad.data import Question
from tidemask.tasks.squad.tokens import Ints, encoded

_MIN_ROOM = 8
"""Tokens of question and context together that a window must have room for."""


@dataclass(frozen=True, kw_only=True)
class WindowLimits:
    """Maximum number of tokens of each part.

    Attributes:
        max_length: of a sequence, special tokens included.
        max_question_length: of a question; a longer one loses its end. Never more than half of what
            the special tokens leave.
        doc_stride: shared by neighbouring windows; never more than half of a window's context.
    """

    max_length: int
    max_question_length: int
    doc_stride: int


@dataclass(frozen=True)
class ContextWindow:
    """The part of a context that is read at once.

    Attributes:
        question: its index.
        first_token: index of its first token among those of the context.
        num_tokens: how many tokens of the context it has.
        position: of its first token of the context in the sequence.
    """

    question: int
    first_token: int
    num_tokens: int
    position: int


class AnswerWindows(Sequence[dict[str, Any]]):
    """The windows of questions as features, made when they are asked for.

    Attributes:
        questions: in order.
        windows: in the order of the questions, each question's from left to right.
        num_cut: questions that lost their end.
        num_lost: questions whose answer is not whole in any window, so that they are labelled as
            questions without an answer.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        tokenizer: PreTrainedTokenizerBase,
        limits: WindowLimits,
        *,
        with_labels: bool,
        with_token_types: bool,
    ) -> None:
        """Tokenise every question and, once, every context.

        Args:
            questions: what to make windows of.
            tokenizer: of the model, a fast one.
            limits: on the tokens of each part.
            with_labels: whether features have `start_positions` and `end_positions`, of the first
                answer.
            with_token_types: whether features have `token_type_ids`.

        Raises:
            UserError: `max_length` leaves too little room.
        """
        self.questions = questions
        self._frame = Frame.of(tokenizer)
        self._with_labels, self._with_token_types = with_labels, with_token_types
        room = limits.max_length - self._frame.pair.num_special
        if room < _MIN_ROOM:
            raise UserError(
                f"sequences too short for question answering: max_length={limits.max_length} "
                f"leaves room for {max(0, room)} tokens. Expected at least {_MIN_ROOM}."
            )
        self._tokenize(tokenizer, min(limits.max_question_length, room // 2))
        self.windows = [
            window
            for index in range(len(questions))
            for window in self._windows_of(index, room, limits.doc_stride)
        ]
        self._spans = [self._answer_tokens(index) for index in range(len(questions))]
        self.num_lost = self._count_lost()

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: Any) -> Any:
        """The feature of a window: `input_ids`, and what else was asked for."""
        window = self.windows[index]
        context, _ = self._context_of(window.question)
        end = window.first_token + window.num_tokens
        question = self._question_ids[window.question]
        ids, types = self._frame.pair.around(question, context[window.first_token : end])
        feature: dict[str, Any] = {"input_ids": ids}
        if self._with_token_types:
            feature["token_type_ids"] = types
        if self._with_labels:
            feature["start_positions"], feature["end_positions"] = self._label(window)
        return feature

    @property
    def null_position(self) -> int:
        """Position of the [CLS] token, which stands for "no answer"."""
        return self._frame.null_position

    def offsets(self, window: ContextWindow) -> Ints:
        """Begin and end of each of a window's tokens in its context, characters: [tokens, 2]."""
        _, offsets = self._context_of(window.question)
        return offsets[window.first_token : window.first_token + window.num_tokens]

    def _tokenize(self, tokenizer: PreTrainedTokenizerBase, max_question_length: int) -> None:
        asked = [question.question.strip() for question in self.questions]
        whole = [ids for ids, _ in encoded(tokenizer, asked)]
        self._question_ids = [ids[:max_question_length] for ids in whole]
        self.num_cut = sum(len(ids) > max_question_length for ids in whole)
        # Many questions share a context: each is tokenised once, and kept by its text.
        texts = list(dict.fromkeys(question.context for question in self.questions))
        self._contexts = dict(zip(texts, encoded(tokenizer, texts), strict=True))

    def _context_of(self, question: int) -> tuple[list[int], Ints]:
        return self._contexts[self.questions[question].context]

    def _windows_of(self, index: int, room: int, doc_stride: int) -> list[ContextWindow]:
        # A window has as much of the context as the question leaves room for. It shares
        # `doc_stride` tokens with the next one, or half of its context if that is less, so that
        # windows move on. The last window is the first that reaches the end.
        asked = len(self._question_ids[index])
        num_tokens = len(self._context_of(index)[0])
        capacity = room - asked
        step = capacity - min(doc_stride, capacity // 2)
        pair = self._frame.pair
        position = len(pair.left) + asked + len(pair.middle)
        starts = range(0, max(1, num_tokens - capacity + step), step)
        return [ContextWindow(index, at, min(capacity, num_tokens - at), position) for at in starts]

    def _answer_tokens(self, index: int) -> tuple[int, int] | None:
        """First and last token of the first answer; `None` if no token overlaps it."""
        question = self.questions[index]
        if not question.answers:
            return None
        begin = question.answer_starts[0]
        end = begin + len(question.answers[0])
        _, offsets = self._context_of(index)
        # An answer need not begin where a token does: all tokens that overlap it count.
        tokens = np.flatnonzero((offsets[:, 1] > begin) & (offsets[:, 0] < end))
        return (int(tokens[0]), int(tokens[-1])) if len(tokens) else None

    def _label(self, window: ContextWindow) -> tuple[int, int]:
        """Positions of the answer's first and last token; those of [CLS] if it is not whole."""
        span = self._spans[window.question]
        if span is None or not _holds(window, span):
            return self.null_position, self.null_position
        shift = window.position - window.first_token
        return span[0] + shift, span[1] + shift

    def _count_lost(self) -> int:
        """Number of questions with an answer that no window holds whole."""
        held = {
            window.question
            for window in self.windows
            if (span := self._spans[window.question]) is not None and _holds(window, span)
        }
        return sum(bool(question.answers) for question in self.questions) - len(held)


def _holds(window: ContextWindow, span: tuple[int, int]) -> bool:
    return window.first_token <= span[0] and span[1] < window.first_token + window.num_tokens
