"""SQuAD as a task: fine-tune a model to point at answers, answer the dev questions, score.

Version 1.1 asks only what the context answers; in version 2.0 a model may give no answer.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoModelForQuestionAnswering, PreTrainedModel

from tidemask.progress import ProgressCallback
from tidemask.settings import Settings, check_at_least
from tidemask.tasks.data import TaskData, chosen
from tidemask.tasks.feature_cache import KeepsFeatures
from tidemask.tasks.fine_tuning import FineTuneSettings, fine_tune
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.predicting import predict
from tidemask.tasks.squad.answers import Answers, extract_answers
from tidemask.tasks.squad.data import Question, SquadData
from tidemask.tasks.squad.score import score_v1, score_v2
from tidemask.tasks.squad.windows import AnswerWindows, WindowLimits
from tidemask.tasks.task import Measured

VERSIONS: Mapping[str, int] = {"squad": 1, "squad_v2": 2}
"""The tasks, and the version of SQuAD that each is."""

HUB: Mapping[str, tuple[str, ...]] = {name: (f"rajpurkar/{name}",) for name in VERSIONS}
"""Where each is on the hub."""


@dataclass(frozen=True, kw_only=True)
class SquadSettings(Settings):
    """How questions are read and answered; the same for every model."""

    max_length: int = 384
    """Tokens of a window, special ones and the question included, at least 16; capped by the
    model's positions."""
    max_question_length: int = 64
    """Tokens of a question; a longer one loses its end."""
    doc_stride: int = 128
    """Tokens that neighbouring windows of a context share; capped at half a window's context."""
    num_best: int = 20
    """Spans that are kept for each question."""
    max_answer_length: int = 30
    """Tokens of an answer."""

    def __post_init__(self) -> None:
        for name in ("max_question_length", "num_best", "max_answer_length"):
            check_at_least(name, getattr(self, name), 1)
        check_at_least("max_length", self.max_length, 16)
        check_at_least("doc_stride", self.doc_stride, 0)


@dataclass(frozen=True)
class _Prepared:
    train: AnswerWindows
    dev: AnswerWindows
    notes: tuple[str, ...]


class SquadTask(KeepsFeatures[_Prepared]):
    """Extractive question answering, by fine-tuning.

    Args:
        name: `squad` or `squad_v2`.
        data: its questions.
        settings: how they are read and answered.
        fine_tuning: how models are trained on them; its `max_length` has no say here.
    """

    main_metric = "f1"

    def __init__(
        self, name: str, data: SquadData, settings: SquadSettings, fine_tuning: FineTuneSettings
    ) -> None:
        super().__init__(fine_tuning)
        self.name, self.data, self.settings = name, data, settings

    def describe(self) -> Mapping[str, Any]:
        """Settings and the fingerprint of the data.

        Raises:
            UserError: the data is missing or damaged.
        """
        fine_tuning = self.fine_tuning.described()
        del fine_tuning["max_length"]
        return {
            "task": {"name": self.name, **dataclasses.asdict(self.settings)},
            "fine_tuning": fine_tuning,
            "data": {"fingerprint": self.data.fingerprint},
        }

    def check(self) -> None:
        """Read every question.

        Raises:
            UserError: the data is missing or damaged.
        """
        for name in ("train", "dev"):
            self.data.split(name)

    def trial(
        self,
        model_under_test: ModelUnderTest,
        *,
        seed: int,
        learning_rate: float,
        on_progress: ProgressCallback,
    ) -> Measured:
        """Fine-tune a fresh copy of a model at one learning rate, and score its dev answers.

        Raises:
            UserError: the data is missing or damaged, or the model or its tokenizer cannot do it.
        """
        model = model_under_test.with_head(AutoModelForQuestionAnswering, seed=seed)
        has_types = takes_token_types(model)
        prepared = self.features(
            model_under_test, lambda: self._prepare(model_under_test, has_types), has_types
        )
        fine_tune(
            model,
            prepared.train,
            self.fine_tuning,
            tokenizer=model_under_test.tokenizer,
            learning_rate=learning_rate,
            seed=seed,
            on_progress=on_progress,
        )
        answers = self.answer(model, prepared.dev, model_under_test, on_progress)
        return Measured(self._scores(prepared.dev.questions, answers), prepared.notes)

    def answer(
        self,
        model: PreTrainedModel,
        windows: AnswerWindows,
        model_under_test: ModelUnderTest,
        on_progress: ProgressCallback,
    ) -> list[Answers]:
        """What a fine-tuned model answers to the questions of the windows, in order.

        In float32 whatever the training's precision.
        """
        logits = predict(
            model,
            windows,
            tokenizer=model_under_test.tokenizer,
            outputs=("start_logits", "end_logits"),
            precision="float32",  # bf16 has 8 bits: many spans of a context would score the same
            on_progress=on_progress,
        )
        return extract_answers(
            windows,
            logits["start_logits"],
            logits["end_logits"],
            num_best=self.settings.num_best,
            max_answer_length=self.settings.max_answer_length,
        )

    def _prepare(self, model_under_test: ModelUnderTest, has_types: bool) -> _Prepared:
        dev = self.data.split("dev")
        train = chosen(self.data.split("train"), self.fine_tuning.max_train_examples)
        limits = WindowLimits(
            max_length=min(
                self.settings.max_length, model_under_test.max_length or self.settings.max_length
            ),
            max_question_length=self.settings.max_question_length,
            doc_stride=self.settings.doc_stride,
        )
        train_windows, dev_windows = (
            AnswerWindows(
                questions,
                model_under_test.tokenizer,
                limits,
                with_labels=is_train,
                with_token_types=has_types,
            )
            for questions, is_train in ((train, True), (dev, False))
        )
        return _Prepared(
            train_windows, dev_windows, self._notes(train_windows, dev_windows, limits)
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
            f"{len(train.questions):,} training questions in {len(train):,} windows, "
            f"{len(dev.questions):,} dev questions in {len(dev):,}, of at most {limits.max_length} "
            "tokens."
        ]
        if limits.max_length < self.settings.max_length:
            notes.append(
                f"The model has {limits.max_length} positions: windows are shorter than the "
                f"{self.settings.max_length} tokens asked for."
            )
        if num_cut := train.num_cut + dev.num_cut:
            notes.append(f"{num_cut:,} questions are too long and lost their end.")
        if train.num_lost:
            notes.append(f"{train.num_lost:,} training answers are whole in no window.")
        return tuple(notes)


def squad_task(
    name: str,
    directory: Path | None = None,
    settings: SquadSettings | None = None,
    fine_tuning: FineTuneSettings | None = None,
) -> SquadTask:
    """One of the two tasks.

    Args:
        name: `squad` or `squad_v2`.
        directory: with its splits; `None` takes them from the hub.
        settings: how questions are read and answered.
        fine_tuning: how models are trained.
    """
    rows = TaskData(task=name, directory=directory, hub=HUB[name])
    data = SquadData(rows=rows, version=VERSIONS[name])
    return SquadTask(name, data, settings or SquadSettings(), fine_tuning or FineTuneSettings())


def takes_token_types(model: PreTrainedModel) -> bool:
    """Whether a model tells a question from a context by token types.

    RoBERTa has one type only, and an id of 1 is outside its table; ModernBERT has no argument for
    them.
    """
    num_types = getattr(model.config, "type_vocab_size", 2)
    return num_types > 1 and "token_type_ids" in inspect.signature(model.forward).parameters
