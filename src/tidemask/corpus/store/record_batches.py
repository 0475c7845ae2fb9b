"""Arrow streams: written whole, and those of one record batch described without their values."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pyarrow as pa

from tidemask.files.paths import check_plain_file

_HEAD_BYTES = 8
"""Of a message: a mark, and the length of what describes it. The last message is nothing else."""


def write_stream(path: Path, content: pa.RecordBatch | pa.Table) -> None:
    """Write a batch or a table as an Arrow stream; it is on the disk when this returns."""
    with path.open("wb") as file:
        with pa.ipc.new_stream(file, content.schema) as writer:
            writer.write(content)
        file.flush()
        os.fsync(file.fileno())


def described_batch(path: Path) -> tuple[pa.RecordBatch, int]:
    """The record batch of a file, and the address at which the file begins.

    The address of a column's buffer less that of the file is the place of its values in the file.
    Only what describes the batch is read.

    Raises:
        ValueError, OSError: the file is missing, truncated, or has another number of batches.
    """
    image = pa.py_buffer(_described_bytes(path))
    source = pa.BufferReader(image)
    batches = list(pa.ipc.open_stream(source))
    if len(batches) != 1 or source.tell() != image.size:
        raise ValueError("more or fewer record batches than one")
    return batches[0], image.address


def _described_bytes(path: Path) -> mmap.mmap:
    """A file with zeros where the values of its first batch are; they take no memory.

    Memory of this process stands for the file, which is not mapped: a file that is cut while it is
    mapped ends the process by SIGBUS.
    """
    check_plain_file(path)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        image = mmap.mmap(-1, max(size, 1))
        for _ in range(2):  # the schema, and what describes the batch whose values follow
            head = file.read(_HEAD_BYTES)
            image.write(head + file.read(int.from_bytes(head[-4:], "little")))
        file.seek(max(size - _HEAD_BYTES, 0))
        tail = file.read(_HEAD_BYTES)
        image[len(image) - len(tail) :] = tail
    return image
