"""A checkpoint that the system cannot read now is not called damaged."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from small_runs import problem_with
from tidemask.run_record import RunDirectory
from tidemask.system_errors import is_out_of_memory
from tidemask.training.checkpoint_checks import SEAL_FILE, sealed_step
from tidemask.training.checkpoint_files import find_resume_point, prune, publish, staging_directory

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="how Linux answers")


def _failing_drive(path: Path) -> None:
    """Let reading a file fail as on a broken disk: this one cannot be read at its beginning."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


@on_linux
def test_checkpoint_on_a_drive_that_fails_is_not_called_damaged(
    broken: RunDirectory, tidemask: Callable[..., tuple[int, str, str]]
) -> None:
    seal_file = broken.checkpoint(3) / SEAL_FILE
    _failing_drive(seal_file)
    before = sorted(broken.root.rglob("*"))
    status, _, errors = tidemask("resume", broken.root)
    assert (status, errors.count("\n")) == (2, 1), errors
    assert f"{seal_file}: Input/output error. Check the disk" in errors
    assert {*broken.root.rglob("*")} - {*before} <= {broken.root / ".lock"}
    for use in (
        lambda: publish(staging_directory(broken, 3), broken, 3),
        lambda: prune(broken, step=3, keep=1, is_planned=lambda _: True),
    ):
        with pytest.raises(OSError, match="Input/output error"):
            use()
    assert {*broken.root.rglob("*")} - {*before} <= {broken.root / ".lock"}


@on_linux
def test_checkpoint_that_cannot_be_opened_now_is_not_called_damaged(broken: RunDirectory) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(broken.root, os.O_RDONLY)
    os.close(free)
    for look in (
        lambda: find_resume_point(broken),
        lambda: problem_with(broken.checkpoint(3), 3),
        lambda: sealed_step(broken.checkpoint(3)),
    ):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
            with pytest.raises(OSError, match="Too many open files"):
                look()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert find_resume_point(broken).step == 3


@on_linux
def test_checkpoint_that_memory_does_not_hold_is_not_called_damaged(
    broken: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address space ends below what is mapped while the tensors are read."""
    import resource

    def in_no_space(*arguments: Any, load: Callable[..., Any] = torch.load, **named: Any) -> Any:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 20, -1))
        try:
            return load(*arguments, **named)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (-1, -1))

    monkeypatch.setattr(torch, "load", in_no_space)
    with pytest.raises(Exception, match=r"memory|\(12\)|^$") as caught:
        problem_with(broken.checkpoint(3), 3)
    assert is_out_of_memory(caught.value)
