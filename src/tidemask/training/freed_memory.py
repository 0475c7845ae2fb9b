"""Freed memory stays with the process while it trains on a CPU.

glibc maps every block of 32 MB or more for itself, and hands it back when it is freed. A training
step frees and takes the same large blocks again and again, and faulting them in each time takes a
noticeable part of a small model's step.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Let the C library reuse freed blocks below a gigabyte; does nothing where it is not glibc."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_BLOCK_BYTES - 1)
