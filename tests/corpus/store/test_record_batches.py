"""What describes a batch is found without its values, and a file that is not whole is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cases import all_cases
from tidemask.corpus.store.record_batches import columns_of_batch, described_batch, write_stream
from tidemask.errors import UserError

REFUSED = (ValueError, OSError, pa.ArrowException)


def _batch(rows: int = 5, *, note: str = "") -> pa.RecordBatch:
    values = pa.array(np.arange(rows * 7, dtype=np.uint16))
    columns = [pa.FixedSizeListArray.from_arrays(values, 7), pa.array(range(rows), pa.int32())]
    return pa.record_batch(columns, names=["ids", "length"]).replace_schema_metadata({"note": note})


@all_cases("note", ["", "x" * 100_000], ids=["short", "long"])
@all_cases("rows", [1, 5, 20_000])
def test_places_of_values_are_those_of_the_file(tmp_path: Path, rows: int, note: str) -> None:
    path = tmp_path / "rows.arrow"
    write_stream(path, _batch(rows, note=note))
    batch, begin = described_batch(path)
    places = [batch.column(0).values.buffers()[1], batch.column(1).buffers()[1]]
    content = path.read_bytes()
    ids, lengths = (content[p.address - begin :][: p.size] for p in places)
    assert batch.num_rows == rows
    assert np.array_equal(np.frombuffer(ids, np.uint16)[: rows * 7], np.arange(rows * 7) % 2**16)
    assert np.array_equal(np.frombuffer(lengths, np.int32)[:rows], np.arange(rows))


@all_cases("batches", [0, 2, 3])
def test_another_number_of_batches_is_refused(tmp_path: Path, batches: int) -> None:
    path = tmp_path / "rows.arrow"
    with pa.ipc.new_stream(str(path), _batch().schema) as writer:
        for _ in range(batches):
            writer.write(_batch())
    with pytest.raises(REFUSED):
        described_batch(path)


def test_a_file_that_is_cut_at_any_byte_of_its_batch_is_refused(tmp_path: Path) -> None:
    """The mark of the end, eight bytes, may be missing: the values are whole."""
    path = tmp_path / "rows.arrow"
    write_stream(path, _batch())
    for size in reversed(range(path.stat().st_size - 8)):
        os.truncate(path, size)
        with pytest.raises(REFUSED):
            described_batch(path)


@pytest.mark.slow
def test_a_file_with_any_bit_of_its_description_flipped_has_values_within_it(
    tmp_path: Path,
) -> None:
    """Or it is refused, in both ways of reading: what promises more values leads out of it."""
    path = tmp_path / "rows.arrow"
    write_stream(path, _batch())
    content = path.read_bytes()
    num_refused = 0
    for place in range(8 * content.index(np.arange(9, dtype=np.uint16).tobytes())):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            batch, begin = described_batch(path)
            ids, lengths = columns_of_batch(path, ["ids", "length"])
        except (*REFUSED, UserError):
            num_refused += 1
            continue
        assert len(ids.values) == ids.type.list_size * batch.num_rows
        assert len(lengths) == batch.num_rows
        for values in (batch.column(0).values, batch.column(1)):
            buffer, width = values.buffers()[1], values.type.bit_width // 8
            assert begin <= buffer.address
            assert buffer.address + len(values) * width <= begin + len(content)
    assert num_refused > 1000


def test_a_pipe_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.arrow")
    with pytest.raises(UserError, match="is a pipe"):
        described_batch(tmp_path / "rows.arrow")
