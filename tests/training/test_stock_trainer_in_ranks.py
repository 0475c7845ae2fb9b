"""The stock Trainer on two processes masks and learns what it does on one: real ranks, by gloo."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from child_processes import HUNG_SECONDS
from places import SUPPORT
from small_runs import in_ranks, warm_command


def _trained(out: Path, policy: str, processes: int) -> list[dict[str, Any]]:
    """What each rank kept of a training."""
    command = warm_command(SUPPORT / "stock_in_ranks.py", str(out), policy)
    done = subprocess.run(
        in_ranks(command, processes),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(f"{out}-{rank}.pt", weights_only=True) for rank in range(processes)]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["class loss", "masked diffusion", "words"])
def test_stock_trainer_on_two_processes_learns_what_it_does_on_one(
    policy: str, tmp_path: Path
) -> None:
    """One process with two micro-batches a step, and two processes with one each."""
    (one,) = _trained(tmp_path / "one", policy, 1)
    two = _trained(tmp_path / "two", policy, 2)
    steps = len(one["rows"]) // 2
    assert steps == len(two[0]["rows"]) == len(two[1]["rows"])
    for step in range(steps):
        whole = torch.cat([*one["rows"][2 * step : 2 * step + 2]])
        parts = torch.cat([rank["rows"][step] for rank in two])
        assert sorted(parts.tolist()) == sorted(whole.tolist())
    assert len({tuple(row) for row in one["rows"].flatten(0, 1).tolist()}) > steps
    torch.testing.assert_close(two[0]["losses"], two[1]["losses"], rtol=0, atol=0)
    torch.testing.assert_close(two[0]["losses"], one["losses"], rtol=1e-5, atol=1e-6)
    for name, weight in one["weights"].items():
        torch.testing.assert_close(two[0]["weights"][name], two[1]["weights"][name])
        torch.testing.assert_close(two[0]["weights"][name], weight, rtol=1e-4, atol=1e-5, msg=name)
