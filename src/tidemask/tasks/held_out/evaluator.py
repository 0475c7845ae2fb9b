"""Held-out loss of a model: one evaluator for training, for the end of a run and for evaluations.

The same text and the same masked positions for every recipe. A loss at one of the masking ratios
alone favours the recipe that trained at it, so all of them are always measured.

Dimension: `V` vocabulary entries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from tidemask.batches.stream import BatchDataset
from tidemask.errors import UserError
from tidemask.masking.vocabulary import Vocabulary
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.progress import ProgressCallback, ignore
from tidemask.run_record import FREQUENCY_BANDS, HELD_OUT_PERCENTS, UNIGRAM_ENTROPY, held_out_loss
from tidemask.tasks.held_out.loss import (
    evaluation_mode,
    fixed_maskings,
    masked_tokens,
    unigram_entropy,
)
from tidemask.tasks.held_out.settings import HeldOutSettings
from tidemask.tasks.held_out.sums import HeldOutSums, MaskedTokens, Reduce, frequency_bands


@dataclass(frozen=True, kw_only=True)
class HeldOutEvaluator:
    """Measures models on the held-out text of one corpus.

    A measured model is put into evaluation mode and back; nothing random is drawn from a generator.
    All ranks measure together, and each gets the same numbers.

    Attributes:
        dataset: the held-out split in stored order; may be empty.
        training_counts: gives how often each vocabulary entry occurs among the maskable training
            tokens, int64 [V]; called by `final` alone.
        vocabulary: holds the id of the mask token.
        class_names: names of the token classes; may be empty.
        corpus_fingerprint: of the corpus that both splits belong to.
        settings: how much is read during training and after.
        rank: this process; it reads its share of the batches.
        num_ranks: number of processes.
        reduce: sums a float64 vector over all ranks.
    """

    dataset: BatchDataset
    training_counts: Callable[[], Int[Tensor, "V"]]
    vocabulary: Vocabulary
    class_names: Sequence[str]
    corpus_fingerprint: str
    settings: HeldOutSettings
    rank: int = 0
    num_ranks: int = 1
    reduce: Reduce = lambda vector: vector

    @property
    def has_text(self) -> bool:
        """Whether the corpus has held-out text; without it nothing is measured."""
        return len(self.dataset.split) > 0

    def during_training(
        self, model: SelectedPositionsLM, on_progress: ProgressCallback = ignore
    ) -> dict[str, float]:
        """Held-out loss on a sample of the text, for a line of metrics.

        Args:
            model: on its device.
            on_progress: called with the batches done, equally often on every rank; an exception
                that it raises ends the measurement.

        Returns:
            `held_out/loss_5`, `_15`, `_30` and their standard errors (`_standard_error`), nats per
            token; empty without held-out text.

        Raises:
            UserError: a loss is infinite or NaN.
        """
        names = [held_out_loss(percent) for percent in HELD_OUT_PERCENTS]
        names += [f"{name}_standard_error" for name in names]
        sequences, draws = self.settings.sequences, self.settings.draws
        metrics = self._measure(model, sequences, draws, None, on_progress)
        return {name: value for name, value in metrics.items() if name in names}

    def final(
        self, model: SelectedPositionsLM, on_progress: ProgressCallback = ignore
    ) -> dict[str, float]:
        """Held-out loss as it is measured after training.

        Args:
            model: it is moved to the GPU, if there is one.
            on_progress: as in `during_training`.

        Returns:
            Beside those of `during_training`, in nats per token: `held_out/loss_15/NOUN` for each
            token class that occurs, `held_out/loss_15/frequency/0-50` for each band of vocabulary
            entries that does, and so on; `held_out/num_predicted_15`; `unigram_entropy`, the best
            loss without context; `num_sequences` read. Empty without held-out text.

        Raises:
            UserError: a loss is infinite or NaN.
        """
        if not self.has_text:
            return {}
        settings = self.settings
        metrics = self._measure(
            model.to("cuda" if torch.cuda.is_available() else "cpu"),
            settings.final_sequences,
            settings.final_draws,
            frequency_bands(self.training_counts()),
            on_progress,
        )
        return {
            **metrics,
            UNIGRAM_ENTROPY: unigram_entropy(self.dataset),
            "num_sequences": len(self._rows(settings.final_sequences)),
        }

    def describe(self) -> dict[str, Any]:
        """What decides the result of `final` beside the model."""
        return {
            "sequences": self.settings.final_sequences,
            "draws": self.settings.final_draws,
            "corpus_fingerprint": self.corpus_fingerprint,
            "frequency_bands": [list(band) for band in FREQUENCY_BANDS],
        }

    @torch.no_grad()
    def _measure(
        self,
        model: SelectedPositionsLM,
        num_sequences: int,
        num_draws: int,
        bands: Int[Tensor, "V"] | None,
        on_progress: ProgressCallback,
    ) -> dict[str, float]:
        rows, size = self._rows(num_sequences), self.settings.batch_size
        chunks = [rows[begin : begin + size] for begin in range(0, len(rows), size)]
        sums = {percent: HeldOutSums.zeros(len(self.class_names)) for percent in HELD_OUT_PERCENTS}
        device = next(model.parameters()).device
        num_rounds = -(-len(chunks) // self.num_ranks)
        with evaluation_mode(model):
            for done in range(num_rounds):
                # The ranks of a sharded model must run it equally often: those that have no batch
                # in the last round repeat the last one, uncounted.
                number = done * self.num_ranks + self.rank
                batch = self.dataset.__getitems__(chunks[min(number, len(chunks) - 1)]).to(device)
                for percent, of_ratio in sums.items():
                    maskings = fixed_maskings(batch, self.vocabulary, percent, num_draws)
                    draws = [masked_tokens(model, batch, bands, *masking) for masking in maskings]
                    if number < len(chunks):
                        of_ratio.add(MaskedTokens.joined(draws), len(batch.sample_ids))
                on_progress("held-out loss", done + 1, num_rounds)
        metrics: dict[str, float] = {}
        for percent, of_ratio in sums.items():
            metrics |= of_ratio.reduced(self.reduce).metrics(percent, self.class_names)
        for name in map(held_out_loss, HELD_OUT_PERCENTS):
            if name in metrics and not math.isfinite(metrics[name]):
                raise UserError(
                    f"{name} is not finite: {metrics[name]}. The model has diverged: start again "
                    "with a lower training.learning_rate."
                )
        return metrics

    def _rows(self, wanted: int) -> list[int]:
        """The first row of each of `wanted` equal shares of the split; 0 takes all rows."""
        size = len(self.dataset.split)
        number = size if wanted == 0 else min(size, wanted)
        return [i * size // number for i in range(number)]
