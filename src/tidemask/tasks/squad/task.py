"""SQuAD as a task: fine-tune a model to point at answers, answer the dev questions, score.

Version 1.1 asks only what the context answers; in version 2.0 a model may give no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import AutoModelForQuestionAnswering

from tidemask.run_record.predictions import AnswerPredictions
from tidemask.settings import MAX_BATCH, Settings, check_integer
from tidemask.tasks.data import TaskData
from tidemask.tasks.examples import fixed_subset
from tidemask.tasks.fine_tuned_task import FineTunedTask, SplitScores, TaskFeatures
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.predicting import Outputs
from tidemask.tasks.squad.answers import extract_answers
from tidemask.tasks.squad.data import SquadData
from tidemask.tasks.squad.score import score_v1, score_v2
from tidemask.tasks.squad.windows import AnswerWindows, WindowLimits

VERSIONS: Mapping[str, int] = {"squad": 1, "squad_v2": 2}
"""The tasks, and the version of SQuAD that each is."""

SQUAD_HUB: Mapping[str, tuple[str, ...]] = {name: (f"rajpurkar/{name}",) for name in VERSIONS}
"""Name of each data set on the hub."""


@dataclass(frozen=True, kw_only=True)
class SquadSettings(Settings):
    """How questions are read and answered, equally for every model."""

    max_length: int = 384
    """Tokens of a window, special ones and the question included, at least 16; capped by the
    model's positions."""
    max_question_length: int = 64
    """Maximum number of tokens of a question; a longer one loses its end."""
    doc_stride: int = 128
    """Tokens that neighbouring windows of a context share; capped at half a window's context."""
    num_best: int = 20
    """Number of spans that are kept for each question."""
    max_answer_length: int = 30
    """Maximum number of tokens of an answer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_question_length", "num_best", "max_answer_length"):
            check_integer(name, getattr(self, name), minimum=1, below=MAX_BATCH + 1)
        check_integer("max_length", self.max_length, minimum=16, below=MAX_BATCH + 1)
        check_integer("doc_stride", self.doc_stride, minimum=0, below=MAX_BATCH + 1)


class SquadTask(FineTunedTask[AnswerWindows]):
    """Extractive question answering, by fine-tuning.

    Args:
        name: `squad` or `squad_v2`.
        settings: how questions are read and answered.
        data: where the questions are.
        fine_tuning: how models are trained on them; `settings.max_length` holds in place of its
            `max_length`.
    """

    auto_class = AutoModelForQuestionAnswering
    outputs = ("start_logits", "end_logits")

    def __init__(
        self, name: str, settings: SquadSettings, data: TaskData, fine_tuning: FineTuneSettings
    ) -> None:
        super().__init__(name, "f1", settings, fine_tuning)
        self.settings: SquadSettings = settings
        self.data = SquadData(rows=data, version=VERSIONS[name])

    def data_fingerprint(self) -> dict[str, str]:
        """SHA-256 of the data as a whole."""
        return {"fingerprint": self.data.fingerprint}

    def describe(self, model_type: str) -> dict[str, Any]:
        """Settings without those of no effect, and the fingerprint of the data; see `Task`."""
        described = super().describe(model_type)
        described["task"] = {"name": self.name, **described["task"]}
        del described["fine_tuning"]["max_length"]
        return described

    def check(self) -> None:
        """Read every question.

        Raises:
            UserError: the data is missing or damaged.
        """
        for name in ("train", "dev"):
            self.data.split(name)

    def make_features(self, model_under_test: ModelUnderTest) -> TaskFeatures[AnswerWindows]:
        """Windows of the training questions, with labels, and of the dev questions."""
        dev = self.data.split("dev")
        train = fixed_subset(self.data.split("train"), self.fine_tuning.max_train_examples)
        longest = self.settings.max_length
        limits = WindowLimits(
            max_length=min(longest, model_under_test.max_length or longest),
            max_question_length=self.settings.max_question_length,
            doc_stride=self.settings.doc_stride,
        )
        train_windows, dev_windows = (
            AnswerWindows(
                questions,
                model_under_test.tokenizer,
                limits,
                with_labels=is_train,
                with_token_types=model_under_test.takes_token_types(self.auto_class),
            )
            for questions, is_train in ((train, True), (dev, False))
        )
        return TaskFeatures(
            train=train_windows,
            scored={"dev": dev_windows},
            notes=self._notes(train_windows, dev_windows, limits),
        )

    def split_scores(self, split: str, features: AnswerWindows, outputs: Outputs) -> SplitScores:  # noqa: ARG002
        """The scores of the evaluation script of the task's version."""
        answers = extract_answers(
            features,
            outputs["start_logits"],
            outputs["end_logits"],
            num_best=self.settings.num_best,
            max_answer_length=self.settings.max_answer_length,
        )
        texts = [answer.text for answer in answers]
        gold = [question.answers for question in features.questions]
        if self.data.version == 1:
            return SplitScores(score_v1(texts, gold), AnswerPredictions(answers=tuple(texts)))
        differences = np.array([answer.no_answer_difference for answer in answers])
        kept = AnswerPredictions(answers=tuple(texts), no_answer_difference=differences)
        return SplitScores(score_v2(texts, gold, differences), kept)

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
            notes.append(f"{train.num_lost:,} training answers are not whole in any window.")
        return tuple(notes)
