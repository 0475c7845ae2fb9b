"""Calls from several threads, or from one without gradients, give the bits of a call alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

import tidemask
from small_runs import TINY, same_weights
from tidemask.run_record import RunDirectory


def trained(corpus: Path, out: Path) -> None:
    tidemask.pretrain(corpus, out=out, recipe="ptw", overrides=TINY, progress=False)


@pytest.mark.slow
def test_runs_of_several_threads_are_those_of_one(corpus: Path, tmp_path: Path) -> None:
    trained(corpus, tmp_path / "alone")
    outs = [tmp_path / "first", tmp_path / "second"]
    threads = [threading.Thread(target=trained, args=(corpus, out)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = RunDirectory(tmp_path / "alone")
    assert all(same_weights(RunDirectory(out), alone) for out in outs)
    losses: list[float] = []

    def measured(out: Path) -> None:
        (found,) = tidemask.evaluate(
            out, tasks="pseudo-perplexity", with_random=False, progress=False
        )
        losses.append(found.results[0].metrics["loss"])

    threads = [threading.Thread(target=measured, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(losses) == 2
    assert losses[0] == losses[1]


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_a_thread_without_gradients_trains_all_the_same(
    mode: type[torch.no_grad], corpus: Path, tmp_path: Path
) -> None:
    trained(corpus, tmp_path / "alone")
    with mode():
        trained(corpus, tmp_path / "run")
        assert not torch.is_grad_enabled()
    assert same_weights(RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "alone"))
