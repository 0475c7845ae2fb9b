"""Full rows: which batches have an attention mask."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from small_runs import started, trainer_of
from tidemask.batches.stream import ShuffledOrder
from tidemask.corpus.store.corpus import open_corpus
from tidemask.runs.corpus_inputs import CorpusInputs
from watched_operations import AttentionMasks


@pytest.mark.slow
def test_full_rows_one_batch_of_an_epoch_has_a_mask(corpus: Path, tmp_path: Path) -> None:
    rows = open_corpus(corpus).train
    lengths = rows.rows(range(len(rows))).length
    (padded,) = (lengths < 32).nonzero()[0].tolist()
    batch_size = 16
    steps = len(rows) // batch_size + 1  # an epoch, and the begin of the next
    run = started(
        corpus, tmp_path / "run", "bert",
        f"training.max_steps={steps}", f"training.micro_batch_size={batch_size}",
        "training.save_steps=1000", "evaluation.every_steps=1000",
    )  # fmt: skip
    with AttentionMasks() as attention:
        trainer_of(run).train_from(None)
    order = ShuffledOrder(len(rows), seed=0)
    samples = torch.arange(steps * batch_size).numpy()
    has_mask = (order.rows(samples) == padded).reshape(steps, batch_size).any(axis=1)
    expected = has_mask.repeat(2).tolist()  # by layer
    found = [mask is not None for mask in attention.masks]
    assert has_mask.sum() == 1
    assert found[: len(expected)] == expected  # the evaluation at the end follows


def test_full_rows_batches_are_whole_but_the_one_with_the_last_row(corpus: Path) -> None:
    opened = open_corpus(corpus)
    dataset = CorpusInputs.of(opened).held_out_set()
    last = len(opened.held_out) - 1
    assert dataset.__getitems__(range(last)).attention_mask is None
    mask = dataset.__getitems__([0, last]).attention_mask
    assert mask is not None
    assert mask[0].all()
    assert mask[1].tolist() == sorted(mask[1].tolist(), reverse=True)
