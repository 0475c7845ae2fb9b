"""The examples are run, as a reader would run them, and print what they should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from child_processes import HUNG_SECONDS
from collators import Rows, collator_of, is_for, loader_of
from places import ROOT
from small_runs import warm_command
from tidemask import load_recipe

EXAMPLES = ROOT / "examples"
LINE = re.compile(
    r"^steps +(\d+) - +(\d+)   scheduled ratio (0\.\d+)   realised ratio (0\.\d+)$", re.M
)
STEPS = 20


def run_example(script: str, *options: str, warm: bool = True) -> str:
    """What a script prints, run as a reader would, or forked from a process that imported a lot."""
    start = warm_command if warm else (lambda *command: [sys.executable, *map(str, command)])
    done = subprocess.run(
        start(EXAMPLES / script, f"--steps={STEPS}", *options),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(output: str, first: int = 0, last: int = STEPS - 1) -> None:
    """Lines cover the steps, and each realised ratio is near the schedule's own formula.

    A line has at least 1,500 maskable tokens: five standard deviations of the realised ratio, for
    words of up to three tokens, are below 0.1 (LEVEL 1e-6 per line).
    """
    schedule = load_recipe("ptw-mrd").masking.ratio
    lines = LINE.findall(output)
    steps = [step for a, b, *_ in lines for step in range(int(a), int(b) + 1)]
    assert steps == list(range(first, last + 1))
    for a, b, scheduled, realised in lines:
        planned = [schedule(step / STEPS) for step in range(int(a), int(b) + 1)]
        assert min(planned) - 5e-4 <= float(scheduled) <= max(planned) + 5e-4
        assert abs(float(realised) - float(scheduled)) < 0.1
    if last == STEPS - 1:
        assert float(lines[-1][3]) < 0.1
        classes = re.findall(r"^class (\w+) +loss \d\.\d\d nats   weight 0\.\d\d$", output, re.M)
        assert 2 <= len(classes) == len(set(classes)) <= 6  # those that were predicted of late


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--workers=0",), ("--workers=2", "--accumulate=2")], ids=str)
def test_examples_plain_loop(options: tuple[str, ...]) -> None:
    check(run_example("plain_loop.py", *options, warm=len(options) > 1))


@pytest.mark.slow
def test_examples_stock_trainer_broken_off_and_continued(tmp_path: Path) -> None:
    """What follows the checkpoint is what it would have been."""
    options = ("--workers=1", "--batch=8", "--out")
    whole = run_example("stock_trainer.py", *options, str(tmp_path / "whole"))
    check(whole)
    broken = run_example("stock_trainer.py", *options, str(tmp_path / "run"), "--stop-after=9")
    assert "from the beginning" in broken
    check(broken, last=8)
    rest = run_example("stock_trainer.py", *options, str(tmp_path / "run"))
    assert "from checkpoint-8" in rest
    check(rest, first=8)
    assert LINE.findall(whole)[4:] == LINE.findall(rest)
    assert re.findall("^class .*", whole, re.M) == re.findall("^class .*", rest, re.M)
    losses = re.findall(r"'eval_loss': '([\d.]+)'", whole)
    assert len(losses) == 4
    assert float(losses[-1]) < float(losses[0])


@pytest.mark.slow
def test_examples_lightning_loop() -> None:
    output = run_example("lightning_loop.py", "--accumulate=2", "--batch=8", warm=False)
    check(output)
    assert len(re.findall(r"^held-out loss \d\.\d+ nats$", output, re.M)) == 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("workers", "accumulation", "more"),
    [(0, 1, {}), (0, 3, {}), (2, 3, {}), (2, 1, {"persistent_workers": True})],
)
def test_examples_lightning_callback_keeps_in_step(
    workers: int, accumulation: int, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs of 7 batches, validated twice each: every batch has the masks of its step."""
    lightning = pytest.importorskip("lightning")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from lightning_loop import MaskingSteps

    seen: list[tuple[int, dict[str, Any]]] = []
    validated: list[dict[str, Any]] = []

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        class_sums = torch.zeros(0)

        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
            seen.append((self.trainer.global_step, batch))
            return self.layer(torch.ones(1)).sum()

        def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
            validated.append(batch)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    steps = 3 * -(-7 // accumulation)
    collator = collator_of("words", steps, accumulation_steps=accumulation)
    trainer = lightning.Trainer(
        max_steps=steps,
        accumulate_grad_batches=accumulation,
        val_check_interval=3,
        accelerator="cpu",
        callbacks=[MaskingSteps(collator)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loaders = [loader_of(Rows(n), collator, workers, **more) for n in (7, 2)]
    trainer.fit(Module(), *loaders)
    assert len(seen) == 21
    for number, (step, batch) in enumerate(seen):
        epoch, turn = divmod(number, 7)
        assert step == epoch * -(-7 // accumulation) + turn // accumulation
        assert is_for(batch, step, steps)
    assert collator.clock.steps_done == steps
    assert len(validated) > 4
    for number, batch in enumerate(validated):
        assert torch.equal(batch["labels"], validated[number % 2]["labels"])
