"""What training and evaluation read: a prepared corpus with its tokenizer, and masks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tidemask.batches.growing_batches import GrowingBatches
from tidemask.batches.source_order import SourceOrder
from tidemask.batches.stream import BatchDataset, RowOrder, ShuffledOrder, StoredOrder
from tidemask.corpus.store.column_check import verify_column
from tidemask.corpus.store.columns import StoredColumn, open_column
from tidemask.corpus.store.corpus import PreparedCorpus, check_tokenizer, open_corpus, verify_corpus
from tidemask.corpus.store.row_sources import rows_by_source
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.masking.masker import Masker
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.vocabulary import Vocabulary
from tidemask.masking.weighting import ByEntries, ByFrequency
from tidemask.runs.config import RunConfig
from tidemask.runs.entry_weights import ListedWeights, coverage_note, listed_weights
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
    columns: tuple[StoredColumn, ...] = ()
    """Those that a policy reads; batches have them."""

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

    def for_policy(
        self, masking: MaskingSettings, made_by: Mapping[str, str] | None = None
    ) -> CorpusInputs:
        """The same with the columns that a policy names; no others are read.

        Args:
            masking: the policy.
            made_by: what `tidemask annotate CORPUS --column NAME` is given beside to make columns,
                by their names, as far as it is known.

        Raises:
            UserError: there is no such column, it is damaged, or of another corpus.
        """
        known = made_by or {}
        columns = tuple(
            open_column(self.corpus, name, made_by=known.get(name, "")) for name in masking.columns
        )
        return replace(self, columns=columns)

    @property
    def column_fingerprints(self) -> dict[str, str]:
        """The fingerprints of the columns, by name."""
        return {column.manifest.name: column.manifest.fingerprint for column in self.columns}

    def check_unchanged(self) -> None:
        """Compare every file of the corpus and of the columns with what it was.

        Raises:
            UserError: one is gone, was written to, or was replaced.
        """
        self.corpus.check_unchanged()
        for column in self.columns:
            column.check_unchanged()

    def training_set(self, seed: int) -> BatchDataset:
        """Training sequences in the shuffled order of a seed."""
        return self._of_train(ShuffledOrder(len(self.corpus.train), seed=seed))

    def stream(
        self,
        training: TrainingSettings,
        global_batch_size: int,
        growth: GrowingBatches | None = None,
    ) -> BatchDataset:
        """What a run reads: its training sequences, of each source as many as the shares ask for.

        Args:
            training: settings of the run.
            global_batch_size: sequences of a step, over all ranks.
            growth: of the batches, where these grow.

        Raises:
            UserError: as `rows_by_source` and `SourceOrder`, where there are shares.
        """
        if not training.source_shares:
            return self.training_set(training.seed)
        order = SourceOrder(
            rows_by_source(self.corpus),
            training.source_shares,
            seed=training.seed,
            max_steps=training.num_steps,
            global_batch_size=global_batch_size,
            growth=growth,
        )
        return self._of_train(order)

    def _of_train(self, order: RowOrder) -> BatchDataset:
        columns = {column.manifest.name: column.train for column in self.columns}
        return BatchDataset(self.corpus.train, order, self.vocabulary.is_special, columns)

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
        is_special = self.vocabulary.is_special
        return BatchDataset(self.corpus.train, StoredOrder(), is_special).token_counts()

    def held_out_set(self) -> BatchDataset:
        """Held-out sequences in stored order."""
        columns = {column.manifest.name: column.held_out for column in self.columns}
        is_special = self.vocabulary.is_special
        return BatchDataset(self.corpus.held_out, StoredOrder(), is_special, columns)

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


def source_note(stream: BatchDataset) -> str | None:
    """How often a run reads each source, where it draws them in shares."""
    return stream.order.note() if isinstance(stream.order, SourceOrder) else None


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


def inputs_of(config: RunConfig) -> CorpusInputs:
    """The corpus that a run was started on, and the columns that its policy reads.

    Raises:
        UserError: as `corpus_of`; a column is missing, or is not what it was.
    """
    data = CorpusInputs.of(corpus_of(config)).for_policy(config.masking)
    for column in data.columns:
        was, now = config.corpus.columns.get(column.manifest.name), column.manifest.fingerprint
        if was != now:
            raise UserError(
                f"column changed: {column.root} has the fingerprint {now}, the run was started on "
                f"{was}. Restore it."
            )
    return data


def verify_inputs(data: CorpusInputs) -> None:
    """Read every row and the columns and compare them with their fingerprints.

    Raises:
        UserError: they are not what was written; or a column has a value that is none of its kind.
    """
    verify_corpus(data.corpus)
    for column in data.columns:
        verify_column(column)


def build_masker(
    recipe: str, masking: MaskingSettings, data: CorpusInputs, max_steps: int
) -> Masker:
    """The masker of a policy on a corpus.

    Raises:
        UserError: the policy needs classes that the corpus does not have, a column of another kind,
            or a function; or a file of weights, as `listed_weights`.
    """
    entry_weights = {name: listed.table for name, listed in _listed(masking, data).items()}
    reads_counts = any(isinstance(content, ByFrequency) for content in masking.contents)
    try:
        return Masker(
            masking,
            data.vocabulary,
            class_names=data.corpus.manifest.class_names,
            columns=[column.manifest.column for column in data.columns],
            max_steps=max_steps,
            token_counts=data.training_counts if reads_counts else None,
            entry_weights=entry_weights,
        )
    except ValueError as error:
        raise UserError(
            f"recipe {recipe} does not fit the corpus {data.corpus.root}: {error}"
        ) from error


def _listed(masking: MaskingSettings, data: CorpusInputs) -> dict[str, ListedWeights]:
    """What the files of weights have that a policy names, by their names."""
    ids = data.tokenizer.get_vocab()
    return {
        content.weights: listed_weights(content, ids, data.vocabulary.size)
        for content in masking.contents
        if isinstance(content, ByEntries)
    }


def coverage_notes(masking: MaskingSettings, data: CorpusInputs) -> list[str]:
    """For how much of the vocabulary and the training text a policy's files have weights."""
    listed = _listed(masking, data).values()
    return [coverage_note(each, data.training_counts) for each in listed]
