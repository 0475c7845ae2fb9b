"""Held-out loss against plain references."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from held_out_by_hand import Token, measured_by_hand, rough_model, selected_tokens
from tidemask.batches.stream import BatchDataset, StoredOrder
from tidemask.corpus.store.corpus import open_corpus
from tidemask.masking.corruption import Corruption
from tidemask.masking.masker import Masker
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Linear
from tidemask.modeling.building import build_model
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.settings import ModelSettings
from tidemask.run_record import HELD_OUT_CELLS, SequenceSums
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.tasks.held_out.evaluator import HeldOutEvaluator
from tidemask.tasks.held_out.maskings import fixed_masking, own_masking
from tidemask.tasks.held_out.settings import HeldOutSettings
from tidemask.tasks.held_out.unigrams import unigram_cross_entropy, unigram_entropy
from tidemask.token_classes import NO_CLASS


@pytest.fixture(scope="module")
def data(corpus: Path) -> CorpusInputs:
    return CorpusInputs.of(open_corpus(corpus))


@pytest.fixture(scope="module")
def model(data: CorpusInputs) -> SelectedPositionsLM:
    return rough_model(data)


@pytest.fixture(scope="module")
def tokens(model: SelectedPositionsLM, data: CorpusInputs) -> dict[str, list[Token]]:
    return measured_by_hand(model, data, num_draws=2)


def _evaluator(data: CorpusInputs, **settings: Any) -> HeldOutEvaluator:
    changed = {"final_draws": 2, "batch_size": 7, **settings}
    return data.held_out_evaluator(HeldOutSettings(**changed))


def _metrics(model: SelectedPositionsLM, data: CorpusInputs, **settings: int) -> dict[str, float]:
    return dict(_evaluator(data, **settings).final(model).metrics)


@pytest.mark.slow
def test_held_out_loss_is_the_mean_over_selected_tokens(
    model: SelectedPositionsLM, data: CorpusInputs, tokens: dict[str, list[Token]]
) -> None:
    metrics = _metrics(model, data)
    names = data.corpus.manifest.class_names
    for loss, here in tokens.items():
        losses = [token.loss for token in here]
        assert metrics[loss.replace("loss", "num_predicted")] == len(losses)
        assert metrics[loss] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
        for k, name in enumerate(names):
            of_class = [token.loss for token in here if token.token_class == k]
            if of_class:
                mean = sum(of_class) / len(of_class)
                assert metrics[f"{loss}/{name}"] == pytest.approx(mean, rel=1e-5)
            else:
                assert f"{loss}/{name}" not in metrics
    means = [sum(token.loss for token in here) / len(here) for here in tokens.values()]
    assert len(means) == 6
    assert metrics["held_out/loss"] == pytest.approx(sum(means) / 6, rel=1e-5)


def _jackknife(rows: list[int], statistic: Callable[[int], float]) -> float:
    """Standard error of what is measured without one row after the other."""
    left_out = [statistic(row) for row in rows]
    mean = sum(left_out) / len(rows)
    return math.sqrt((len(rows) - 1) / len(rows) * sum((x - mean) ** 2 for x in left_out))


def _mean_without(tokens: list[Token], row: int) -> float:
    losses = [token.loss for token in tokens if token.row != row]
    return sum(losses) / len(losses)


@pytest.mark.slow
def test_held_out_standard_error_is_near_the_jackknife_over_sequences(
    model: SelectedPositionsLM, data: CorpusInputs, tokens: dict[str, list[Token]]
) -> None:
    rows = sorted({token.row for here in tokens.values() for token in here})
    metrics = _metrics(model, data)
    at_15 = tokens["held_out/word_loss_15"]
    of_words = _jackknife(rows, lambda row: _mean_without(at_15, row))
    assert metrics["held_out/word_loss_15_standard_error"] == pytest.approx(of_words, rel=0.02)
    of_the_mean = _jackknife(
        rows, lambda row: sum(_mean_without(here, row) for here in tokens.values()) / 6
    )
    assert metrics["held_out/loss_standard_error"] == pytest.approx(of_the_mean, rel=0.02)


@pytest.mark.slow
def test_held_out_sums_by_sequence_are_those_of_its_tokens(
    model: SelectedPositionsLM, data: CorpusInputs, tokens: dict[str, list[Token]]
) -> None:
    measured = _evaluator(data).final(model)
    found = SequenceSums.from_arrays(measured.arrays)
    assert found.losses == tuple(tokens)
    assert found.rows.tolist() == list(range(len(data.corpus.held_out)))
    for place, here in enumerate(tokens.values()):
        for row in found.rows:
            losses = [token.loss for token in here if token.row == row]
            assert found.counts[place, row] == len(losses)
            assert found.sums[place, row] == pytest.approx(sum(losses), rel=1e-5)
    for loss in (*tokens, "held_out/loss"):
        assert found.mean(loss) == pytest.approx(measured.metrics[loss], rel=1e-6)


def test_held_out_every_selected_position_shows_the_mask(data: CorpusInputs) -> None:
    batch = data.held_out_set().__getitems__(range(20))
    for cell in HELD_OUT_CELLS:
        inputs, selected = fixed_masking(cell, data.vocabulary)(batch, 1)
        assert (inputs[selected] == data.vocabulary.mask_id).all()
        assert torch.equal(inputs[~selected], batch.input_ids[~selected])
        assert not (selected & ~batch.maskable).any()


def test_held_out_words_are_masked_whole_and_as_much_as_tokens(data: CorpusInputs) -> None:
    """Over many draws the share of masked tokens is the ratio, within 4 standard errors."""
    batch = data.held_out_set().__getitems__(range(len(data.corpus.held_out)))
    starts = batch.word_starts | ~batch.maskable
    starts[:, 0] = True
    word = starts.cumsum(1) + torch.arange(len(starts))[:, None] * starts.shape[1]
    num_draws = 40
    for cell in HELD_OUT_CELLS:
        masking = fixed_masking(cell, data.vocabulary)
        chosen = [masking(batch, draw)[1] for draw in range(num_draws)]
        if cell.unit == "word":
            masked = word[batch.maskable & chosen[0]].unique()
            assert torch.equal(chosen[0], torch.isin(word, masked) & batch.maskable)
        sizes = word[batch.maskable].unique(return_counts=True)[1].double()
        units = sizes if cell.unit == "word" else torch.ones(int(sizes.sum()))
        p = cell.percent / 100
        error = math.sqrt(p * (1 - p) * float((units**2).sum()) / num_draws) / float(units.sum())
        share = sum(int(here.sum()) for here in chosen) / num_draws / float(units.sum())
        assert share == pytest.approx(p, abs=4 * error)


def test_held_out_words_need_their_starts(data: CorpusInputs) -> None:
    batch = dataclasses.replace(data.held_out_set().__getitems__([0]), word_starts=None)
    cells = {cell.unit: cell for cell in HELD_OUT_CELLS}
    fixed_masking(cells["token"], data.vocabulary)(batch, 0)
    with pytest.raises(ValueError, match="word_starts=None"):
        fixed_masking(cells["word"], data.vocabulary)(batch, 0)


@pytest.mark.slow
def test_held_out_under_a_policy_is_the_loss_on_its_masks_at_the_end(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    """A policy that is a cell loses what it loses in that cell, and its ratio is the last one."""
    shares = Corruption(mask=1.0, random=0.0, keep=0.0)
    schedule = Linear(start=0.9, end=0.15)
    policy = MaskingSettings(unit="token", ratio=schedule, corruption=shares)
    masking = own_masking(Masker(policy, data.vocabulary, max_steps=10), None)
    measured = _evaluator(data).final(model, own=masking)
    by_hand = [token.loss for token in selected_tokens(model, data, masking, 2)]
    mean = sum(by_hand) / len(by_hand)
    assert measured.metrics["held_out/own_loss"] == pytest.approx(mean, rel=1e-5)
    counts = [measured.metrics[f"held_out/{own}num_predicted{at}"] for own, at in
              (("own_", ""), ("", "_15"))]  # fmt: skip
    assert counts[0] == pytest.approx(counts[1], rel=0.15)
    assert SequenceSums.from_arrays(measured.arrays).losses[-1] == "held_out/own_loss"


@pytest.mark.slow
def test_held_out_policy_that_ends_at_ratio_0_has_no_loss_of_its_own_and_says_so(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    policy = MaskingSettings(unit="token", ratio=Linear(start=0.9, end=0.0))
    masking = own_masking(Masker(policy, data.vocabulary, max_steps=10), None)
    measured = _evaluator(data).final(model, own=masking)
    assert "held_out/own_loss" not in measured.metrics
    assert measured.notes == (
        "held_out/own_loss is not measured: the policy masks no token of the text at its end.",
    )
    found = SequenceSums.from_arrays(measured.arrays)
    assert found.losses == tuple(cell.loss for cell in HELD_OUT_CELLS)
    assert (found.counts.sum(1) > 0).all()


@pytest.mark.slow
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
    for name in ("held_out/loss", *(cell.loss for cell in HELD_OUT_CELLS)):
        assert metrics[name] == pytest.approx(expected, rel=1e-6)
        assert metrics[f"{name}_standard_error"] == pytest.approx(0.0, abs=1e-4)


@pytest.mark.slow
def test_held_out_is_the_same_in_any_batches_and_on_any_ranks(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    expected = _metrics(model, data)
    assert _metrics(model, data, batch_size=64) == pytest.approx(expected, rel=1e-5)
    shares: list[Tensor] = []

    def kept(share: Tensor) -> Tensor:
        shares.append(share)
        return share

    for rank in range(3):
        evaluator = dataclasses.replace(_evaluator(data), rank=rank, num_ranks=3, reduce=kept)
        evaluator.final(model)
    assert len(shares) == 3
    merged = dataclasses.replace(_evaluator(data), num_ranks=3, reduce=lambda _: sum(shares))
    assert merged.final(model).metrics == pytest.approx(expected, rel=1e-5)


def test_held_out_leaves_model_and_generator_as_they_were(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    model.train()
    before = torch.random.get_rng_state()
    first = _metrics(model, data, final_sequences=5)
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), before)
    assert _metrics(model, data, final_sequences=5) == first


@pytest.mark.slow
def test_held_out_unigrams_are_those_of_the_counts(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    def counted(split: BatchDataset, size: int) -> Counter[int]:
        batch = split.__getitems__(range(size))
        return Counter(batch.input_ids[batch.maskable].tolist())

    held_out = counted(data.held_out_set(), len(data.corpus.held_out))
    training = counted(data.training_set(seed=3), len(data.corpus.train))
    total = sum(held_out.values())
    entropy = -sum(n / total * math.log(n / total) for n in held_out.values())
    entries = int((~data.vocabulary.is_special).sum())
    share = {e: (training[e] + 0.5) / (sum(training.values()) + 0.5 * entries) for e in held_out}
    cross_entropy = -sum(n / total * math.log(share[e]) for e, n in held_out.items())
    metrics = _metrics(model, data)
    assert metrics["unigram_entropy"] == pytest.approx(entropy)
    assert metrics["unigram_cross_entropy"] == pytest.approx(cross_entropy)
    during = _evaluator(data).during_training(model)
    assert during["unigram_cross_entropy"] == metrics["unigram_cross_entropy"]
    counts = data.held_out_set().token_counts()
    special = data.vocabulary.is_special
    # On its own frequencies, seen often enough, the cross-entropy is the entropy.
    own = unigram_cross_entropy(counts, counts * 10**9, special)
    assert own == pytest.approx(unigram_entropy(counts), rel=1e-6)


@pytest.mark.slow
def test_held_out_halves_share_no_sequence_and_are_the_whole_together(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    kept = {}
    for part in ("all", "even", "odd"):
        evaluator = _evaluator(data, part=part)
        kept[part] = SequenceSums.from_arrays(evaluator.final(model).arrays)
        assert evaluator.describe().get("part", "all") == part
    whole, even, odd = kept.values()
    assert whole.losses == even.losses == odd.losses
    order = np.argsort(np.concatenate([even.rows, odd.rows]))
    for name in ("sums", "counts"):
        halves = np.concatenate([getattr(even, name), getattr(odd, name)], axis=1)
        np.testing.assert_allclose(halves[:, order], getattr(whole, name), rtol=1e-5)


@given(size=st.integers(0, 400))
def test_held_out_halves_are_stretches_of_all_places(size: int) -> None:
    even, odd = (list(HeldOutSettings(part=part).rows(size)) for part in ("even", "odd"))
    assert sorted(even + odd) == list(range(size)) == list(HeldOutSettings().rows(size))
    is_odd = np.isin(np.arange(size), odd)
    assert np.count_nonzero(np.diff(is_odd)) <= 15, "a document lies in both at a border alone"
    assert abs(len(even) - len(odd)) <= 8, "stretches differ by a row"


def test_held_out_without_text_measures_nothing(
    model: SelectedPositionsLM, data: CorpusInputs
) -> None:
    nothing = BatchDataset([], StoredOrder(), data.vocabulary.is_special)
    evaluator = dataclasses.replace(_evaluator(data), dataset=nothing)
    assert not evaluator.has_text
    assert evaluator.during_training(model) == evaluator.final(model).metrics == {}


def test_held_out_settings_are_checked() -> None:
    assert HeldOutSettings().interval(2000) == 200
    assert HeldOutSettings(every_steps=7).interval(2000) == 7
    assert HeldOutSettings().interval(3) == 1
    with pytest.raises(ValueError, match="draws=0"):
        HeldOutSettings(draws=0)


@pytest.mark.slow
def test_held_out_without_classes(plain_corpus: Path, model: SelectedPositionsLM) -> None:
    plain = CorpusInputs.of(open_corpus(plain_corpus))
    batch = plain.held_out_set().__getitems__([0])
    assert (batch.token_class == NO_CLASS).all()
    metrics = _metrics(model, plain)
    assert not [name for name in metrics if name.count("/") > 1 and "/frequency/" not in name]
