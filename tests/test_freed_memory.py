"""Blocks that are freed are not faulted in again."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import resource
import torch
{keep}
for number in range(40):
    if number == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(16 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
_KEEP = "from tidemask.processes import keep_freed_memory; keep_freed_memory()"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone maps large blocks")
def test_large_blocks_are_faulted_in_once() -> None:
    def faults(keep: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM.format(keep=keep)],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert 5 * faults(_KEEP) < faults("")
