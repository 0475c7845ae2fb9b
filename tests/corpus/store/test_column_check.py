"""Columns that somebody else wrote, with the right fingerprint: wrong values end a run at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotated_corpora import LENGTH, placed_tokens, prepared
from small_runs import TINY
from tidemask.corpus.store.column_check import verify_column
from tidemask.corpus.store.column_files import ColumnWriter, values_hash, values_in
from tidemask.corpus.store.columns import (
    COLUMN_MANIFEST,
    ColumnManifest,
    StoredColumn,
    open_column,
)
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus
from tidemask.errors import UserError
from tidemask.token_classes import COLUMN_FORMS, ColumnKind

Command = Callable[..., tuple[int, str, str]]

RIGHT: dict[ColumnKind, list[Any]] = {
    "weight": [0.0, 3e38],
    "class": [0, 1, 255],
    "group": [0, LENGTH - 1, -1],
}
WRONG: list[tuple[ColumnKind, Any, str]] = [
    ("weight", np.nan, "wrong value: nan in the column .*Expected a finite weight of at least 0"),
    ("weight", np.inf, "wrong value: inf in the column"),
    ("weight", -0.25, r"wrong value: -0\.25 in the column"),
    ("class", 2, "wrong value: 2 in the column .*Expected a class from 0 to 1, or 255 for none"),
    ("group", LENGTH, f"wrong value: {LENGTH} in the column .*a group from 0 to {LENGTH - 1}, as"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PreparedCorpus:
    return open_corpus(prepared(tmp_path_factory.mktemp("checked")))


def written(
    corpus: PreparedCorpus,
    kind: ColumnKind,
    values: Sequence[Any],
    split: str = "train",
    *,
    row: int | slice = 2,
    first: int = 5,
) -> StoredColumn:
    """A column with values in one row of a split or in all, as another program would write it."""
    root = corpus.root / "columns" / "theirs"
    shutil.rmtree(root, ignore_errors=True)
    hashes = {}
    for name in ("train", "held_out"):
        rows = getattr(corpus, name)
        of_rows = np.full((len(rows), LENGTH), *COLUMN_FORMS[kind][::-1])
        if name == split:
            of_rows[row, first : first + len(values)] = values
        writer = ColumnWriter(root / name, kind, LENGTH, rows.file_rows)
        writer.add(of_rows)
        hashes[name] = values_hash(values_in(sorted((root / name).glob("*.arrow"))))
    manifest = ColumnManifest(
        name="theirs", kind=kind, class_names=("A", "B") if kind == "class" else (),
        source="another program", source_fingerprint="",
        corpus_fingerprint=corpus.manifest.fingerprint,
    )  # fmt: skip
    manifest.with_fingerprint(hashes).write(root / COLUMN_MANIFEST)
    return open_column(corpus, "theirs")


@pytest.mark.parametrize("kind", RIGHT)
def test_column_check_takes_every_value_that_a_kind_has(
    corpus: PreparedCorpus, kind: ColumnKind
) -> None:
    verify_column(written(corpus, kind, RIGHT[kind]), corpus)


@pytest.mark.parametrize("split", ["train", "held_out"])
@pytest.mark.parametrize(("kind", "value", "message"), WRONG)
def test_column_check_names_row_and_position_of_a_wrong_value(
    corpus: PreparedCorpus, kind: ColumnKind, value: Any, message: str, split: str
) -> None:
    column = written(corpus, kind, [*RIGHT[kind], value], split)
    with pytest.raises(UserError, match=message) as refused:
        verify_column(column, corpus)
    where = f"row 2, position {5 + len(RIGHT[kind])} of the {split} split."
    assert where in str(refused.value)
    assert "\n" not in str(refused.value)


def borders(corpus: PreparedCorpus, split: str) -> list[tuple[int, int, int]]:
    """Row, last position of a document and first of the next one, where a row has two."""
    tokens = [token for token in placed_tokens(corpus.root) if token.split == split]
    return [
        (one.row, one.position, two.position)
        for one, two in pairwise(tokens)
        if one.row == two.row and one.document != two.document
    ]


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_column_check_refuses_a_group_of_two_documents(corpus: PreparedCorpus, split: str) -> None:
    for row, last, first in borders(corpus, split):
        ids = [3] * (first - last + 1)
        column = written(corpus, "group", ids, split, row=row, first=last)
        message = rf"wrong value: 3 in .*theirs, row {row}, position {first} of the {split} split\."
        with pytest.raises(UserError, match=message) as refused:
            verify_column(column, corpus)
        assert "Expected groups within one document each" in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_column_check_takes_groups_that_end_where_documents_do(
    corpus: PreparedCorpus, split: str
) -> None:
    """What is between two documents may go with either, and a group may be in several rows."""
    for row, last, first in borders(corpus, split):
        before, after = [3] * (first - last), [4] * (LENGTH - first)
        verify_column(
            written(corpus, "group", [*before, *after], split, row=row, first=last), corpus
        )
    every_row = written(corpus, "group", [1], split, row=slice(None), first=1)
    verify_column(every_row, corpus)


def test_column_check_of_groups_needs_no_documents_of_an_earlier_corpus(tmp_path: Path) -> None:
    corpus = open_corpus(prepared(tmp_path))
    ((row, last, first), *_) = borders(corpus, "train")
    column = written(corpus, "group", [3] * (first - last + 1), row=row, first=last)
    for table in ("documents", "pieces"):
        shutil.rmtree(corpus.root / table)
    verify_column(column, open_corpus(corpus.root))


def test_column_check_ends_a_run_before_its_first_step(
    corpus: PreparedCorpus, tmp_path: Path, tidemask: Command
) -> None:
    """Even where no batch has the row, as in a run of few steps."""
    written(corpus, "weight", [1.0, np.nan])
    content = "masking.content={weighting: column, column: theirs}"
    status, _, err = tidemask(
        "pretrain", corpus.root, "--out", tmp_path / "run", "--recipe", "bert", *TINY, content
    )
    assert status == 2
    assert err.splitlines()[-1].count("wrong value: nan in the column") == 1
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
