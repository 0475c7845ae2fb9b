"""The columns of a prepared corpus: values of its tokens beside its rows, under names.

A column lies in `columns/NAME` of the corpus: `column.json`, and the values in `train/` and
`held_out/`, a file for each file of rows. The corpus itself does not change: its fingerprint stays,
and a column may be added or removed at any time. A column knows the fingerprint of its corpus.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemask.corpus.store.column_files import ColumnFile
from tidemask.corpus.store.corpus import HELD_OUT, TRAIN, PreparedCorpus
from tidemask.corpus.store.open_files import OpenFiles, check_file
from tidemask.errors import UserError, command_line, did_you_mean
from tidemask.files.notes import FileNote
from tidemask.files.paths import check_plain_files
from tidemask.reading import ANY_LENGTH, read_json
from tidemask.system_errors import raise_out_of_memory, refusal
from tidemask.token_classes import COLUMN_FORMS, ColumnKind, TokenColumn

COLUMNS, COLUMN_MANIFEST = "columns", "column.json"
"""Names within the directory of a prepared corpus, and of a column."""

COLUMN_FORMAT = 1
"""Version of the layout of a column; one of another version is not opened."""

COLUMN_ADVICE = "Remove its directory and annotate the corpus again."
"""What to do about a column that is not as it should be."""


@dataclass(frozen=True, kw_only=True)
class ColumnManifest:
    """The content of `column.json`.

    Attributes:
        format_version: `COLUMN_FORMAT` of the code that wrote it.
        name: of the column.
        kind: what it holds of each token.
        class_names: of a column of classes, by their indices.
        source: what it was made from, as it was asked for.
        source_fingerprint: names what the source does; another one gives other values.
        corpus_fingerprint: of the corpus that it belongs to.
        fingerprint: SHA-256 over the kind, the classes, the corpus and the values.
        num_tokens: tokens that it says something of, in each split: those with a class, a group or
            a weight above 0.
        class_counts: tokens of each class, over both splits; empty for other kinds.
        num_groups: groups, over both splits; one that rows cut counts once (in columns
            of earlier versions each part); 0 for others.
        notes: what was unusual, one sentence each.
        tidemask_version: the version that made it.
    """

    format_version: int = COLUMN_FORMAT
    name: str
    kind: ColumnKind
    class_names: tuple[str, ...] = ()
    source: str
    source_fingerprint: str
    corpus_fingerprint: str
    fingerprint: str = ""
    num_tokens: dict[str, int] = field(default_factory=dict)
    class_counts: dict[str, int] = field(default_factory=dict)
    num_groups: int = 0
    notes: tuple[str, ...] = ()
    tidemask_version: str = ""

    @property
    def column(self) -> TokenColumn:
        """Name, kind and classes."""
        return TokenColumn(name=self.name, kind=self.kind, class_names=self.class_names)

    def with_fingerprint(self, hashes: Mapping[str, str]) -> ColumnManifest:
        """The same, with the fingerprint of values of these hashes, by split."""
        meaning = [
            self.format_version,
            self.kind,
            self.class_names,
            self.corpus_fingerprint,
            sorted(hashes.items()),
        ]
        digest = hashlib.sha256(json.dumps(meaning).encode()).hexdigest()
        return replace(self, fingerprint=digest)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", "utf-8")


class ColumnRows:
    """The values of a column in the rows of one split, by number.

    It may be used in a forked process and pickled for another.
    """

    def __init__(self, files: Sequence[ColumnFile], kind: ColumnKind, sequence_length: int) -> None:
        """Read from files, in order."""
        self._files = tuple(files)
        self._kind, self._length = kind, sequence_length
        self._ends = np.cumsum([each.num_rows for each in files])
        self._open = OpenFiles()

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def notes(self) -> dict[Path, FileNote]:
        """How each file was when it was opened."""
        return {each.path: each.note for each in self._files}

    @property
    def file_rows(self) -> list[int]:
        """Rows of each file."""
        return [each.num_rows for each in self._files]

    def of_rows(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Copies of the values of the rows at `indices`, [n, L], in that order.

        Raises:
            IndexError: there is no such row.
            UserError: a file is not what it was when it was opened, or cannot be read.
        """
        wanted = np.asarray(indices, np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"rows {indices}. Expected numbers from 0 to {len(self) - 1}.")
        dtype = np.dtype(COLUMN_FORMS[self._kind][0])
        row_bytes = self._length * dtype.itemsize
        of_file = np.searchsorted(self._ends, wanted, side="right")
        files = [self._files[number] for number in of_file.tolist()]
        first = np.array([self._ends[n] - self._files[n].num_rows for n in of_file], np.int64)
        offsets = np.array([each.offset for each in files], np.int64)
        places = offsets + (wanted - first) * row_bytes, np.full(len(wanted), row_bytes)
        (values,) = self._open.read(files, [places])
        return np.frombuffer(values, dtype).reshape(-1, self._length)


@dataclass(frozen=True)
class StoredColumn:
    r"""An opened column of a corpus.

    Example:
        >>> from tidemask import annotate, open_corpus
        >>> from pathlib import Path
        >>> _ = Path("terms.txt").write_text("the\n")
        >>> column = annotate("corpus", column="articles", source="list:terms.txt", progress=False)
        >>> column.manifest.kind, column.train.of_rows([0, 1]).shape
        ('class', (2, 32))
    """

    root: Path
    manifest: ColumnManifest
    train: ColumnRows
    held_out: ColumnRows

    def check_unchanged(self) -> None:
        """Compare every file with what it was when the column was opened; nothing is read.

        Raises:
            UserError: one is gone, was written to, or was replaced.
        """
        for path, note in {**self.train.notes, **self.held_out.notes}.items():
            check_file(path, note, path)


def column_names(corpus: PreparedCorpus) -> list[str]:
    """Names of the columns that a corpus has, in the order of the alphabet."""
    found = (corpus.root / COLUMNS).glob(f"*/{COLUMN_MANIFEST}")
    return sorted(path.parent.name for path in found if not path.parent.name.startswith("."))


def read_column_manifest(corpus: PreparedCorpus, name: str, *, made_by: str = "") -> ColumnManifest:
    """What a column of a corpus says of itself.

    Args:
        corpus: a prepared corpus.
        name: of the column.
        made_by: what `tidemask annotate CORPUS --column NAME` is given beside to make it, if that
            is known.

    Raises:
        UserError: there is none of that name, it is damaged, of another format version, or of
            another corpus.
    """
    path = corpus.root / COLUMNS / name / COLUMN_MANIFEST
    if not path.is_file():
        known, adding = column_names(corpus), _adding(corpus, name, made_by)
        raise UserError(
            f"no such column: {corpus.root} has no column {name}. It has "
            f"{', '.join(known) or 'none'}; {adding}.{did_you_mean(name, known)}"
        )
    check_plain_files(path.parent)
    manifest = read_json(
        path,
        ColumnManifest,
        what="manifest of a column",
        advice=COLUMN_ADVICE,
        max_bytes=ANY_LENGTH,
    )
    if manifest.format_version != COLUMN_FORMAT:
        raise UserError(
            f"column of another format: {path.parent}, format_version={manifest.format_version}. "
            f"Expected {COLUMN_FORMAT}. {COLUMN_ADVICE}"
        )
    if manifest.corpus_fingerprint != corpus.manifest.fingerprint:
        raise UserError(
            f"column of another corpus: {path.parent} belongs to the corpus with the fingerprint "
            f"{manifest.corpus_fingerprint[:12]}, and {corpus.root} has "
            f"{corpus.manifest.fingerprint[:12]}. {COLUMN_ADVICE}"
        )
    return manifest


def _adding(corpus: PreparedCorpus, name: str, made_by: str) -> str:
    if not made_by:
        return "`tidemask annotate` adds columns"
    how = command_line("annotate", corpus.root, "--column", name)
    return f"`{how} {made_by}` makes it"


def open_column(corpus: PreparedCorpus, name: str, *, made_by: str = "") -> StoredColumn:
    """Open a column of a corpus; the arguments are those of `read_column_manifest`.

    Raises:
        UserError: as `read_column_manifest`; or it is incomplete.
    """
    manifest = read_column_manifest(corpus, name, made_by=made_by)
    root = corpus.root / COLUMNS / name
    train, held_out = (
        _open_rows(root / split, getattr(corpus, split), manifest, corpus)
        for split in (TRAIN, HELD_OUT)
    )
    return StoredColumn(root, manifest, train, held_out)


def _open_rows(
    directory: Path, split: Any, manifest: ColumnManifest, corpus: PreparedCorpus
) -> ColumnRows:
    length = corpus.manifest.sequence_length
    files = []
    for rows_path in split.notes:
        path = directory / rows_path.name
        try:
            files.append(ColumnFile.open(path, manifest.kind, length))
        except (pa.ArrowException, ValueError, KeyError, OSError) as error:
            raise_out_of_memory(error)
            if not isinstance(error, FileNotFoundError) and (refused := refusal(error, path)):
                raise UserError(f"cannot read: {refused}, then give the command again.") from error
            what = "missing" if isinstance(error, FileNotFoundError) else "damaged"
            raise UserError(f"incomplete column: {path} is {what}. {COLUMN_ADVICE}") from error
    rows = ColumnRows(files, manifest.kind, length)
    if len(rows) != len(split):
        raise UserError(
            f"incomplete column: {directory} has {len(rows)} rows, and the corpus {len(split)}. "
            f"{COLUMN_ADVICE}"
        )
    return rows
