"""A number that is not finite stops the run, and names the step, the samples and a way back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from small_runs import TINY, run_command, started, trained, trainer_of
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.config import read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.started_on import corpus_of
from tidemask.runs.train import train
from tidemask.training.checkpoint_files import find_resume_point

TOO_FAST = ("training.learning_rate=1e30", "training.lr_warmup_steps=0", "training.save_steps=1")


def test_divergence_names_samples_rows_and_the_last_good_checkpoint(
    corpus: Path, tmp_path: Path
) -> None:
    """Weights of 1e30 are finite; what the next step computes from them is not."""
    run = started(corpus, tmp_path / "run", "bert", *TOO_FAST, "training.micro_batch_size=16")
    with pytest.raises(UserError) as caught:
        train(run)
    message = str(caught.value)
    rows = CorpusInputs.of(corpus_of(read_run_config(run.config))).training_set(0).order
    step = int(message.partition("in step ")[2].split(",")[0]) - 1
    first = 16 * step
    samples = list(range(first, first + 8))
    assert f"samples {', '.join(map(str, samples))} and 8 more" in message
    assert f"rows {', '.join(map(str, rows.rows(torch.tensor(samples).numpy())))} and 8" in message
    assert message.endswith("a lower training.learning_rate, or look at the text of these rows.")
    last = run.checkpoints()[-1][1]
    assert f"the last good is {last}" in message
    assert find_resume_point(run).path == last
    assert "\n" not in message


def test_divergence_names_the_micro_batch_that_it_came_from(corpus: Path, tmp_path: Path) -> None:
    run = started(
        corpus, tmp_path / "run", "bert", "training.micro_batch_size=4",
        "training.gradient_accumulation_steps=3",
    )  # fmt: skip
    trainer = trainer_of(run)
    calls = [0]

    def spoil(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        calls[0] += 1
        return output * (float("inf") if calls[0] == 3 * 2 + 2 else 1.0)

    trainer.model.register_forward_hook(spoil)
    with pytest.raises(UserError, match=r"in step 3, samples 28, 29, 30, 31 \(rows "):
        trainer.train_from(None)


@pytest.mark.slow
def test_divergence_of_a_weight_names_no_samples(corpus: Path, tmp_path: Path) -> None:
    run = trained(corpus, tmp_path / "run", "bert")
    trainer = trainer_of(run)
    trainer.state.global_step = 5
    name, weight = next(trainer.model.named_parameters())
    torch.nn.init.constant_(weight, float("nan"))
    expected = f"weight {name} is not finite: nan in step 5; the last good is {run.root}/checkpoint"
    with pytest.raises(UserError, match=re.escape(expected)) as caught:
        trainer.refuse_diverged_weights()
    assert str(caught.value).endswith("Start again with a lower training.learning_rate.")


@pytest.mark.slow
def test_divergence_stops_every_rank(corpus: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    arguments = ["pretrain", str(corpus), f"--out={run.root}", *TINY, *TOO_FAST]
    done = run_command([*arguments, "training.micro_batch_size=4"], processes=2)
    assert done.returncode == 1, done.stderr  # the launcher's own
    assert "is not finite: nan in step 2, samples 8, 9, 10, 11, 12, 13, 14, 15 (" in done.stderr
    assert done.stderr.count("is not finite") == 1, "the first process alone prints it"
    assert "tidemask/cli.py" not in done.stderr
    assert [step for step, _ in run.checkpoints()] == [1]
