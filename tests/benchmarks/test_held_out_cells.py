"""The six held-out cells, measured by plain transformers under masks of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from benchmarks.evaluation.held_out_cells import CELLS, MEAN, Loss, compare, read_text, select
from small_runs import trained
from tidemask.corpus.store.corpus import open_corpus
from tidemask.run_record import HELD_OUT_CELLS, MEAN_LOSS

LEARNS = (
    "model.size=modernbert-tiny-local",
    "model.dropout=0",
    "training.max_steps=150",
    "training.micro_batch_size=32",
    "training.learning_rate=5e-3",
    "evaluation.final_sequences=0",
    "evaluation.final_draws=4",
)


@pytest.mark.slow
def test_held_out_cells_agree_with_plain_transformers(corpus: Path, tmp_path: Path) -> None:
    """Seven losses of a model that uses context: |z| below 4, where a wrong unit is beyond 5."""
    run = trained(corpus, tmp_path / "run", "bert", *LEARNS)
    found = list(compare(run.root, draws=4, seed=1))
    assert [one.name for one in found] == [*(cell.loss for cell in HELD_OUT_CELLS), MEAN_LOSS]
    assert all(abs(one.z) < 4 for one in found), [(one.name, one.z) for one in found]
    losses = {one.name: one for one in found}
    for percent in (5, 15, 30):
        token, word = losses[f"held_out/loss_{percent}"], losses[f"held_out/word_loss_{percent}"]
        error = np.linalg.norm(word.ours.influence - token.theirs.influence)
        assert abs(word.ours.mean - token.theirs.mean) > 5 * error


def test_held_out_cells_find_the_words_that_preparation_recorded(corpus: Path) -> None:
    opened = open_corpus(corpus)
    text = read_text(corpus, AutoTokenizer.from_pretrained(opened.tokenizer_directory))
    rows = opened.held_out.rows(range(len(opened.held_out)))
    starts = np.diff(text.word, axis=1, prepend=0) > 0
    assert np.array_equal(text.ids, rows.input_ids)
    assert np.array_equal(starts & text.maskable, rows.word_start)
    assert np.array_equal(text.attended.sum(axis=1), rows.length)


def test_held_out_cells_select_each_unit_with_the_chance_of_the_ratio(corpus: Path) -> None:
    """Shares within four binomial errors; words are selected whole; nothing special is."""
    tokenizer = AutoTokenizer.from_pretrained(open_corpus(corpus).tokenizer_directory)
    text = read_text(corpus, tokenizer)
    rng = np.random.default_rng(0)
    special = np.isin(text.ids, tokenizer.all_special_ids)
    row = np.arange(len(text.ids))[:, None] * text.ids.shape[1]
    for unit, percent in CELLS.values():
        selected = [select(text, unit, percent, rng) for _ in range(20)]
        words = (row + text.word)[text.maskable] if unit == "word" else None
        hits = [s[text.maskable] for s in selected]
        assert not any((s & special).any() for s in selected)
        num = int(text.maskable.sum())
        if words is not None:
            _, first, of_word = np.unique(words, return_index=True, return_inverse=True)
            assert all(np.array_equal(h[first][of_word], h) for h in hits)
            hits, num = [h[first] for h in hits], len(first)
        ratio = percent / 100
        error = np.sqrt(ratio * (1 - ratio) / (20 * num))
        assert abs(np.mean(hits) - ratio) < 4 * error


def test_held_out_cells_error_is_that_of_a_ratio() -> None:
    """Against a bootstrap of 400 sequences, to its own error; means share their sequences."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, 400).astype(float)
    sums = counts * rng.normal(4, 1, 400)
    rows = rng.integers(400, size=(4000, 400))
    resampled = sums[rows].sum(1) / counts[rows].sum(1)
    loss = Loss.of(sums, counts)
    assert loss.error == pytest.approx(resampled.std(), rel=0.06)
    assert Loss.average([loss, loss]).error == pytest.approx(loss.error)
    assert MEAN == MEAN_LOSS
