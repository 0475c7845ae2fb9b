"""What training and evaluation read: a prepared corpus with its tokenizer, and masks for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tidemask.batches.stream import BatchDataset, ShuffledOrder, StoredOrder
from tidemask.corpus.store.corpus import PreparedCorpus, check_tokenizer, open_corpus
from tidemask.corpus.store.split import CorpusSplit
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.masking.masker import Masker
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.vocabulary import Vocabulary
from tidemask.masking.weighting import ByFrequency
from tidemask.runs.config import RunConfig
from tidemask.tasks.held_out.evaluator import HeldOutEvaluator
from tidemask.tasks.held_out.settings import HeldOutSettings
from tidemask.training.distributed import all_sum, rank_and_size
from tidemask.training.run_length import planned
from tidemask.training.settings import TrainingSettings


@dataclass(frozen=True)
class CorpusInputs:
    """What training and evaluation share: a corpus, its tokenizer and its vocabulary."""

    corpus: PreparedCorpus
    tokenizer: PreTrainedTokenizerBase
    vocabulary: Vocabulary
    separator_id: int | None
    """Id that ends each document within a row; `None` if no id does that alone."""

    @classmethod
    def of(cls, corpus: PreparedCorpus) -> CorpusInputs:
        """Load the tokenizer of a prepared corpus.

        Raises:
            UserError: it is damaged, knows no token that is not special, or is not the one that
                made the corpus.
        """
        loaded = load_tokenizer(corpus.tokenizer_directory)
        tokenizer = loaded.tokenizer
        try:
            named = Vocabulary.of_tokenizer(tokenizer)
            vocabulary = replace(named, special_ids=named.special_ids | loaded.frame.ids)
        except ValueError as error:
            raise UserError(
                f"unusable vocabulary in {corpus.tokenizer_directory}: {error} Prepare more text."
            ) from error
        if vocabulary.size != corpus.manifest.vocab_size:
            raise UserError(
                f"tokenizer of another corpus: {corpus.tokenizer_directory} has "
                f"vocab_size={vocabulary.size}, the corpus {corpus.manifest.vocab_size}. Restore "
                "it, or prepare the text again."
            )
        check_tokenizer(corpus, loaded)
        return cls(corpus, tokenizer, vocabulary, loaded.separator_id)

    def training_set(self, seed: int) -> BatchDataset:
        """Training sequences in the shuffled order of a seed."""
        order = ShuffledOrder(len(self.corpus.train), seed=seed)
        return BatchDataset(self.corpus.train, order, self.vocabulary.is_special)

    def planned(self, training: TrainingSettings, global_batch_size: int) -> TrainingSettings:
        """The settings with the steps that their length comes to on this corpus.

        Raises:
            UserError: as `run_length.planned`.
        """
        if training.max_steps is not None:
            return training
        return planned(
            training,
            num_rows=len(self.corpus.train),
            num_tokens=self.training_set(seed=0).num_tokens() if training.max_tokens else 1,
            global_batch_size=global_batch_size,
        )

    @cached_property
    def training_counts(self) -> Int[Tensor, "V"]:
        """How often each vocabulary id occurs among the maskable training tokens; read once."""
        return self._in_stored_order(self.corpus.train).token_counts()

    def held_out_set(self) -> BatchDataset:
        """Held-out sequences in stored order."""
        return self._in_stored_order(self.corpus.held_out)

    def held_out_evaluator(self, settings: HeldOutSettings) -> HeldOutEvaluator:
        """Measures held-out loss, together with the other processes of a launch."""
        rank, num_ranks = rank_and_size()
        return HeldOutEvaluator(
            dataset=self.held_out_set(),
            training_counts=lambda: self.training_counts,
            vocabulary=self.vocabulary,
            class_names=self.corpus.manifest.class_names,
            corpus_fingerprint=self.corpus.manifest.fingerprint,
            settings=settings,
            rank=rank,
            num_ranks=num_ranks,
            reduce=all_sum,
        )

    def _in_stored_order(self, split: CorpusSplit) -> BatchDataset:
        return BatchDataset(split, StoredOrder(), self.vocabulary.is_special)


def corpus_of(config: RunConfig) -> PreparedCorpus:
    """The corpus that a run was started on.

    Raises:
        UserError: it is missing, incomplete, or not what it was.
    """
    path = given_path(config.corpus.path, "corpus.path")
    if not path.is_dir():
        raise UserError(
            f"no such corpus: corpus.path={path}, which the run.yaml of the run names, is not a "
            "directory. Move the corpus back, or write there where it is now."
        )
    corpus = open_corpus(path)
    check_corpus(corpus, config.corpus.fingerprint)
    return corpus


def check_corpus(corpus: PreparedCorpus, fingerprint: str) -> None:
    """Make sure that a corpus is the one that a run was started on.

    Raises:
        UserError: it has another fingerprint.
    """
    if corpus.manifest.fingerprint != fingerprint:
        raise UserError(
            f"corpus changed: {corpus.root} has the fingerprint {corpus.manifest.fingerprint}, "
            f"the run was started on {fingerprint}. Restore the corpus."
        )


def build_masker(
    recipe: str, masking: MaskingSettings, data: CorpusInputs, max_steps: int
) -> Masker:
    """The masker of a policy on a corpus.

    Raises:
        UserError: the policy needs classes that the corpus does not have, or a function.
    """
    reads_counts = isinstance(masking.content, ByFrequency)
    try:
        return Masker(
            masking,
            data.vocabulary,
            class_names=data.corpus.manifest.class_names,
            max_steps=max_steps,
            token_counts=data.training_counts if reads_counts else None,
        )
    except ValueError as error:
        raise UserError(
            f"recipe {recipe} does not fit the corpus {data.corpus.root}: {error}"
        ) from error
