"""What the system refuses a user, also where the tests run as root, whom it refuses nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def readable_by_all() -> Iterator[Path]:
    """A new directory that every user may read; those of pytest are their owner's alone."""
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o755)
        yield root
    finally:
        for directory, _, _ in os.walk(root):
            Path(directory).chmod(0o755)
        shutil.rmtree(root)


@contextmanager
def without_privileges() -> Iterator[None]:
    """This process as a user without privileges; what is lazily imported must be so before."""
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(_NOBODY)
        yield
    finally:
        if is_root:
            os.seteuid(0)
