"""Held-out loss against plain references."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tidemask.corpus.store import open_corpus
from tidemask.evaluation.held_out import (
    HeldOutSettings,
    _maskings,
    held_out_metrics,
    unigram_entropy,
)
from tidemask.material import Material
from tidemask.modeling import ModelSettings, SelectedPositionsLM, build_model
from tidemask.token_classes import NO_CLASS


@pytest.fixture(scope="module")
def material(corpus: Path) -> Material:
    return Material.of(open_corpus(corpus))


@pytest.fixture(scope="module")
def model(material: Material) -> SelectedPositionsLM:
    built = build_model(
        ModelSettings(size="bert-tiny", dropout=0.3), tokenizer=material.tokenizer,
        vocab_size=material.vocabulary.size, sequence_length=32, seed=3,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in built.parameters():
            parameter *= 4.0  # losses that differ from token to token
    return SelectedPositionsLM(built)


def _metrics(model: SelectedPositionsLM, material: Material, **changes: object) -> dict[str, float]:
    arguments = {"num_sequences": 0, "num_draws": 2, "batch_size": 7, **changes}
    return held_out_metrics(
        model, material.held_out_set(), material.vocabulary,
        class_names=material.corpus.manifest.class_names, **arguments,
    )  # fmt: skip


def _by_hand(
    model: SelectedPositionsLM, material: Material
) -> dict[int, list[tuple[int, int, float]]]:
    """(sequence, class, loss) of each selected token per ratio, one sequence at a time."""
    found = defaultdict(list)
    dataset = material.held_out_set()
    model.eval()
    for row in range(len(dataset.split)):
        batch = dataset.__getitems__([row])
        fixed = [(p, m) for p in (5, 15, 30) for m in _maskings(batch, material.vocabulary, p, 2)]
        for percent, (inputs, selected) in fixed:
            mask = None if batch.attention_mask is None else batch.attention_mask.long()
            with torch.no_grad():
                output = model.language_model(input_ids=inputs, attention_mask=mask)
            surprisal = -output.logits.double().log_softmax(-1)
            for position in selected[0].nonzero().flatten().tolist():
                loss = float(surprisal[0, position, batch.input_ids[0, position]])
                found[percent].append((row, int(batch.token_class[0, position]), loss))
    return found


def test_held_out_loss_is_the_mean_over_selected_tokens(
    model: SelectedPositionsLM, material: Material
) -> None:
    metrics = _metrics(model, material)
    names = material.corpus.manifest.class_names
    for percent, tokens in _by_hand(model, material).items():
        losses = [loss for _, _, loss in tokens]
        assert metrics[f"held_out/num_predicted_{percent}"] == len(losses)
        assert metrics[f"held_out/loss_{percent}"] == pytest.approx(
            sum(losses) / len(losses), rel=1e-5
        )
        for k, name in enumerate(names):
            of_class = [loss for _, c, loss in tokens if c == k]
            if of_class:
                mean = sum(of_class) / len(of_class)
                assert metrics[f"held_out/loss_{percent}/{name}"] == pytest.approx(mean, rel=1e-5)
            else:
                assert f"held_out/loss_{percent}/{name}" not in metrics


def test_held_out_standard_error_is_near_the_jackknife_over_sequences(
    model: SelectedPositionsLM, material: Material
) -> None:
    tokens = _by_hand(model, material)[15]
    rows = sorted({row for row, _, _ in tokens})
    total, count = sum(loss for *_, loss in tokens), len(tokens)
    left_out = []
    for row in rows:
        here = [loss for r, _, loss in tokens if r == row]
        left_out.append((total - sum(here)) / (count - len(here)))
    mean = sum(left_out) / len(rows)
    variance = (len(rows) - 1) / len(rows) * sum((x - mean) ** 2 for x in left_out)
    error = _metrics(model, material)["held_out/loss_15_standard_error"]
    assert error == pytest.approx(math.sqrt(variance), rel=0.02)


def test_held_out_every_selected_position_shows_the_mask(material: Material) -> None:
    batch = material.held_out_set().__getitems__(range(20))
    for inputs, selected in _maskings(batch, material.vocabulary, 30, 2):
        assert (inputs[selected] == material.vocabulary.mask_id).all()
        assert torch.equal(inputs[~selected], batch.input_ids[~selected])
        assert not (selected & ~batch.maskable).any()


def test_held_out_uniform_model_loses_the_logarithm_of_its_vocabulary(material: Material) -> None:
    built = build_model(
        ModelSettings(size="bert-tiny"), tokenizer=material.tokenizer,
        vocab_size=material.vocabulary.size, sequence_length=32, seed=0,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.zero_()
    metrics = _metrics(SelectedPositionsLM(built), material)
    expected = math.log(material.vocabulary.size)
    for percent in (5, 15, 30):
        assert metrics[f"held_out/loss_{percent}"] == pytest.approx(expected, rel=1e-6)
        assert metrics[f"held_out/loss_{percent}_standard_error"] == pytest.approx(0.0, abs=1e-4)


def test_held_out_is_the_same_in_any_batches_and_on_any_ranks(
    model: SelectedPositionsLM, material: Material
) -> None:
    expected = _metrics(model, material)
    assert _metrics(model, material, batch_size=64) == pytest.approx(expected, rel=1e-5)
    shares: list[Tensor] = []
    for rank in range(3):
        _metrics(model, material, rank=rank, num_ranks=3, reduce=lambda v: shares.append(v) or v)
    sums = [sum(shares[i::3]) for i in range(3)]
    again = iter(sums)
    merged = _metrics(model, material, rank=0, num_ranks=3, reduce=lambda v: next(again))
    assert merged == pytest.approx(expected, rel=1e-5)


def test_held_out_leaves_model_and_generator_as_they_were(
    model: SelectedPositionsLM, material: Material
) -> None:
    model.train()
    before = torch.random.get_rng_state()
    first = _metrics(model, material, num_sequences=5)
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), before)
    assert _metrics(model, material, num_sequences=5) == first


def test_held_out_unigram_entropy_is_that_of_the_counts(material: Material) -> None:
    batch = material.held_out_set().__getitems__(range(len(material.corpus.held_out)))
    counts = Counter(batch.input_ids[batch.maskable].tolist())
    total = sum(counts.values())
    expected = -sum(n / total * math.log(n / total) for n in counts.values())
    assert unigram_entropy(material.held_out_set()) == pytest.approx(expected)


def test_held_out_settings_are_checked() -> None:
    assert HeldOutSettings().interval(2000) == 200
    assert HeldOutSettings(every_steps=7).interval(2000) == 7
    assert HeldOutSettings().interval(3) == 1
    with pytest.raises(ValueError, match="draws=0"):
        HeldOutSettings(draws=0)


def test_held_out_without_classes(plain_corpus: Path, model: SelectedPositionsLM) -> None:
    plain = Material.of(open_corpus(plain_corpus))
    batch = plain.held_out_set().__getitems__([0])
    assert (batch.token_class == NO_CLASS).all()
    metrics = _metrics(model, plain)
    assert not [name for name in metrics if name.count("/") > 1]
