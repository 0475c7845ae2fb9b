"""The prepared corpus on disk: `manifest.json`, `tokenizer/`, rows in `train/` and `held_out/`.

A corpus is written aside and renamed when it is complete: its directory is whole or absent.
Opening one reads the manifest and maps the rows into memory; rows are read when they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemask.corpus.store.manifest import Manifest, SplitCounts, read_manifest
from tidemask.corpus.store.packing import Rows
from tidemask.corpus.store.shards import RowHash, Shard
from tidemask.corpus.tokenizing.tokenizer import load_tokenizer
from tidemask.errors import UserError, one_line
from tidemask.paths import given_path
from tidemask.settings import shown
from tidemask.system_errors import named_causes, raise_out_of_memory, refusal

MANIFEST, TOKENIZER, TRAIN, HELD_OUT = "manifest.json", "tokenizer", "train", "held_out"
"""Names within the directory of a prepared corpus."""

_ROWS_AT_ONCE = 16384
"""Rows that are hashed together."""


class CorpusSplit:
    """The rows of one split, by number.

    It may be used in a forked process and pickled for another: the pickle has the paths of the
    files, which are mapped again there.
    """

    def __init__(self, paths: Sequence[Path], sequence_length: int) -> None:
        """Map the files of a split, in order.

        Raises:
            UserError: a file is missing, damaged, or holds rows of another length.
        """
        self._paths = tuple(paths)
        self._sequence_length = sequence_length
        self._shards = [_open_shard(path, sequence_length) for path in self._paths]
        self._ends = np.cumsum([shard.num_rows for shard in self._shards])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def rows(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Rows:
        """Copies of the rows at `indices`, in that order; in [0, number of rows).

        Raises:
            IndexError: there is no such row.
        """
        wanted = as_indices(indices).reshape(-1)
        outside = (wanted < 0) | (wanted >= len(self))
        if outside.any():
            raise IndexError(
                f"no such row: {wanted[outside][0]}. Expected a number in [0, {len(self)})."
            )
        shard_of = np.searchsorted(self._ends, wanted, side="right")
        if not len(wanted) or (shard_of == shard_of[0]).all():
            return self._shard_rows(int(shard_of[0]) if len(wanted) else 0, wanted)
        # The rows of each file are read at once, then put back in the order of the indices.
        blocks = [self._shard_rows(int(s), wanted[shard_of == s]) for s in np.unique(shard_of)]
        by_shard = np.argsort(shard_of, kind="stable")
        return Rows.concatenate(blocks)[np.argsort(by_shard)]

    def __reduce__(self) -> tuple[type[CorpusSplit], tuple[tuple[Path, ...], int]]:
        return CorpusSplit, (self._paths, self._sequence_length)

    def _shard_rows(self, shard: int, wanted: NDArray[np.int64]) -> Rows:
        before = int(self._ends[shard - 1]) if shard else 0
        return self._shards[shard].rows(wanted - before)


def as_indices(indices: Any) -> NDArray[np.int64]:
    """Numbers of rows or samples as int64; a number that is no integer is not rounded.

    Raises:
        ValueError: they are no integers.
    """
    given = np.asarray(indices)
    if given.size and given.dtype.kind not in "iu":
        raise ValueError(f"indices={shown(indices)}. Expected integers.")
    return given.astype(np.int64, copy=False)


@dataclass(frozen=True)
class PreparedCorpus:
    """An opened corpus: its directory, its manifest and its rows.

    Example:
        >>> from tidemask import open_corpus
        >>> corpus = open_corpus("corpus")
        >>> corpus.train.rows([0, 1]).input_ids.shape, corpus.tokenizer_directory.name
        ((2, 32), 'tokenizer')
    """

    root: Path
    manifest: Manifest
    train: CorpusSplit
    held_out: CorpusSplit

    @property
    def tokenizer_directory(self) -> Path:
        """What `AutoTokenizer.from_pretrained` reads."""
        return self.root / TOKENIZER


@named_causes("End other programs, or prepare shorter rows.")
def open_corpus(path: str | Path) -> PreparedCorpus:
    """Open the prepared corpus in a directory.

    Raises:
        UserError: there is none, it is incomplete or damaged, or of another format version.

    Example:
        >>> corpus = open_corpus("corpus")
        >>> corpus.manifest.sequence_length, len(corpus.train) > len(corpus.held_out) > 0
        (32, True)
    """
    root = given_path(path, "corpus")
    if not root.is_dir():
        raise UserError(
            f"no such corpus: {path} is not a directory. Expected one made by `tidemask prepare`. "
            "Check the spelling."
        )
    manifest = read_manifest(root / MANIFEST)
    if not (root / TOKENIZER / "tokenizer.json").is_file():
        raise _incomplete(root, f"{TOKENIZER}/tokenizer.json is missing")
    train, held_out = (
        _open_split(root / name, counts, manifest.sequence_length)
        for name, counts in ((TRAIN, manifest.train), (HELD_OUT, manifest.held_out))
    )
    return PreparedCorpus(root, manifest, train, held_out)


def verify_corpus(corpus: PreparedCorpus) -> None:
    """Read every row once and compare with the fingerprint; seconds per billion tokens.

    Raises:
        UserError: rows or tokenizer are not what was written.
    """
    hashes = [_row_hash(split) for split in (corpus.train, corpus.held_out)]
    if corpus.manifest.with_fingerprint(*hashes).fingerprint != corpus.manifest.fingerprint:
        raise UserError(
            f"corpus changed: the rows in {corpus.root} are not those that its manifest was "
            "written for. Restore it, or prepare it again."
        )
    tokenizer = load_tokenizer(str(corpus.tokenizer_directory))
    if tokenizer.fingerprint != corpus.manifest.tokenizer_fingerprint:
        raise UserError(
            f"corpus changed: {corpus.tokenizer_directory} is not the tokenizer that made it. "
            "Restore it, or prepare the corpus again."
        )


def _open_split(directory: Path, counts: SplitCounts, sequence_length: int) -> CorpusSplit:
    root = directory.parent
    paths = sorted(directory.glob("rows-[0-9]*-of-[0-9]*[0-9].arrow"))
    if not paths:
        raise _incomplete(root, f"{directory.name}/ has no rows")
    expected = int(paths[0].stem.rpartition("-")[2])
    if len(paths) != expected:
        raise _incomplete(root, f"{directory.name}/ has {len(paths)} of {expected} files")
    split = CorpusSplit(paths, sequence_length)
    if len(split) != counts.num_sequences:
        raise _incomplete(
            root, f"{directory.name}/ has {len(split)} rows, its manifest {counts.num_sequences}"
        )
    return split


def _open_shard(path: Path, sequence_length: int) -> Shard:
    root = path.parent.parent
    name = f"{path.parent.name}/{path.name}"
    try:
        shard = Shard(path)
    except (pa.ArrowException, ValueError, KeyError, AttributeError, OSError) as error:
        raise_out_of_memory(error)
        if (refused := refusal(error, path)) and not isinstance(error, FileNotFoundError):
            raise UserError(f"cannot read: {refused}, then give the command again.") from error
        raise _incomplete(root, f"{name} is damaged or missing: {one_line(error)}") from error
    if shard.sequence_length != sequence_length:
        raise _incomplete(
            root, f"{name} has rows of {shard.sequence_length} tokens, not {sequence_length}"
        )
    return shard


def _row_hash(split: CorpusSplit) -> str:
    row_hash = RowHash()
    for start in range(0, len(split), _ROWS_AT_ONCE):
        row_hash.update(split.rows(np.arange(start, min(start + _ROWS_AT_ONCE, len(split)))))
    return row_hash.hexdigest()


def _incomplete(root: Path, reason: str) -> UserError:
    return UserError(
        f"incomplete corpus: {root}: {reason}. Expected what `tidemask prepare` wrote. "
        "Prepare it again."
    )
