"""What training and evaluation read: a prepared corpus with its tokenizer and columns."""

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
from tidemask.corpus.store.columns import StoredColumn, open_column
from tidemask.corpus.store.corpus import PreparedCorpus, check_tokenizer
from tidemask.corpus.store.row_sources import rows_by_source
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.vocabulary import Vocabulary
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
