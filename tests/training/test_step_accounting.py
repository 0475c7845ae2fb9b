"""Step accounting: when the losses of a step are waited for, and that it changes no result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cases import one_in
from small_runs import records, started, trainer_of
from tidemask.batches.stream import StepSampler, training_loader
from tidemask.corpus.store.corpus import open_corpus
from tidemask.run_record import RunDirectory
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.training.checkpoint_state import read_state
from tidemask.training.masked_step import StepMasking
from tidemask.training.step_accounting import StepAccounting
from tidemask.training.step_sums import StepSums

SETTINGS = (
    "training.max_steps=6", "training.save_steps=4", "training.logging_steps=3",
    "evaluation.every_steps=100",
)  # fmt: skip


def _trained(
    corpus: Path, out: Path, recipe: str, *, as_on_gpu: bool
) -> tuple[RunDirectory, list[str]]:
    """A training, and the order in which steps were masked and losses were waited for."""
    events: list[str] = []
    mask, totals, accounting = StepMasking.__call__, StepSums.totals, StepAccounting.__init__

    def on_mask(self: StepMasking, *arguments: Any, step: int, **named: Any) -> Any:
        events.append(f"mask {step}")
        return mask(self, *arguments, step=step, **named)

    def on_wait(self: StepSums) -> Any:
        events.append(f"wait {sum(event.startswith('wait') for event in events)}")
        return totals(self)

    def as_for_gpu(self: StepAccounting, masker: Any, divergence: Any, device: Any) -> None:
        accounting(self, masker, divergence, torch.device("cuda"))
        self._device = device  # what it computes stays here; when it waits is as on a GPU

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepMasking, "__call__", on_mask)
        patch.setattr(StepSums, "totals", on_wait)
        if as_on_gpu:
            patch.setattr(StepAccounting, "__init__", as_for_gpu)
        run = started(corpus, out, recipe, *SETTINGS)
        trainer_of(run).train_from(None)
    return run, events


def _in_turn(*steps: int) -> list[str]:
    return [event for step in steps for event in (f"mask {step}", f"wait {step}")]


@pytest.mark.slow
def test_accounting_of_a_gpu_waits_a_step_later_where_nothing_is_weighted_by_losses(
    corpus: Path, tmp_path: Path
) -> None:
    """The lines of steps 3 and 6, and the checkpoint of step 4, have all that came before."""
    _, events = _trained(corpus, tmp_path / "run", "bert", as_on_gpu=True)
    assert events == [
        "mask 0", "mask 1", "wait 0", "mask 2", "wait 1", "wait 2",
        "mask 3", "wait 3", "mask 4", "mask 5", "wait 4", "wait 5",
    ]  # fmt: skip


@pytest.mark.slow
def test_accounting_waits_for_the_step_before_where_weights_follow_losses(
    corpus: Path, tmp_path: Path
) -> None:
    _, events = _trained(corpus, tmp_path / "run", "ptw-mrd", as_on_gpu=True)
    assert events == _in_turn(*range(6))


@pytest.mark.slow
def test_accounting_on_a_cpu_has_nothing_to_wait_for(corpus: Path, tmp_path: Path) -> None:
    _, events = _trained(corpus, tmp_path / "run", "bert", as_on_gpu=False)
    assert events == _in_turn(*range(6))


@pytest.mark.parametrize("recipe", one_in(2, ["bert", "ptw-mrd"]))
@pytest.mark.slow
def test_accounting_gives_the_same_whenever_it_waits(
    recipe: str, corpus: Path, tmp_path: Path
) -> None:
    (late, _), (early, _) = (
        _trained(corpus, tmp_path / str(as_on_gpu), recipe, as_on_gpu=as_on_gpu)
        for as_on_gpu in (True, False)
    )
    assert records(late) == records(early)
    for step in (4, 6):
        weights, others = (
            load_file(run.checkpoint(step) / "model.safetensors") for run in (late, early)
        )
        assert all(torch.equal(weights[name], others[name]) for name in weights)
        states = [read_state(run.checkpoint(step)) for run in (late, early)]
        assert states[0].class_loss == states[1].class_loss


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_accounting_batches_are_where_a_gpu_reads_them(corpus: Path) -> None:
    data = CorpusInputs.of(open_corpus(corpus))
    sampler = StepSampler(start_step=0, max_steps=1, micro_batch_size=4, accumulation_steps=1)
    (batch,) = training_loader(data.training_set(0), sampler, num_workers=0)
    assert batch.input_ids.is_pinned()
    assert batch.maskable.is_pinned()
