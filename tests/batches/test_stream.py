"""The stream: every row once an epoch, computed from the sample's number alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tidemask.batches.stream import (
    BatchDataset,
    ShuffledOrder,
    StepSampler,
    StoredOrder,
    to_batch,
    training_loader,
)
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.store.rows import Rows
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.token_classes import NO_CLASS


@given(st.integers(1, 60), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_batching_every_row_once_per_epoch(num_rows: int, epoch: int, seed: int) -> None:
    order = ShuffledOrder(num_rows, seed=seed)
    samples = np.arange(epoch * num_rows, (epoch + 1) * num_rows)
    assert sorted(order.rows(samples)) == list(range(num_rows))


@given(st.lists(st.integers(0, 500), min_size=1, max_size=30), st.integers(0, 9))
def test_batching_row_of_a_sample_depends_on_its_number_alone(ids: list[int], seed: int) -> None:
    together = ShuffledOrder(37, seed=seed).rows(np.array(ids))
    alone = [int(ShuffledOrder(37, seed=seed).rows(np.array([i]))[0]) for i in ids]
    assert together.tolist() == alone


def test_batching_epochs_and_seeds_have_orders_of_their_own() -> None:
    first = ShuffledOrder(100, seed=1).rows(np.arange(200))
    assert not np.array_equal(first[:100], first[100:])
    assert not np.array_equal(first, ShuffledOrder(100, seed=2).rows(np.arange(200)))
    with pytest.raises(ValueError, match="num_rows=0"):
        ShuffledOrder(0, seed=0)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 6))
def test_batching_ranks_share_a_step_and_steps_share_nothing(
    micro: int, accumulation: int, ranks: int, start: int
) -> None:
    max_steps = 6
    size = micro * accumulation * ranks
    samplers = [
        StepSampler(
            start_step=start, max_steps=max_steps, micro_batch_size=micro,
            accumulation_steps=accumulation, rank=rank, num_ranks=ranks,
        )
        for rank in range(ranks)
    ]  # fmt: skip
    lists = [list(sampler) for sampler in samplers]
    for number, step in enumerate(range(start, max_steps)):
        mine = slice(number * accumulation, (number + 1) * accumulation)
        drawn = [i for batches in lists for batch in batches[mine] for i in batch]
        assert sorted(drawn) == list(range(step * size, (step + 1) * size))
    assert all(len(sampler) == max_steps * accumulation for sampler in samplers)


def test_batching_marks_special_and_padding_as_not_maskable() -> None:
    rows = Rows(
        input_ids=np.array([[2, 7, 8, 3, 0], [2, 9, 1, 6, 3]], dtype=np.uint16),
        word_start=np.array([[0, 1, 0, 0, 0], [0, 1, 1, 1, 0]], dtype=bool),
        token_class=np.array([[255, 4, 4, 255, 255], [255, 1, 2, 3, 255]], dtype=np.uint8),
        length=np.array([4, 5], dtype=np.int32),
    )
    is_special = torch.arange(10) < 5
    batch = to_batch(rows, np.array([11, 12]), is_special)
    assert batch.maskable.int().tolist() == [[0, 1, 1, 0, 0], [0, 1, 0, 1, 0]]
    assert batch.attention_mask is not None
    assert batch.attention_mask.tolist() == [[True] * 4 + [False], [True] * 5]
    assert batch.sample_ids.tolist() == [11, 12]
    assert batch.input_ids.dtype == torch.int64
    full = to_batch(Rows(*(a[1:] for a in vars(rows).values())), np.array([1]), is_special)
    assert full.attention_mask is None


@pytest.mark.slow
def test_batching_loader_leaves_the_global_generator_alone(corpus: Path) -> None:
    data = CorpusInputs.of(open_corpus(corpus))
    sampler = StepSampler(start_step=2, max_steps=4, micro_batch_size=3, accumulation_steps=2)
    before = torch.random.get_rng_state()
    batches = list(training_loader(data.training_set(0), sampler, num_workers=0))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert [batch.sample_ids.tolist() for batch in batches] == list(sampler)


def test_batching_workers_give_the_same_batches(corpus: Path) -> None:
    data = CorpusInputs.of(open_corpus(corpus))
    sampler = StepSampler(start_step=0, max_steps=3, micro_batch_size=4, accumulation_steps=1)
    here, there = (
        list(training_loader(data.training_set(0), sampler, num_workers=n)) for n in (0, 2)
    )
    for a, b in zip(here, there, strict=True):
        assert torch.equal(a.input_ids, b.input_ids)
        assert torch.equal(a.sample_ids, b.sample_ids)


def test_batching_classes_and_starts_come_from_the_corpus(corpus: Path) -> None:
    opened = open_corpus(corpus)
    data = CorpusInputs.of(opened)
    dataset = BatchDataset(opened.held_out, StoredOrder(), data.vocabulary.is_special)
    batch = dataset.__getitems__(range(len(opened.held_out)))
    assert int(batch.maskable.sum()) <= opened.manifest.held_out.num_tokens
    pieces = opened.manifest.held_out.num_words + len(opened.held_out)  # a row may cut a word
    assert int((batch.word_starts & batch.maskable).sum()) <= pieces
    assert set(batch.token_class[~batch.maskable].unique().tolist()) <= {NO_CLASS, *range(17)}
    counts = torch.bincount(batch.token_class[batch.maskable].long(), minlength=256)
    names = opened.manifest.class_names
    for k, name in enumerate(names):
        assert int(counts[k]) <= opened.manifest.held_out.class_counts[name]
