"""Arrow streams: written whole, and those of one record batch described without their values."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa


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
    with pa.memory_map(str(path)) as source:
        begin = source.read_buffer(source.size()).address
        source.seek(0)
        batches = list(pa.ipc.open_stream(source))
    if len(batches) != 1:
        raise ValueError(f"{len(batches)} record batches instead of one")
    return batches[0], begin
