"""Classification and regression of a text, or of a pair of texts, by fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from transformers import AutoModelForSequenceClassification

from tidemask.errors import UserError
from tidemask.run_record.predictions import MAX_LOGITS, LabelPredictions, NumberPredictions
from tidemask.tasks.classification.features import (
    TextTaskSettings,
    check_examples,
    label_value,
    text_features,
)
from tidemask.tasks.data import TaskData
from tidemask.tasks.examples import Example, fixed_subset, split_by_group
from tidemask.tasks.fine_tuned_task import (
    METRIC_PREFIXES,
    FineTunedTask,
    SplitScores,
    TaskFeatures,
)
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.metrics import OF_VARYING_LABELS, compute_metrics
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.predicting import Feature, Outputs

_DEV_SHARE = 0.2
"""Share of a dev split that is scored where the split has to serve for training too."""


class TextTask(FineTunedTask[Sequence[Feature]]):
    """A task on single texts or pairs; see `TextTaskSettings`.

    It is scored on dev, and on a test split that has labels.

    Args:
        settings: what the task is.
        data: where its examples are.
        fine_tuning: how models are trained on it.
    """

    auto_class = AutoModelForSequenceClassification

    def __init__(
        self, settings: TextTaskSettings, data: TaskData, fine_tuning: FineTuneSettings
    ) -> None:
        super().__init__(settings.name, settings.metrics[0], settings, fine_tuning)
        self.settings: TextTaskSettings = settings
        self.data = data
        self._is_regression = settings.kind == "regression"

    def data_fingerprint(self) -> dict[str, str]:
        """SHA-256 of the data as a whole."""
        return {"fingerprint": self.data.fingerprint}

    def check(self) -> None:
        """Check every example.

        Raises:
            UserError: one is missing or damaged, or does not fit the task.
        """
        examples, _ = self._examples()
        labels = self._labels(examples["train"])
        for rows in examples.values():
            check_examples(rows, self.settings, labels)

    def make_features(self, model_under_test: ModelUnderTest) -> TaskFeatures[Sequence[Feature]]:
        """Ids and label of each example; texts longer than the model or the settings are cut."""
        examples, notes = self._examples()
        labels = self._labels(examples["train"])
        longest = self.fine_tuning.max_length
        length = min(longest, model_under_test.max_length or longest)
        train = fixed_subset(examples["train"], self.fine_tuning.max_train_examples)
        if len(train) < len(examples["train"]):
            notes.append(
                f"{len(train):,} of {len(examples['train']):,} training examples are used "
                "(fine_tuning.max_train_examples)."
            )
        features, num_cut = {}, {}
        for split, rows in {**examples, "train": train}.items():
            features[split], num_cut[split] = text_features(
                rows,
                self.settings,
                labels,
                model_under_test.tokenizer,
                length,
                with_token_types=model_under_test.takes_token_types(self.auto_class),
            )
        train_features = features.pop("train")
        if num_scored_cut := sum(num_cut.values()) - num_cut["train"]:
            notes.append(
                f"{num_scored_cut:,} of {sum(map(len, features.values())):,} scored examples are "
                f"longer than {length} tokens and were cut."
            )
        problem = "regression" if self._is_regression else "single_label_classification"
        head = {"num_labels": max(1, len(labels)), "problem_type": problem}
        return TaskFeatures(train=train_features, scored=features, head=head, notes=tuple(notes))

    def split_scores(
        self, split: str, features: Sequence[Feature], outputs: Outputs
    ) -> SplitScores:
        """The task's metrics, and a note if every dev example got the same label."""
        logits = np.stack(outputs["logits"])
        labels = [feature["labels"] for feature in features]
        names = self.settings.metrics
        if self._is_regression:
            truth, predicted = np.array(labels, np.float64), logits[:, 0]
            numbers = NumberPredictions(predicted=predicted, labels=truth)
            metrics = compute_metrics(names, truth, predicted)
            return SplitScores(metrics, numbers, self._notes_on_labels(split, labels))
        gold, classes = np.array(labels, np.int64), logits.argmax(axis=1)
        notes = [*self._notes_on_labels(split, labels)]
        if split == "dev" and len(set(classes.tolist())) == 1:
            notes.append("With some seed every dev example got the same label.")
        if logits.size > MAX_LOGITS:
            notes.append(
                f"{split}: the predicted label of each of {len(logits):,} examples is kept and not "
                f"its {logits.shape[1]:,} logits."
            )
        return SplitScores(
            compute_metrics(names, gold, classes),
            LabelPredictions.of(logits, gold),
            tuple(notes),
        )

    def _notes_on_labels(self, split: str, labels: Sequence[int | float]) -> tuple[str, ...]:
        """A note on metrics that say nothing of any model, as the labels of a split are equal."""
        undefined = [name for name in self.settings.metrics if name in OF_VARYING_LABELS]
        if not undefined or len(set(labels)) > 1:
            return ()
        are = (
            "are 0 for every model: they are"
            if len(undefined) > 1
            else "is 0 for every model: it is"
        )
        return (f"{split}: {' and '.join(undefined)} {are} undefined, as all labels are equal.",)

    def _examples(self) -> tuple[dict[str, list[Example]], list[str]]:
        """The splits that are used, by name, and what a reader should know of them."""
        found = {name: self.data.split(name) for name in ("train", *METRIC_PREFIXES)}
        examples = {name: rows for name, rows in found.items() if rows}
        notes = []
        label = self.settings.label
        if all(row.fields.get(label, -1) in (-1, None) for row in examples.get("test", ())):
            examples.pop("test", None)  # without labels, as those of GLUE
        if "dev" not in examples:
            raise UserError(
                f"no dev split: {self.data.source} of task {self.name}. Expected dev.jsonl, or a "
                "split named validation."
            )
        if "train" not in examples:
            group = self.settings.text[0]
            examples["train"], examples["dev"] = split_by_group(
                examples["dev"], group, share=_DEV_SHARE
            )
            if not (examples["train"] and examples["dev"]):
                raise UserError(
                    f"too few examples to split: {self.data.source}, dev: there is no train split, "
                    f"and a part of dev, split by {group}, has none. Expected train.jsonl, or more "
                    f"examples that differ in {group}."
                )
            notes.append(
                f"There is no train split: dev was split by {group}, {len(examples['dev']):,} of "
                "its examples are scored. Such a score is not comparable with published ones."
            )
        return examples, notes

    def _labels(self, train: Sequence[Example]) -> tuple[int | str, ...]:
        """All labels in order, those of the training split where the task names none."""
        if self._is_regression:
            return ()
        if self.settings.labels:
            return self.settings.labels
        labels = {label_value(example, self.settings.label) for example in train}
        if len(labels) < 2:
            raise UserError(
                f"one label only: {self.data.source}, train, {self.settings.label}="
                f"{next(iter(labels))!r}. Expected at least two to distinguish."
            )
        if "f1" in self.settings.metrics and len(labels) > 2:
            raise UserError(
                f"f1 of {len(labels)} labels: {self.data.source}, train. Expected metrics: "
                "[f1_macro], or two labels."
            )
        return tuple(sorted(labels, key=lambda label: (str(type(label)), label)))
