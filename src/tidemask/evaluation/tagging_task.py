"""Token classification as a fine-tuned task: named entities, parts of speech, a user's own tags.

The encoder is fine-tuned with a linear layer over each token, and the best tag of each word counts
as it stands: no structure over tags is learned or enforced, as in BERT (Devlin et al. 2019, section
5.3; there without document context, as sentences are read alone here).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from transformers import AutoModelForTokenClassification, PreTrainedModel

from tidemask.errors import UserError
from tidemask.evaluation.fine_tuning import FineTuneSettings, fine_tune, predict
from tidemask.evaluation.subject import Subject
from tidemask.evaluation.tagging_data import TaggingData, TaggingDataSettings, load_tagging_data
from tidemask.evaluation.tagging_features import TaggingCollator, TaggingFeatures, WordTokenizer
from tidemask.evaluation.tagging_scores import entity_scores, word_scores
from tidemask.evaluation.tagging_sentences import OUTSIDE, TaggedSentence
from tidemask.evaluation.task import Measured, OnProgress
from tidemask.evaluation.task_data import TaskData
from tidemask.token_classes import UPOS

CONLL2003_TAGS: tuple[str, ...] = (
    OUTSIDE,
    *(f"{prefix}-{entity}" for entity in ("PER", "ORG", "LOC", "MISC") for prefix in "BI"),
)
"""Tags of CoNLL-2003, in the order of their numbers on the hub."""

_SUBSET_SEED = 0


@dataclass(frozen=True, kw_only=True)
class TaggingTask:
    """A tag for each word, learned from the training split and scored on the others.

    Entities are scored by their F1, words by their accuracy; the scores of `dev` have plain names,
    those of `test` begin with `test/`.

    Attributes:
        name: of the task.
        data: where its splits lie.
        reading: how they are read.
        settings: of fine-tuning.
    """

    name: str
    data: TaskData
    reading: TaggingDataSettings = field(default_factory=TaggingDataSettings)
    settings: FineTuneSettings = field(default_factory=FineTuneSettings)

    @property
    def main_metric(self) -> str:
        """`f1` of entities, `accuracy` of words."""
        kind = self.reading.kind if self.reading.kind != "auto" else self._loaded.kind
        return "f1" if kind == "entities" else "accuracy"

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the settings."""
        return self.settings.seeds

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """Of the settings."""
        return self.settings.learning_rates

    def describe(self) -> Mapping[str, Any]:
        """Settings, tags, and the SHA-256 of each split.

        Raises:
            UserError: the data is missing or damaged.
        """
        return {
            "fine_tuning": asdict(self.settings),
            "kind": self._loaded.kind,
            "tags": list(self._loaded.tags),
            "data": self._loaded.fingerprint(),
        }

    def trial(
        self, subject: Subject, *, seed: int, learning_rate: float, on_progress: OnProgress
    ) -> Measured:
        """Fine-tune on the training split, and score the tags of the others.

        Args:
            subject: whose encoder is fine-tuned.
            seed: of the head, the order of the examples and dropout.
            learning_rate: the peak.
            on_progress: told of the steps of training and of the examples predicted.

        Raises:
            UserError: the data or the model is missing, or the tokenizer reads no word of it.
        """
        tagger = _Tagger(
            data=self._loaded,
            words=WordTokenizer.of(subject.tokenizer),
            max_length=min(
                self.settings.max_length, subject.max_length or self.settings.max_length
            ),
        )
        train = tagger.features(self._training_sentences())
        if not len(train):
            raise UserError(
                f"no word of task {self.name} has a token: {subject.tokenizer_directory}. "
                "Choose a tokenizer that was trained on such text."
            )
        model = subject.with_head(
            AutoModelForTokenClassification, seed=seed, num_labels=len(self._loaded.tags)
        )
        fine_tune(
            model,
            train,
            self.settings,
            tokenizer=subject.tokenizer,
            learning_rate=learning_rate,
            seed=seed,
            collator=tagger.collator,
            on_progress=on_progress,
        )
        notes = list(_notes("train", train, tagger.max_length))
        metrics: dict[str, float] = {}
        for split in ("dev", "test"):
            if split not in self._loaded.splits:
                continue
            found = tagger.scored(split, model, subject, self.settings.precision, on_progress)
            prefix = "" if split == "dev" else f"{split}/"
            metrics |= {prefix + name: value for name, value in found.metrics.items()}
            notes += found.notes
        return Measured(metrics, tuple(notes))

    @cached_property
    def _loaded(self) -> TaggingData:
        return load_tagging_data(self.data, self.reading)

    def _training_sentences(self) -> Sequence[TaggedSentence]:
        """All, or the first of a fixed shuffle."""
        sentences = self._loaded.splits["train"]
        wanted = self.settings.max_train_examples
        if not 0 < wanted < len(sentences):
            return sentences
        order = np.random.default_rng(_SUBSET_SEED).permutation(len(sentences))
        return [sentences[index] for index in order[:wanted]]


@dataclass(frozen=True, kw_only=True)
class _Tagger:
    """The data of a task as one model reads it."""

    data: TaggingData
    words: WordTokenizer
    max_length: int

    @property
    def collator(self) -> TaggingCollator:
        return TaggingCollator(self.words.pad_id)

    def features(self, sentences: Sequence[TaggedSentence]) -> TaggingFeatures:
        return TaggingFeatures(sentences, self.data.tags, self.words, self.max_length)

    def scored(
        self,
        split: str,
        model: PreTrainedModel,
        subject: Subject,
        precision: Any,
        on_progress: OnProgress,
    ) -> Measured:
        """Scores of one split."""
        sentences = self.data.splits[split]
        features = self.features(sentences)
        outputs = predict(
            model,
            features,
            tokenizer=subject.tokenizer,
            collator=self.collator,
            precision=precision,
            on_progress=on_progress,
        )
        predicted = features.predicted_tags(outputs["logits"], self.data.tags, self._fallback)
        gold = [sentence.tags for sentence in sentences]
        notes = tuple(_notes(split, features, self.max_length))
        if self.data.kind == "entities":
            return Measured(entity_scores(gold, predicted), notes)
        words = [sentence.words for sentence in sentences]
        known = {word for sentence in self.data.splits["train"] for word in sentence.words}
        return Measured(word_scores(gold, predicted, words, known), notes)

    @property
    def _fallback(self) -> str:
        """Tag of a word that the model cannot see: outside, or the most frequent of train."""
        if self.data.kind == "entities":
            return OUTSIDE
        counts = Counter(tag for sentence in self.data.splits["train"] for tag in sentence.tags)
        return counts.most_common(1)[0][0]


def _notes(split: str, features: TaggingFeatures, max_length: int) -> Sequence[str]:
    """What was unusual in a split, if anything."""
    notes = []
    if features.num_windowed:
        notes.append(
            f"{split}: {features.num_windowed} sentences of more than {max_length} tokens were "
            "read in overlapping windows; every word is scored once."
        )
    if features.num_cut:
        notes.append(
            f"{split}: {features.num_cut} words of more than {max_length} tokens were cut."
        )
    if features.num_empty:
        notes.append(
            f"{split}: {features.num_empty} words have no token and got the commonest tag."
        )
    return notes


def conll2003_task(data: TaskData, settings: FineTuneSettings) -> TaggingTask:
    """Named entities of the CoNLL-2003 shared task, English.

    Args:
        data: a directory with `train`, `dev` and `test` in columns, the tag in the last.
        settings: of fine-tuning.
    """
    reading = TaggingDataSettings(kind="entities", tags=CONLL2003_TAGS)
    return TaggingTask(name="conll2003", data=data, reading=reading, settings=settings)


def pos_task(data: TaskData, settings: FineTuneSettings) -> TaggingTask:
    """Universal parts of speech of a treebank of Universal Dependencies.

    Args:
        data: what the names of its files begin with, such as `pos/en_ewt-ud`.
        settings: of fine-tuning.
    """
    reading = TaggingDataSettings(kind="words", tags=UPOS)
    return TaggingTask(name="pos", data=data, reading=reading, settings=settings)
