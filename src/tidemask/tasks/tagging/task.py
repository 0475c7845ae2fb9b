"""Token classification as a fine-tuned task: named entities, parts of speech, a user's own tags.

The encoder is fine-tuned with a linear layer over each token, and the best tag of each word is
its prediction: no structure over tags is learned or enforced, as in BERT (Devlin et al. 2019,
section 5.3). There a sentence had its document as context; here each sentence is read alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from transformers import (
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    PreTrainedTokenizerBase,
)

from tidemask.errors import UserError
from tidemask.run_record.predictions import TagPredictions
from tidemask.tasks.data import TaskData
from tidemask.tasks.examples import fixed_subset
from tidemask.tasks.fine_tuned_task import FineTunedTask, SplitScores, TaskFeatures
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.predicting import Collator, Outputs
from tidemask.tasks.tagging.data import TaggingData, TaggingTaskSettings, load_tagging_data
from tidemask.tasks.tagging.features import TaggingFeatures, WordTokenizer
from tidemask.tasks.tagging.scores import entity_scores, word_scores
from tidemask.tasks.tagging.sentences import OUTSIDE, TaggedSentence
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
"""The tasks by name."""

TAGGING_HUB: Mapping[str, tuple[str, ...]] = {
    CONLL2003.name: ("eriktks/conll2003",),
    POS.name: ("universal-dependencies/universal_dependencies", "en_ewt"),
}
"""Name of each data set on the hub, and of its configuration."""


class TaggingTask(FineTunedTask[TaggingFeatures]):
    """A tag for each word, learned from the training split; see `TaggingTaskSettings`.

    Entities are scored by F1, words by accuracy, on dev and, where there is one, on test.

    Args:
        settings: what the task is.
        data: where its splits are; see `load_tagging_data`.
        fine_tuning: how models are trained on it.
    """

    auto_class = AutoModelForTokenClassification

    def __init__(
        self, settings: TaggingTaskSettings, data: TaskData, fine_tuning: FineTuneSettings
    ) -> None:
        self._has_entities = settings.kind == "entities"
        main_metric = "f1" if self._has_entities else "accuracy"
        super().__init__(settings.name, main_metric, settings, fine_tuning)
        self.settings: TaggingTaskSettings = settings
        self.data = data

    def data_fingerprint(self) -> dict[str, str]:
        """SHA-256 of words and tags by split."""
        return self._loaded.fingerprint()

    def describe(self, model_type: str) -> dict[str, Any]:
        """As of every fine-tuned task, without settings that results of before do not name."""
        described = super().describe(model_type)
        if self.settings.word_column == "auto":
            del described["task"]["word_column"]
        return described

    def check(self) -> None:
        """Read every sentence.

        Raises:
            UserError: the data is missing or damaged, or does not fit the task.
        """
        load_tagging_data(self.data, self.settings)  # not kept, unlike what `describe` reads

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Collator:
        """Pads the labels, one per token, as well."""
        return DataCollatorForTokenClassification(tokenizer)

    def make_features(self, model_under_test: ModelUnderTest) -> TaskFeatures[TaggingFeatures]:
        """Subwords of each sentence, or of its windows, with a label per word.

        Raises:
            UserError: also if the tokenizer makes no token of any word.
        """
        longest = self.fine_tuning.max_length
        length = min(longest, model_under_test.max_length or longest)
        words = WordTokenizer.of(model_under_test.tokenizer)
        sentences = {**self._loaded.splits, "train": self._train}
        features = {
            split: TaggingFeatures(rows, self._loaded.tags, words, length)
            for split, rows in sentences.items()
        }
        if not all(map(len, features.values())):
            raise UserError(
                f"no word of task {self.name} has a token: {model_under_test.tokenizer_directory}. "
                "Choose a tokenizer that was trained on such text."
            )
        notes = [note for split, rows in features.items() for note in _notes(split, rows, length)]
        return TaskFeatures(
            train=features.pop("train"),
            scored=features,
            head={"num_labels": len(self._loaded.tags)},
            notes=tuple(notes),
        )

    def split_scores(self, split: str, features: TaggingFeatures, outputs: Outputs) -> SplitScores:
        """Scores of the best tag of each word."""
        tag_counts = Counter(tag for sentence in self._train for tag in sentence.tags)
        fallback = OUTSIDE if self._has_entities else tag_counts.most_common(1)[0][0]
        predicted = features.predicted_tags(outputs["logits"], self._loaded.tags, fallback)
        sentences = self._loaded.splits[split]
        gold = [sentence.tags for sentence in sentences]
        kept = TagPredictions.of(gold, predicted, self._loaded.tags)
        if self._has_entities:
            return SplitScores(entity_scores(gold, predicted), kept)
        words = [sentence.words for sentence in sentences]
        known_words = {word for sentence in self._train for word in sentence.words}
        return SplitScores(word_scores(gold, predicted, words, known_words), kept)

    @cached_property
    def _loaded(self) -> TaggingData:
        return load_tagging_data(self.data, self.settings)

    @property
    def _train(self) -> list[TaggedSentence]:
        """The training sentences that are used."""
        return fixed_subset(self._loaded.splits["train"], self.fine_tuning.max_train_examples)


def _notes(split: str, features: TaggingFeatures, max_length: int) -> list[str]:
    """What was unusual in a split, if anything."""
    counts = {
        f"sentences of more than {max_length} tokens, read in overlapping windows, each word "
        "scored once": features.num_windowed,
        f"words that alone have more than {max_length} tokens, cut": features.num_cut,
        "words without any token, given the commonest tag": features.num_empty,
    }
    return [f"{split}: {what}: {count:,}." for what, count in counts.items() if count]
