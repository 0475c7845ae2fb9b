"""Arrow streams of one record batch: written, read whole, or described without their values."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tidemask.errors import UserError, one_line
from tidemask.files.paths import check_plain_file
from tidemask.reading import ANY_LENGTH, read_bytes

_HEAD_BYTES = 8
"""Of a message: a mark, and the length of what describes it. The last message is nothing else."""


def write_stream(path: Path, content: pa.RecordBatch | pa.Table) -> None:
    """Write a batch or a table as an Arrow stream; it is on the disk when this returns."""
    with path.open("wb") as file:
        with pa.ipc.new_stream(file, content.schema) as writer:
            writer.write(content)
        file.flush()
        os.fsync(file.fileno())


def columns_of_batch(path: Path, names: Sequence[str]) -> list[Any]:
    """Columns of the record batch of a file, with their values.

    Raises:
        UserError: the file is damaged.
        OSError: the system refuses it.
    """
    try:
        content = read_bytes(path, ANY_LENGTH, "damaged corpus")
        batch = pa.ipc.open_stream(content).read_next_batch()
        _check_lengths(batch)
        return [batch.column(name) for name in names]
    except (pa.ArrowException, KeyError, OSError, StopIteration, ValueError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise UserError(
            f"damaged corpus: {path} ({one_line(error)}). Expected the rows that were written "
            "there. Restore it, or make the corpus or its column again."
        ) from error


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
    _check_lengths(batches[0])
    end = image.address + image.size
    for column in batches[0].columns:
        for buffer in filter(None, column.buffers()):
            if not image.address <= buffer.address <= end - buffer.size:  # swapped bytes, say
                raise ValueError("its values are not as they stand in the file")
    return batches[0], image.address


def _check_lengths(batch: pa.RecordBatch) -> None:
    """Look whether buffers hold as many values as are promised: more lie anywhere in memory."""
    batch.validate()
    for column in batch.columns:
        if pa.types.is_fixed_size_list(column.type):
            expected = len(column) * column.type.list_size
            if len(column.values) != expected:
                raise ValueError(f"{len(column.values)} values in rows of {expected}")


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
