"""Tables beside the rows: written in files, opened by our reader and by others'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tidemask.corpus.sources.documents import Document
from tidemask.corpus.splitting.field_types import merged_types
from tidemask.corpus.store import tables
from tidemask.corpus.store.documents import DocumentsWriter, DocumentTable
from tidemask.corpus.store.pieces import PIECES, PieceTable
from tidemask.corpus.store.tables import TableWriter
from tidemask.errors import UserError


@pytest.mark.parametrize("file_rows", [1, 3, 1000])
def test_pieces_of_a_row_are_found_in_whatever_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_rows: int
) -> None:
    monkeypatch.setattr(tables, "FILE_ROWS", file_rows)
    rows = [0, 0, 1, 3, 3, 3, 3, 3, 4, 9]
    writer = TableWriter(tmp_path / "pieces", PIECES)
    for place, row in enumerate(rows):
        writer.add({name: [row if name == "row" else place] for name in PIECES.names})
    writer.finish()
    table = PieceTable.open(tmp_path / "pieces")
    for row in (0, 1, 2, 3, 4, 9, 10):
        expected = [place for place, one in enumerate(rows) if one == row]
        assert table.of_rows([row]).document.tolist() == expected
    assert table.of_rows([3, 0]).document.tolist() == [3, 4, 5, 6, 7, 0, 1]
    assert len(table.of_rows([])) == 0
    assert table.table().column("row").to_pylist() == rows


def _documents(directory: Path) -> DocumentTable:
    fields = [{"year": 1900, "title": "Sea"}, {"year": 1899.5, "title": 7}, {"title": None}, {}]
    types = {}
    for one in fields:
        types = merged_types(types, one)
    writer = DocumentsWriter(directory, types)
    for place, one in enumerate(fields):
        document = Document("text", f"source {place % 2}", place=place, fields=one)
        writer.add(document, "train", num_tokens=10 * place, num_words=place)
        writer.flush()
    writer.finish()
    return DocumentTable.open(directory)


def test_documents_keep_their_fields_under_one_type_each(tmp_path: Path) -> None:
    documents = _documents(tmp_path / "documents")
    assert len(documents) == 4
    found = [dict(documents[number].fields) for number in range(4)]
    assert found == [
        {"year": 1900.0, "title": "Sea"},
        {"year": 1899.5, "title": "7"},
        {"year": None, "title": None},
        {"year": None, "title": None},
    ]
    third = documents[2]
    assert (third.number, third.source, third.place, third.split) == (2, "source 0", 2, "train")
    assert (third.num_tokens, third.num_words) == (20, 2)
    with pytest.raises(IndexError, match=r"no such document: 4\. Expected a number from 0 to 3"):
        documents[4]


def test_documents_open_with_pandas_datasets_and_pyarrow(tmp_path: Path) -> None:
    table = _documents(tmp_path / "documents").table()
    assert table.num_rows == 4
    assert list(table.to_pandas()["source"]) == ["source 0", "source 1"] * 2
    (path, *_) = sorted((tmp_path / "documents").iterdir())
    with path.open("rb") as file:
        assert pa.ipc.open_stream(file).read_all().num_rows == 1
    datasets = pytest.importorskip("datasets")
    assert datasets.Dataset.from_file(str(path))[0]["place"] == 0
    assert isinstance(table.to_pandas(), pd.DataFrame)


def test_tables_that_are_missing_incomplete_or_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Corpora of earlier versions do not say"):
        DocumentTable.open(tmp_path / "documents")
    _documents(tmp_path / "documents")
    paths = sorted((tmp_path / "documents").iterdir())
    content = paths[0].read_bytes()
    paths[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="is damaged"):
        DocumentTable.open(tmp_path / "documents")[0]
    paths[0].unlink()
    with pytest.raises(UserError, match="has 3 of 4 files"):
        DocumentTable.open(tmp_path / "documents")


@pytest.mark.parametrize("pieces_of_file", [1, 3, 100])
@pytest.mark.parametrize("sizes", [[10], [1] * 10, [4, 0, 1, 5], [2, 3], []])
def test_pieces_of_stretches_are_those_of_their_rows(
    tmp_path: Path, pieces_of_file: int, sizes: list[int]
) -> None:
    """Row 4 has none, and rows of several pieces lie in two files."""
    rows = np.array([0, 0, 1, 2, 2, 2, 3, 5, 6, 6, 7, 8, 9, 9])
    writer = TableWriter(tmp_path / "pieces", PIECES)
    for begin in range(0, len(rows), pieces_of_file):
        of_file = np.arange(begin, min(begin + pieces_of_file, len(rows)))
        writer.add(dict.fromkeys(PIECES.names, of_file) | {"row": rows[of_file]})
        writer.flush()
    writer.finish()
    found = [p.document.tolist() for p in PieceTable.open(tmp_path / "pieces").of_stretches(sizes)]
    ends = np.cumsum(sizes).tolist()
    assert found == [
        np.flatnonzero((rows >= end - size) & (rows < end)).tolist()
        for size, end in zip(sizes, ends, strict=True)
    ]


def _written(path: Path, **columns: pa.Array) -> None:
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


def test_a_table_with_something_else_inside_is_damaged(tmp_path: Path) -> None:
    """A column that is missing, a null, an entry of a dictionary that it has not."""
    whole = {name: pa.array([0], pa.uint32()) for name in PIECES.names}
    outside = pa.DictionaryArray.from_arrays(pa.array([5], pa.int32()), ["one"], safe=False)
    cases = [
        {name: column for name, column in whole.items() if name != "document"},
        {**whole, "document": pa.array([None], pa.uint32())},
        {**whole, "more": outside},
    ]
    (tmp_path / "pieces").mkdir()
    path = tmp_path / "pieces" / "pieces-00000-of-00001.arrow"
    for number, columns in enumerate([whole, *cases]):
        _written(path, **columns)
        table = PieceTable.open(tmp_path / "pieces")
        if number == 0:
            assert len(table.of_rows([0])) == 1
            continue
        with pytest.raises(UserError, match=r"incomplete corpus: .*pieces-00000.* is damaged"):
            table.of_rows([0])
