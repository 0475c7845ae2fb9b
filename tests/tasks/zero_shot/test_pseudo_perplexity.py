"""Pseudo-perplexity of held-out text against one forward pass per token."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from held_out_by_hand import rough_model
from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.tasks.zero_shot.pseudo_perplexity import (
    PseudoPerplexitySettings,
    pseudo_perplexity_metrics,
)


@pytest.fixture(scope="module")
def data(corpus: Path) -> CorpusInputs:
    return CorpusInputs.of(open_corpus(corpus))


@pytest.fixture(scope="module")
def model(data: CorpusInputs) -> SelectedPositionsLM:
    return rough_model(data)


def _metrics(model: SelectedPositionsLM, data: CorpusInputs, **sample: int) -> dict[str, float]:
    settings = PseudoPerplexitySettings(**sample)
    return pseudo_perplexity_metrics(model, data.held_out_set(), data.vocabulary.mask_id, settings)


def _by_hand(model: SelectedPositionsLM, data: CorpusInputs, row: int) -> list[float]:
    """Loss of each token of a row with it alone masked."""
    batch = data.held_out_set()[row]
    mask = None if batch.attention_mask is None else batch.attention_mask.long()
    places = batch.maskable[0].nonzero().flatten().tolist()
    ids = batch.input_ids.repeat(len(places), 1)
    for copy, place in enumerate(places):
        ids[copy, place] = data.vocabulary.mask_id
    if mask is not None:
        mask = mask.repeat(len(places), 1)
    with torch.no_grad():
        logits = model.eval().language_model(input_ids=ids, attention_mask=mask).logits
    surprisal = -logits.double().log_softmax(-1)
    return [
        float(surprisal[copy, place, batch.input_ids[0, place]])
        for copy, place in enumerate(places)
    ]


@pytest.mark.slow
def test_pseudo_perplexity_of_every_token(model: SelectedPositionsLM, data: CorpusInputs) -> None:
    """With the jackknife over rows for the standard error."""
    rows = [_by_hand(model, data, row) for row in range(len(data.held_out_set().split))]
    total, count = sum(map(sum, rows)), sum(map(len, rows))
    metrics = _metrics(model, data, sequences=0, tokens_per_sequence=0)
    assert metrics["loss"] == pytest.approx(total / count, rel=1e-5)
    assert metrics["pseudo_perplexity"] == pytest.approx(math.exp(total / count), rel=1e-4)
    assert metrics["num_tokens"] == count
    assert metrics["num_sequences"] == len(rows)
    left_out = np.array([(total - sum(row)) / (count - len(row)) for row in rows])
    error = math.sqrt((len(rows) - 1) * left_out.var())
    assert metrics["loss_standard_error"] == pytest.approx(error, rel=0.05)
    assert metrics["pseudo_perplexity_standard_error"] == pytest.approx(
        metrics["pseudo_perplexity"] * metrics["loss_standard_error"]
    )


@pytest.mark.parametrize("bias", [1e4, 1e38])
def test_pseudo_perplexity_that_no_float_can_hold_is_refused(
    bias: float, data: CorpusInputs
) -> None:
    """One entry is certain, so that the loss of the others is finite, and its power is not."""
    certain = rough_model(data)
    head = certain.language_model.get_output_embeddings()
    with torch.no_grad():
        head.bias[data.vocabulary.mask_id] = bias
    with pytest.raises(UserError, match=r"pseudo-perplexity is not finite: loss=\d"):
        _metrics(certain, data, sequences=1)


def test_pseudo_perplexity_of_the_fixed_sample(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    size = len(data.held_out_set().split)
    assert size > 8
    losses = []
    for row in (size * 1 // 8, size * 3 // 8, size * 5 // 8, size * 7 // 8):
        every = _by_hand(model, data, row)
        losses += [every[len(every) * part // 6] for part in (1, 3, 5)]
    metrics = _metrics(model, data, sequences=4, tokens_per_sequence=3)
    assert metrics["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert metrics["num_tokens"] == 12


@pytest.mark.slow
def test_pseudo_perplexity_in_small_batches_is_the_same(
    model: SelectedPositionsLM, data: CorpusInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _metrics(model, data)
    monkeypatch.setattr("tidemask.tasks.zero_shot.pseudo_perplexity._ROWS_AT_ONCE", 3)
    monkeypatch.setattr("tidemask.tasks.zero_shot.scoring._POSITIONS_ON_CPU", 70)
    assert _metrics(model, data) == pytest.approx(expected, rel=1e-5)


def test_pseudo_perplexity_refuses_a_sample_below_nothing() -> None:
    with pytest.raises(ValueError, match="sequences=-1"):
        PseudoPerplexitySettings(sequences=-1)
