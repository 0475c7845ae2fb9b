"""Held-out loss of a model: one evaluator for training, for the end of a run and for evaluations.

The same text and the same masked positions for every recipe. A loss under one masking alone favours
the recipe that trained under it, so all cells of ratio and unit are always measured, and their mean
is what stands for the model.

Dimension: `V` vocabulary entries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from tidemask.batches.stream import BatchDataset
from tidemask.errors import UserError
from tidemask.masking.vocabulary import Vocabulary
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.progress import ProgressCallback, ignore
from tidemask.run_record import (
    FREQUENCY_BANDS,
    HELD_OUT_CELLS,
    MEAN_LOSS,
    OWN_LOSS,
    UNIGRAM_CROSS_ENTROPY,
    UNIGRAM_ENTROPY,
    HeldOutCell,
    SequenceSums,
    standard_error_of,
)
from tidemask.tasks.held_out.loss import evaluation_mode, masked_tokens
from tidemask.tasks.held_out.maskings import Masking, fixed_masking
from tidemask.tasks.held_out.settings import HeldOutSettings
from tidemask.tasks.held_out.sums import (
    HeldOutSums,
    Reduce,
    frequency_bands,
    mean_loss,
    reduced,
)
from tidemask.tasks.held_out.unigrams import unigram_cross_entropy, unigram_entropy
from tidemask.tasks.task import Measured


@dataclass(frozen=True, kw_only=True)
class HeldOutEvaluator:
    """Measures models on the held-out text of one corpus.

    A measured model is put into evaluation mode and back; nothing random is drawn from a generator.
    All ranks measure together, and each gets the same numbers.

    Attributes:
        dataset: the held-out split in stored order; may be empty.
        training_counts: gives how often each vocabulary entry occurs among the maskable training
            tokens, int64 [V].
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
        return len(self.settings.rows(len(self.dataset.split))) > 0

    def during_training(
        self, model: SelectedPositionsLM, on_progress: ProgressCallback = ignore
    ) -> dict[str, float]:
        """Held-out loss on a sample of the text, for a line of metrics.

        Args:
            model: on its device.
            on_progress: called with the batches done, equally often on every rank; an exception
                that it raises ends the measurement.

        Returns:
            `held_out/loss`, the mean over the cells; `held_out/loss_5`, `_15`, `_30` for single
            tokens and `held_out/word_loss_5` and so on for whole words; their standard errors
            (`_standard_error`), nats per token; and `unigram_cross_entropy`, what token frequencies
            alone give. Empty without held-out text.

        Raises:
            UserError: a loss is infinite or NaN.
        """
        if not self.has_text:
            return {}
        sequences, draws = self.settings.sequences, self.settings.draws
        sums = self._measure(model, self._cells, sequences, draws, None, on_progress)
        metrics = self._metrics(sums)
        losses = [MEAN_LOSS, *self._cells]
        names = {*losses, *map(standard_error_of, losses)}
        found = {name: value for name, value in metrics.items() if name in names}
        return {**found, UNIGRAM_CROSS_ENTROPY: self._unigrams[UNIGRAM_CROSS_ENTROPY]}

    def reference(self, model: SelectedPositionsLM) -> float:
        """Loss of 15 % of the single tokens on the sample that is read during training.

        What a masking ratio that follows measurements is rewarded by.

        Args:
            model: on its device.

        Returns:
            Nats per token.

        Raises:
            UserError: it is infinite or NaN, or no token of the sample is masked.
        """
        name = HeldOutCell("token", 15).loss
        cells = {name: self._cells[name]}
        sums = self._measure(
            model, cells, self.settings.sequences, self.settings.draws, None, ignore
        )
        loss = sums[name].metrics(name, ()).get(name, math.nan)
        _check_finite(name, loss)
        return loss

    def final(
        self,
        model: SelectedPositionsLM,
        on_progress: ProgressCallback = ignore,
        own: Masking | None = None,
    ) -> Measured:
        """Held-out loss as it is measured after training.

        Args:
            model: it is moved to the GPU, if there is one.
            on_progress: as in `during_training`.
            own: masks as the model's own policy does at its end; not measured if left out. One that
                masks no token there has no loss, and a note says so.

        Returns:
            Beside the metrics of `during_training`, in nats per token: `held_out/loss_15/NOUN` for
            each token class that occurs, `held_out/loss_15/frequency/0-50` for each band of
            vocabulary entries that does, and so on; `held_out/own_loss`; `unigram_entropy`, what
            the text's own frequencies give; `held_out/num_predicted_15` and so on; `num_sequences`
            read. The arrays are those of `SequenceSums`, of the losses that have a token. Empty
            without held-out text.

        Raises:
            UserError: a loss is infinite or NaN.
        """
        if not self.has_text:
            return Measured({})
        settings = self.settings
        sums = self._measure(
            model.to("cuda" if torch.cuda.is_available() else "cpu"),
            self._cells if own is None else {**self._cells, OWN_LOSS: own},
            settings.final_sequences,
            settings.final_draws,
            frequency_bands(self.training_counts()),
            on_progress,
        )
        rows = self._rows(settings.final_sequences)
        metrics = {**self._metrics(sums), **self._unigrams, "num_sequences": len(rows)}
        by_sequence = torch.stack([of_masking.by_sequence for of_masking in sums.values()])
        has_tokens = by_sequence[:, 1].sum(1) > 0
        kept = SequenceSums(
            losses=tuple(name for name, has in zip(sums, has_tokens, strict=True) if has),
            rows=np.array(rows),
            sums=by_sequence[has_tokens, 0].float().numpy(),
            counts=by_sequence[has_tokens, 1].int().numpy(),
        )
        notes = (
            (f"{OWN_LOSS} is not measured: the policy masks no token of the text at its end.",)
            if own is not None and OWN_LOSS not in metrics
            else ()
        )
        return Measured(metrics, notes, kept.arrays())

    def describe(self) -> dict[str, Any]:
        """What decides the result of `final` beside the model."""
        part = {} if self.settings.part == "all" else {"part": self.settings.part}
        return {
            **part,
            "sequences": self.settings.final_sequences,
            "draws": self.settings.final_draws,
            "corpus_fingerprint": self.corpus_fingerprint,
            "cells": [cell.loss for cell in HELD_OUT_CELLS],
            "frequency_bands": [list(band) for band in FREQUENCY_BANDS],
        }

    @property
    def _cells(self) -> dict[str, Masking]:
        """The masking of each cell, by the name of its loss."""
        return {cell.loss: fixed_masking(cell, self.vocabulary) for cell in HELD_OUT_CELLS}

    @cached_property
    def _unigrams(self) -> dict[str, float]:
        """What token frequencies alone give on the whole split; all training text is read once."""
        counts = self.dataset.token_counts()
        special = self.dataset.is_special
        return {
            UNIGRAM_CROSS_ENTROPY: unigram_cross_entropy(counts, self.training_counts(), special),
            UNIGRAM_ENTROPY: unigram_entropy(counts),
        }

    @torch.no_grad()
    def _measure(
        self,
        model: SelectedPositionsLM,
        maskings: Mapping[str, Masking],
        num_sequences: int,
        num_draws: int,
        bands: Int[Tensor, "V"] | None,
        on_progress: ProgressCallback,
    ) -> dict[str, HeldOutSums]:
        """The sums of all ranks under each masking, by the name of its loss."""
        rows, size = self._rows(num_sequences), self.settings.batch_size
        chunks = [rows[begin : begin + size] for begin in range(0, len(rows), size)]
        sums = {name: HeldOutSums.zeros(len(self.class_names), len(rows)) for name in maskings}
        device = next(model.parameters()).device
        num_rounds = -(-len(chunks) // self.num_ranks)
        with evaluation_mode(model):
            for done in range(num_rounds):
                # The ranks of a sharded model must run it equally often: those that have no batch
                # in the last round repeat the last one, uncounted.
                number = done * self.num_ranks + self.rank
                batch = self.dataset.__getitems__(chunks[min(number, len(chunks) - 1)]).to(device)
                for name, masking in maskings.items():
                    for draw in range(num_draws):
                        tokens = masked_tokens(model, batch, bands, *masking(batch, draw))
                        if number < len(chunks):
                            sums[name].add(tokens, first_sequence=number * size)
                on_progress("held-out loss", done + 1, num_rounds)
        return dict(zip(sums, reduced(list(sums.values()), self.reduce), strict=True))

    def _metrics(self, sums: Mapping[str, HeldOutSums]) -> dict[str, float]:
        """All losses by name, the mean over the cells first.

        Raises:
            UserError: a loss is infinite or NaN.
        """
        metrics: dict[str, float] = {}
        if mean := mean_loss([sums[name] for name in self._cells]):
            metrics = {MEAN_LOSS: mean[0], standard_error_of(MEAN_LOSS): mean[1]}
        for name, of_masking in sums.items():
            metrics |= of_masking.metrics(name, self.class_names)
        for name in (*sums, MEAN_LOSS):
            if name in metrics:
                _check_finite(name, metrics[name])
        return metrics

    def _rows(self, wanted: int) -> list[int]:
        """The first of each of `wanted` equal shares of the rows that are read; 0 takes all."""
        rows = self.settings.rows(len(self.dataset.split))
        number = len(rows) if wanted == 0 else min(len(rows), wanted)
        return [rows[i * len(rows) // number] for i in range(number)]


def _check_finite(name: str, loss: float) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"{name} is not finite: {loss}. The model has diverged: start again with a lower "
            "training.learning_rate."
        )
