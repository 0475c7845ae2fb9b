"""Token classification as a fine-tuned task: named entities, parts of speech, a user's own tags.

The encoder is fine-tuned with a linear layer over each token, and the best tag of each word counts
as it stands: no structure over tags is learned or enforced, as in BERT (Devlin et al. 2019, section
5.3). There the document stood around a sentence as context; here each sentence is read alone.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transformers import AutoModelForTokenClassification

from tidemask.errors import UserError
from tidemask.progress import ProgressCallback
from tidemask.tasks.data import TaskData, chosen
from tidemask.tasks.feature_cache import KeepsFeatures
from tidemask.tasks.fine_tuning import FineTuneSettings, fine_tune
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.predicting import predict
from tidemask.tasks.tagging.data import TaggingData, TaggingTaskSettings, load_tagging_data
from tidemask.tasks.tagging.features import TaggingCollator, TaggingFeatures, WordTokenizer
from tidemask.tasks.tagging.scores import entity_scores, word_scores
from tidemask.tasks.tagging.sentences import OUTSIDE
from tidemask.tasks.task import Measured
from tidemask.token_classes import UPOS

CONLL2003 = TaggingTaskSettings(
    name="conll2003",
    kind="entities",
    tags=(OUTSIDE, *(f"{b}-{x}" for x in ("PER", "ORG", "LOC", "MISC") for b in ("B", "I"))),
)
"""English named entities of the CoNLL-2003 shared task; tags in the order of the hub."""

POS = TaggingTaskSettings(name="pos", kind="words", tags=UPOS)
"""Universal parts of speech, of any treebank of Universal Dependencies."""

TAGGING: Mapping[str, TaggingTaskSettings] = {task.name: task for task in (CONLL2003, POS)}
"""By name."""

HUB: Mapping[str, tuple[str, ...]] = {
    CONLL2003.name: ("eriktks/conll2003",),
    POS.name: ("universal-dependencies/universal_dependencies", "en_ewt"),
}
"""Where each is on the hub."""

_SPLITS = (("dev", ""), ("test", "test/"))
"""Scored splits, and what the names of their metrics begin with."""


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """The data as one model reads it."""

    train: TaggingFeatures
    splits: Mapping[str, TaggingFeatures]
    collator: TaggingCollator
    known_words: frozenset[str]
    fallback: str  # tag of a word that no model can see
    notes: tuple[str, ...]


class TaggingTask(KeepsFeatures[_Prepared]):
    """A tag for each word, learned from the training split; see `TaggingTaskSettings`.

    Entities are scored by F1, words by accuracy. Scores of `test`, where there is one, begin with
    `test/`.

    Args:
        settings: what it is.
        data: where its splits lie; see `load_tagging_data`.
        fine_tuning: how models are trained on it.
    """

    def __init__(
        self, settings: TaggingTaskSettings, data: TaskData, fine_tuning: FineTuneSettings
    ) -> None:
        super().__init__(fine_tuning)
        self.settings, self.data = settings, data
        self.name = settings.name
        self.main_metric = "f1" if settings.kind == "entities" else "accuracy"

    def describe(self) -> Mapping[str, Any]:
        """Settings, and the SHA-256 of each split.

        Raises:
            UserError: the data is missing or damaged.
        """
        return {
            "task": dataclasses.asdict(self.settings),
            "fine_tuning": self.fine_tuning.described(),
            "data": self._loaded.fingerprint(),
        }

    def check(self) -> None:
        """Read every sentence.

        Raises:
            UserError: the data is missing or damaged, or does not fit the task.
        """
        load_tagging_data(self.data, self.settings)  # let go again: `describe` keeps what it reads

    def trial(
        self,
        model_under_test: ModelUnderTest,
        *,
        seed: int,
        learning_rate: float,
        on_progress: ProgressCallback,
    ) -> Measured:
        """Fine-tune a fresh copy of a model, and score it on dev and test.

        Raises:
            UserError: the data or the model is missing, or the tokenizer reads no word of it.
        """
        prepared = self.features(model_under_test, lambda: self._prepare(model_under_test))
        tags = self._loaded.tags
        model = model_under_test.with_head(
            AutoModelForTokenClassification, seed=seed, num_labels=len(tags)
        )
        fine_tune(
            model,
            prepared.train,
            self.fine_tuning,
            tokenizer=model_under_test.tokenizer,
            learning_rate=learning_rate,
            seed=seed,
            collator=prepared.collator,
            on_progress=on_progress,
        )
        metrics: dict[str, float] = {}
        for split, prefix in _SPLITS:
            if (features := prepared.splits.get(split)) is None:
                continue
            outputs = predict(
                model,
                features,
                tokenizer=model_under_test.tokenizer,
                collator=prepared.collator,
                on_progress=on_progress,
            )
            predicted = features.predicted_tags(outputs["logits"], tags, prepared.fallback)
            scores = self._scores(split, predicted, prepared.known_words)
            metrics |= {prefix + name: value for name, value in scores.items()}
        return Measured(metrics, prepared.notes)

    @cached_property
    def _loaded(self) -> TaggingData:
        return load_tagging_data(self.data, self.settings)

    def _scores(
        self, split: str, predicted: list[list[str]], known_words: frozenset[str]
    ) -> dict[str, float]:
        sentences = self._loaded.splits[split]
        gold = [sentence.tags for sentence in sentences]
        if self.settings.kind == "entities":
            return entity_scores(gold, predicted)
        words = [sentence.words for sentence in sentences]
        return word_scores(gold, predicted, words, known_words)

    def _prepare(self, model_under_test: ModelUnderTest) -> _Prepared:
        longest = self.fine_tuning.max_length
        length = min(longest, model_under_test.max_length or longest)
        words = WordTokenizer.of(model_under_test.tokenizer)
        sentences = dict(self._loaded.splits)
        train = chosen(sentences.pop("train"), self.fine_tuning.max_train_examples)
        features = {
            split: TaggingFeatures(rows, self._loaded.tags, words, length)
            for split, rows in {"train": train, **sentences}.items()
        }
        if not all(map(len, features.values())):
            raise UserError(
                f"no word of task {self.name} has a token: {model_under_test.tokenizer_directory}. "
                "Choose a tokenizer that was trained on such text."
            )
        notes = [note for split, one in features.items() for note in _notes(split, one, length)]
        counts = Counter(tag for sentence in train for tag in sentence.tags)
        is_entities = self.settings.kind == "entities"
        return _Prepared(
            train=features.pop("train"),
            splits=features,
            collator=TaggingCollator(words.pad_id),
            known_words=frozenset(word for sentence in train for word in sentence.words),
            fallback=OUTSIDE if is_entities else counts.most_common(1)[0][0],
            notes=tuple(notes),
        )


def _notes(split: str, features: TaggingFeatures, max_length: int) -> list[str]:
    """What was unusual in a split, if anything."""
    found = {
        f"sentences of more than {max_length} tokens, read in overlapping windows, each word "
        "scored once": features.num_windowed,
        f"words that alone have more than {max_length} tokens, cut": features.num_cut,
        "words without any token, given the commonest tag": features.num_empty,
    }
    return [f"{split}: {what}: {count:,}." for what, count in found.items() if count]
