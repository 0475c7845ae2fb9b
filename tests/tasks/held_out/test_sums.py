"""Bands of vocabulary entries against the rule in words, and losses per band by hand."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from held_out_by_hand import measured_by_hand, rough_model
from tidemask.corpus.store.corpus import open_corpus
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.tasks.held_out.settings import HeldOutSettings
from tidemask.tasks.held_out.sums import frequency_bands

NAMES = ["0-50", "50-75", "75-90", "90-99", "99-100"]
EDGES = [Fraction(edge, 100) for edge in (0, 50, 75, 90, 99)]

token_counts = st.lists(st.sampled_from([0, 1, 1, 2, 3, 10, 90, 900]), min_size=1, max_size=30)


def bands_of(counts: list[int]) -> list[int] | None:
    """The rule, entry by entry, in exact arithmetic."""
    total = sum(counts)
    if not total:
        return None
    before = [Fraction(sum(c for c in counts if c > count), total) for count in counts]
    return [max(k for k, edge in enumerate(EDGES) if share >= edge) for share in before]


@given(token_counts)
def test_frequency_bands_follow_the_rule(counts: list[int]) -> None:
    found = frequency_bands(torch.tensor(counts))
    assert (None if found is None else found.tolist()) == bands_of(counts)


@given(token_counts.filter(any))
def test_frequency_bands_first_one_makes_up_half_the_tokens(counts: list[int]) -> None:
    bands = frequency_bands(torch.tensor(counts))
    first = [count for count, band in zip(counts, bands.tolist(), strict=True) if band == 0]
    assert 2 * sum(first) >= sum(counts)
    assert 2 * sum(count for count in first if count > min(first)) < sum(counts)


def test_frequency_bands_of_a_text_without_tokens() -> None:
    assert frequency_bands(torch.zeros(7, dtype=torch.int64)) is None


def test_frequency_bands_of_a_large_text_do_not_overflow() -> None:
    counts = torch.tensor([4 * 10**12, 3 * 10**12, 2 * 10**12, 0])
    assert frequency_bands(counts).tolist() == bands_of(counts.tolist())


@pytest.mark.slow
def test_frequency_bands_losses_are_those_by_hand(corpus: Path) -> None:
    data = CorpusInputs.of(open_corpus(corpus))
    model = rough_model(data)
    train = data.training_set(seed=1).__getitems__(range(len(data.corpus.train)))
    counts = Counter(train.input_ids[train.maskable].tolist())
    band_of = bands_of([counts[entry] for entry in range(data.vocabulary.size)])
    measured = data.held_out_evaluator(HeldOutSettings(final_draws=1, batch_size=7)).final(model)
    found = {name: value for name, value in measured.metrics.items() if "/frequency/" in name}
    expected = {}
    for loss, tokens in measured_by_hand(model, data, num_draws=1).items():
        losses = defaultdict(list)
        for token in tokens:
            losses[NAMES[band_of[token.entry]]].append(token.loss)
        assert len(losses) >= 4
        for name, here in losses.items():
            expected[f"{loss}/frequency/{name}"] = sum(here) / len(here)
    assert found == pytest.approx(expected, rel=1e-5)
