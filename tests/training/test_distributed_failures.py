"""Processes that disagree, die or leave: the others end, and nothing hangs.

Real processes joined by gloo on the CPU, forked from one that has imported all.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS, ended, wait_until
from small_runs import in_ranks, started, torchrun, warm_command
from tidemask.training.checkpoint_files import find_resume_point
from tidemask.training.distributed import is_loss_of_process


@pytest.mark.slow
def test_distributed_processes_that_disagree_write_nothing(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    one = shlex.join(warm_command("tidemask", "pretrain", str(corpus), f"--out={out}", "--recipe"))
    script = f'[ "$RANK" = 1 ] && exec {one} mrd-linear || exec {one} bert'
    done = subprocess.run(
        in_ranks(["bash", "-c", script], 2),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=HUNG_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Give every process the same command." in done.stderr
    assert not out.exists()


@pytest.mark.slow
def test_distributed_death_of_one_process_ends_the_others(corpus: Path, tmp_path: Path) -> None:
    """Nothing hangs, the run continues from a checkpoint, and the survivor prints one line.

    It prints nothing where the launcher ends it first.
    """
    run = started(
        corpus, tmp_path / "run", "ptw-mrd", "training.micro_batch_size=2",
        "training.max_steps=3000", "training.save_steps=4", "evaluation.every_steps=3000",
    )  # fmt: skip
    process = subprocess.Popen(
        [*torchrun(2), "--no-python", *warm_command("tidemask", "resume", str(run.root))],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(process):
        wait_until(run.checkpoint(8).exists, process)
        os.kill(_rank(process.pid, 1), signal.SIGKILL)
        _, errors = process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode != 0
    own = [line for line in errors.splitlines() if line.startswith("tidemask:")]
    assert len(own) <= 1
    assert [line for line in own if "another process of" not in line] == []
    assert "[rank0]: Traceback" not in errors
    assert find_resume_point(run).step >= 8


LOSSES = (
    "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1",
    "Read error [127.0.0.1]:41234: Connection reset by peer",
    "Application timeout caused pair closure", "Pair is not connected ([127.0.0.1]:5)",
    "Timed out waiting 1800000ms for recv operation to complete", "Socket Timeout",
    "wait timed out after 300000ms", "Software caused connection abort", "No route to host",
    "Failed to recv, got 0 bytes. Connection was likely closed.",
)  # fmt: skip
"""Texts of libtorch 2's gloo transport and of its store, as they stand in its library."""


def test_distributed_loss_of_a_process_is_known_by_each_text_of_gloo() -> None:
    assert [text for text in LOSSES if not is_loss_of_process(RuntimeError(text))] == []
    own = (
        "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
        "CUDA error: the launch timed out and was terminated",
        "DataLoader timed out after 30 seconds",
    )
    assert [text for text in own if is_loss_of_process(RuntimeError(text))] == []


LEFT_ALONE = """
import os, signal, sys
import torch.distributed as dist
from tidemask.cli.interrupts import leave_launched
from tidemask.training.distributed import join_launched_processes, rank_and_size

join_launched_processes()
dist.barrier()
if rank_and_size()[0] == 1:
    os.kill(os.getpid(), signal.SIGKILL)
leave_launched()
print("left", rank_and_size())
"""


@pytest.mark.slow
def test_distributed_process_leaves_though_another_was_killed_before(tmp_path: Path) -> None:
    """The last step is done and saved: the survivor ends well, with a warning."""
    script = tmp_path / "leave.py"
    script.write_text(LEFT_ALONE)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    size = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    ranks = [
        subprocess.Popen(
            warm_command(script),
            env={**os.environ, **place, **size, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    with ended(ranks[0]), ended(ranks[1]):
        printed, errors = ranks[0].communicate(timeout=HUNG_SECONDS)
        assert ranks[1].wait(HUNG_SECONDS) != 0
    assert (ranks[0].returncode, printed) == (0, "left (0, 1)\n"), errors
    assert "Traceback" not in errors
    assert "Another process ended before this one, rank 0, had left" in errors


def _rank(launcher: int, rank: int) -> int:
    """The process of a rank among the children of torchrun."""
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        if f"RANK={rank}".encode() in environment:
            return int(child)
    raise AssertionError(f"no rank {rank} under {launcher}")
