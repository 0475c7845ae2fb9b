"""Blocks that are freed are not faulted in again, unless the environment says otherwise."""

from __future__ import annotations

import os
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
_COUNTING = """
import ctypes, types
from tidemask import processes
calls = []
ctypes.CDLL = lambda _: types.SimpleNamespace(mallopt=lambda *call: calls.append(call))
processes.keep_freed_memory()
print(len(calls))
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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has these settings")
@pytest.mark.parametrize(
    ("variable", "num_calls"),
    [
        ("UNRELATED", 2),
        ("MALLOC_MMAP_THRESHOLD_", 0),
        ("MALLOC_TRIM_THRESHOLD_", 0),
        ("GLIBC_TUNABLES", 0),
    ],
)
def test_thresholds_of_the_environment_stay(variable: str, num_calls: int) -> None:
    value = "glibc.malloc.mmap_threshold=1048576" if variable == "GLIBC_TUNABLES" else "1048576"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", _COUNTING],
        env={**inherited, variable: value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == num_calls
