"""A corpus opens as a data set elsewhere, with the rows that it has here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tidemask.corpus.store.corpus import open_corpus


def test_corpus_is_a_data_set_that_was_saved(corpus: Path) -> None:
    datasets = pytest.importorskip("datasets")
    opened = open_corpus(corpus)
    loaded = datasets.load_from_disk(str(corpus))
    assert list(loaded) == ["train", "held_out"]
    for name, split in (("train", opened.train), ("held_out", opened.held_out)):
        rows = split.rows(range(len(split)))
        alone = datasets.load_from_disk(str(corpus / name)).with_format("numpy")
        assert len(loaded[name]) == len(alone) == len(split)
        for column, values in zip(alone.column_names, rows.columns(), strict=True):
            assert np.array_equal(np.stack(list(alone[column])), values)


def test_corpus_opens_with_pyarrow_and_pandas(corpus: Path) -> None:
    import pyarrow.ipc

    rows = open_corpus(corpus).train.rows([0])
    (path,) = sorted((corpus / "train").glob("rows-*.arrow"))
    with path.open("rb") as file:
        table = pyarrow.ipc.open_stream(file).read_all()
    assert table["input_ids"][0].as_py() == rows.input_ids[0].tolist()
    pandas = pytest.importorskip("pandas")
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["word_start"][0].tolist() == rows.word_start[0].tolist()
