"""A file system of its own that is soon full, where one may be mounted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB, in pages; it is detached at once and goes with this process.

    The path holds for the processes that this one starts, too.
    """
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tidemask-test", str(place)]
    if (
        sys.platform != "linux"
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting a file system is not permitted here")
    descriptor = os.open(place, os.O_RDONLY)
    subprocess.run(["umount", "--lazy", str(place)], check=True)
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


def fill(disk: Path, leave: int) -> Path:
    """Write until `leave` bytes are free."""
    filler = disk / "filler"
    page = os.statvfs(disk).f_frsize
    with filler.open("wb", buffering=0) as file:
        while (free := os.statvfs(disk).f_bavail * page) > leave:
            file.write(b"\0" * min(1 << 20, free - leave))
    return filler
