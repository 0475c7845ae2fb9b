"""Held-out loss against plain references."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor

from held_out_by_hand import Token, measured_by_hand, rough_model
from tidemask.batches.stream import BatchDataset, StoredOrder
from tidemask.corpus.store.corpus import open_corpus
from tidemask.modeling.building import build_model
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.settings import ModelSettings
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.tasks.held_out.evaluator import HeldOutEvaluator
from tidemask.tasks.held_out.loss import fixed_maskings, unigram_entropy
from tidemask.tasks.held_out.settings import HeldOutSettings
from tidemask.token_classes import NO_CLASS


@pytest.fixture(scope="module")
def data(corpus: Path) -> CorpusInputs:
    return CorpusInputs.of(open_corpus(corpus))


@pytest.fixture(scope="module")
def model(data: CorpusInputs) -> SelectedPositionsLM:
    return rough_model(data)


@pytest.fixture(scope="module")
def tokens(model: SelectedPositionsLM, data: CorpusInputs) -> dict[int, list[Token]]:
    return measured_by_hand(model, data, num_draws=2)


def _evaluator(data: CorpusInputs, **settings: int) -> HeldOutEvaluator:
    changed = {"final_draws": 2, "batch_size": 7, **settings}
    return data.held_out_evaluator(HeldOutSettings(**changed))


def _metrics(model: SelectedPositionsLM, data: CorpusInputs, **settings: int) -> dict[str, float]:
    return _evaluator(data, **settings).final(model)


def test_held_out_loss_is_the_mean_over_selected_tokens(
    model: SelectedPositionsLM, data: CorpusInputs, tokens: dict[int, list[Token]]
) -> None:
    metrics = _metrics(model, data)
    names = data.corpus.manifest.class_names
    for percent, here in tokens.items():
        losses = [token.loss for token in here]
        assert metrics[f"held_out/num_predicted_{percent}"] == len(losses)
        assert metrics[f"held_out/loss_{percent}"] == pytest.approx(
            sum(losses) / len(losses), rel=1e-5
        )
        for k, name in enumerate(names):
            of_class = [token.loss for token in here if token.token_class == k]
            if of_class:
                mean = sum(of_class) / len(of_class)
                assert metrics[f"held_out/loss_{percent}/{name}"] == pytest.approx(mean, rel=1e-5)
            else:
                assert f"held_out/loss_{percent}/{name}" not in metrics


def test_held_out_standard_error_is_near_the_jackknife_over_sequences(
    model: SelectedPositionsLM, data: CorpusInputs, tokens: dict[int, list[Token]]
) -> None:
    at_15 = tokens[15]
    rows = sorted({token.row for token in at_15})
    total, count = sum(token.loss for token in at_15), len(at_15)
    left_out = []
    for row in rows:
        here = [token.loss for token in at_15 if token.row == row]
        left_out.append((total - sum(here)) / (count - len(here)))
    mean = sum(left_out) / len(rows)
    variance = (len(rows) - 1) / len(rows) * sum((x - mean) ** 2 for x in left_out)
    error = _metrics(model, data)["held_out/loss_15_standard_error"]
    assert error == pytest.approx(math.sqrt(variance), rel=0.02)


def test_held_out_every_selected_position_shows_the_mask(data: CorpusInputs) -> None:
    batch = data.held_out_set().__getitems__(range(20))
    for inputs, selected in fixed_maskings(batch, data.vocabulary, 30, 2):
        assert (inputs[selected] == data.vocabulary.mask_id).all()
        assert torch.equal(inputs[~selected], batch.input_ids[~selected])
        assert not (selected & ~batch.maskable).any()


def test_held_out_uniform_model_loses_the_logarithm_of_its_vocabulary(
    data: CorpusInputs,
) -> None:
    built = build_model(
        ModelSettings(size="bert-tiny"), tokenizer=data.tokenizer,
        vocab_size=data.vocabulary.size, sequence_length=32, seed=0,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.zero_()
    metrics = _metrics(SelectedPositionsLM(built), data)
    expected = math.log(data.vocabulary.size)
    for percent in (5, 15, 30):
        assert metrics[f"held_out/loss_{percent}"] == pytest.approx(expected, rel=1e-6)
        assert metrics[f"held_out/loss_{percent}_standard_error"] == pytest.approx(0.0, abs=1e-4)


def test_held_out_is_the_same_in_any_batches_and_on_any_ranks(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    expected = _metrics(model, data)
    assert _metrics(model, data, batch_size=64) == pytest.approx(expected, rel=1e-5)
    shares: list[Tensor] = []
    for rank in range(3):
        evaluator = dataclasses.replace(
            _evaluator(data), rank=rank, num_ranks=3, reduce=lambda v: shares.append(v) or v
        )
        evaluator.final(model)
    sums = [sum(shares[i::3]) for i in range(3)]
    again = iter(sums)
    merged = dataclasses.replace(_evaluator(data), num_ranks=3, reduce=lambda v: next(again))
    assert merged.final(model) == pytest.approx(expected, rel=1e-5)


def test_held_out_leaves_model_and_generator_as_they_were(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    model.train()
    before = torch.random.get_rng_state()
    first = _metrics(model, data, final_sequences=5)
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), before)
    assert _metrics(model, data, final_sequences=5) == first


def test_held_out_unigram_entropy_is_that_of_the_counts(data: CorpusInputs) -> None:
    batch = data.held_out_set().__getitems__(range(len(data.corpus.held_out)))
    counts = Counter(batch.input_ids[batch.maskable].tolist())
    total = sum(counts.values())
    expected = -sum(n / total * math.log(n / total) for n in counts.values())
    assert unigram_entropy(data.held_out_set()) == pytest.approx(expected)


def test_held_out_without_text_measures_nothing(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    nothing = BatchDataset([], StoredOrder(), data.vocabulary.is_special)
    evaluator = dataclasses.replace(_evaluator(data), dataset=nothing)
    assert not evaluator.has_text
    assert evaluator.during_training(model) == evaluator.final(model) == {}


def test_held_out_settings_are_checked() -> None:
    assert HeldOutSettings().interval(2000) == 200
    assert HeldOutSettings(every_steps=7).interval(2000) == 7
    assert HeldOutSettings().interval(3) == 1
    with pytest.raises(ValueError, match="draws=0"):
        HeldOutSettings(draws=0)


def test_held_out_without_classes(plain_corpus: Path, model: SelectedPositionsLM) -> None:
    plain = CorpusInputs.of(open_corpus(plain_corpus))
    batch = plain.held_out_set().__getitems__([0])
    assert (batch.token_class == NO_CLASS).all()
    metrics = _metrics(model, plain)
    assert not [name for name in metrics if name.count("/") > 1 and "/frequency/" not in name]
