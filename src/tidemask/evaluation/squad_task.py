"""SQuAD as a task: fine-tune a model to point at answers, answer the dev questions, score.

Version 1.1 asks only what the context answers; in version 2.0 a model may give no answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from transformers import AutoModelForQuestionAnswering, PreTrainedModel

from tidemask.evaluation.fine_tuning import FineTuneSettings, fine_tune, predict
from tidemask.evaluation.squad_answers import Answers, extract_answers
from tidemask.evaluation.squad_data import Question, SquadData
from tidemask.evaluation.squad_score import score_v1, score_v2
from tidemask.evaluation.squad_windows import AnswerWindows, WindowLimits
from tidemask.evaluation.subject import Subject
from tidemask.evaluation.task import Measured, OnProgress
from tidemask.settings import Settings, check_at_least

_SHUFFLE_SEED = 20180611
"""Of the choice of training questions where not all are taken; never the seed of a trial."""


@dataclass(frozen=True, kw_only=True)
class SquadSettings(Settings):
    """How questions are read and answered; the same for every model."""

    max_question_length: int = 64
    """Tokens of a question; a longer one loses its end."""
    doc_stride: int = 128
    """Tokens that neighbouring windows of a context share, at least 0; capped at half a window's
    context."""
    num_best: int = 20
    """Spans that are kept for each question."""
    max_answer_length: int = 30
    """Tokens of an answer."""
    fine_tuning: FineTuneSettings = field(
        default_factory=lambda: FineTuneSettings(max_length=384, epochs=3.0, batch_size=32)
    )
    """How the model is trained; `max_length` is that of a window, capped by the model's
    positions."""

    def __post_init__(self) -> None:
        for name in ("max_question_length", "num_best", "max_answer_length"):
            check_at_least(name, getattr(self, name), 1)
        check_at_least("doc_stride", self.doc_stride, 0)


@dataclass(frozen=True, kw_only=True)
class SquadTask:
    """Extractive question answering; a fine-tuned task.

    Attributes:
        data: its questions, and by their version the rules of scoring.
        settings: how.
    """

    data: SquadData
    settings: SquadSettings = SquadSettings()

    main_metric: str = field(default="f1", init=False)

    @property
    def name(self) -> str:
        """`squad` or `squad_v2`."""
        return {1: "squad", 2: "squad_v2"}[self.data.version]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Each gives one score."""
        return self.settings.fine_tuning.seeds

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """Those that the first seed tries."""
        return self.settings.fine_tuning.learning_rates

    def describe(self) -> Mapping[str, Any]:
        """Settings, and the fingerprint of the data."""
        return {"settings": asdict(self.settings), "data": self.data.fingerprint}

    def trial(
        self, subject: Subject, *, seed: int, learning_rate: float, on_progress: OnProgress
    ) -> Measured:
        """Fine-tune a fresh copy of a model at one learning rate, and score its answers.

        Raises:
            UserError: the data is missing or damaged, or the model or its tokenizer cannot do it.
        """
        questions = self._dev
        model = subject.with_head(AutoModelForQuestionAnswering, seed=seed)
        limits = self._limits(subject)
        has_types = takes_token_types(model)
        train = AnswerWindows(
            self._train, subject.tokenizer, limits, with_labels=True, with_token_types=has_types
        )
        fine_tune(
            model,
            train,
            self.settings.fine_tuning,
            tokenizer=subject.tokenizer,
            learning_rate=learning_rate,
            seed=seed,
            on_progress=on_progress,
        )
        windows = AnswerWindows(
            questions, subject.tokenizer, limits, with_labels=False, with_token_types=has_types
        )
        answers = self.answer(model, windows, subject, on_progress)
        return Measured(self._scores(questions, answers), self._notes(train, windows, limits))

    def answer(
        self,
        model: PreTrainedModel,
        windows: AnswerWindows,
        subject: Subject,
        on_progress: OnProgress,
    ) -> list[Answers]:
        """What a fine-tuned model answers to the questions of the windows, in order."""
        logits = predict(
            model,
            windows,
            tokenizer=subject.tokenizer,
            outputs=("start_logits", "end_logits"),
            on_progress=on_progress,
        )
        return extract_answers(
            windows,
            logits["start_logits"],
            logits["end_logits"],
            num_best=self.settings.num_best,
            max_answer_length=self.settings.max_answer_length,
        )

    @cached_property
    def _dev(self) -> list[Question]:
        return self.data.split("dev")

    @cached_property
    def _train(self) -> list[Question]:
        questions = self.data.split("train")
        wanted = self.settings.fine_tuning.max_train_examples or len(questions)
        order = np.random.default_rng(_SHUFFLE_SEED).permutation(len(questions))
        return [questions[index] for index in sorted(order[:wanted])]

    def _limits(self, subject: Subject) -> WindowLimits:
        length = self.settings.fine_tuning.max_length
        return WindowLimits(
            max_length=min(length, subject.max_length or length),
            max_question_length=self.settings.max_question_length,
            doc_stride=self.settings.doc_stride,
        )

    def _scores(
        self, questions: Sequence[Question], answers: Sequence[Answers]
    ) -> dict[str, float]:
        texts = [answer.text for answer in answers]
        gold = [question.answers for question in questions]
        if self.data.version == 1:
            return score_v1(texts, gold)
        return score_v2(texts, gold, [answer.no_answer_difference for answer in answers])

    def _notes(
        self, train: AnswerWindows, dev: AnswerWindows, limits: WindowLimits
    ) -> tuple[str, ...]:
        notes = [
            f"windows of {limits.max_length} tokens: {len(train)} of {len(train.questions)} "
            f"training questions, {len(dev)} of {len(dev.questions)} dev questions"
        ]
        if limits.max_length < self.settings.fine_tuning.max_length:
            notes.append(
                f"the model has {limits.max_length} positions, so windows are shorter than the "
                f"usual {self.settings.fine_tuning.max_length} tokens"
            )
        num_cut = train.num_cut + dev.num_cut
        if num_cut:
            notes.append(f"{num_cut} questions lost their end")
        if train.num_lost:
            notes.append(f"{train.num_lost} training answers are whole in no window")
        return tuple(notes)


def takes_token_types(model: PreTrainedModel) -> bool:
    """Whether a model tells a question from a context by token types.

    RoBERTa has one type only, and an id of 1 is outside its table; ModernBERT has no argument for
    them.
    """
    num_types = getattr(model.config, "type_vocab_size", 2)
    return num_types > 1 and "token_type_ids" in inspect.signature(model.forward).parameters
