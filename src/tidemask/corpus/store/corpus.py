"""The prepared corpus on disk: `manifest.json`, `tokenizer/`, rows in `train/` and `held_out/`.

Beside them are tables: `documents/`, the pieces of documents in rows in `pieces/train/` and
`pieces/held_out/`, and `dropped.jsonl`, the documents that were left out.

A corpus is written aside and renamed when it is complete: its directory is whole or absent.
Opening one reads the manifest; rows are read when they are used, from files that are as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tidemask.corpus.store.documents import DocumentTable
from tidemask.corpus.store.manifest import Manifest, SplitCounts, read_manifest
from tidemask.corpus.store.open_files import check_file
from tidemask.corpus.store.shards import RowHash, Shard
from tidemask.corpus.store.split import CorpusSplit
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.files.notes import FileNote
from tidemask.files.paths import check_plain_files, given_path
from tidemask.system_errors import named_causes, raise_out_of_memory, refusal, why_refused

MANIFEST, TOKENIZER, TRAIN, HELD_OUT = "manifest.json", "tokenizer", "train", "held_out"
"""Names within the directory of a prepared corpus."""

DOCUMENTS, PIECES, DROPPED = "documents", "pieces", "dropped.jsonl"
"""Names of what is beside the rows; corpora of earlier versions have none of it."""

_ROWS_FILES = "rows-[0-9]*-of-[0-9]*[0-9].arrow"

_ROWS_AT_ONCE = 16384
"""Rows that are hashed together."""


@dataclass(frozen=True)
class PreparedCorpus:
    """An opened corpus: its directory, its manifest and its rows.

    Example:
        >>> from tidemask import open_corpus
        >>> corpus = open_corpus("corpus")
        >>> corpus.train.rows([0, 1]).input_ids.shape, corpus.tokenizer_directory.name
        ((2, 32), 'tokenizer')
        >>> print(corpus)  # doctest: +ELLIPSIS
        PreparedCorpus('corpus', train: ... documents, ... tokens, ... rows, held_out: ... rows)
    """

    root: Path
    manifest: Manifest
    train: CorpusSplit
    held_out: CorpusSplit
    notes: Mapping[Path, FileNote]
    """How the other files were when the corpus was opened: the manifest and the tokenizer's."""

    def __repr__(self) -> str:
        """Its directory and counts in a line; all else stands in `manifest`."""
        counted = (
            f"{name}: {n.num_documents:,} documents, {n.num_tokens:,} tokens, "
            f"{n.num_sequences:,} rows"
            for name, n in (("train", self.manifest.train), ("held_out", self.manifest.held_out))
        )
        return f"PreparedCorpus({str(self.root)!r}, {', '.join(counted)})"

    def check_unchanged(self) -> None:
        """Compare every file with what it was when the corpus was opened; nothing is read.

        Raises:
            UserError: one is gone, was written to, or was replaced.
        """
        for path, note in {**self.notes, **self.train.notes, **self.held_out.notes}.items():
            check_file(path, note, path)

    @property
    def documents(self) -> DocumentTable:
        """Where the documents come from, by number.

        Raises:
            UserError: the corpus is of an earlier version, without them; or a file is missing.
        """
        return DocumentTable.open(self.root / DOCUMENTS)

    @property
    def has_documents(self) -> bool:
        """Whether it says which document a row is from; corpora of earlier versions do not."""
        return (self.root / DOCUMENTS).is_dir()

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
    check_plain_files(root)
    others = [root / MANIFEST, *sorted((root / TOKENIZER).glob("*"))]
    notes = {path: FileNote.of(path) for path in others if path.is_file()}
    manifest = read_manifest(root / MANIFEST)
    if not (root / TOKENIZER / "tokenizer.json").is_file():
        raise _incomplete(root, f"{TOKENIZER}/tokenizer.json is missing")
    train, held_out = (
        _open_split(root / name, counts, manifest.sequence_length)
        for name, counts in ((TRAIN, manifest.train), (HELD_OUT, manifest.held_out))
    )
    return PreparedCorpus(root, manifest, train, held_out, notes)


def verify_corpus(corpus: PreparedCorpus) -> None:
    """Read every row once and compare with the fingerprint; seconds per billion tokens.

    Raises:
        UserError: rows or tokenizer are not what was written.
    """
    hashes = [_row_hash(split) for split in (corpus.train, corpus.held_out)]
    if not corpus.manifest.is_of(*hashes):
        raise UserError(
            f"corpus changed: the rows in {corpus.root} are not those that its manifest was "
            "written for. Restore it, or prepare it again."
        )
    check_tokenizer(corpus, load_tokenizer(corpus.tokenizer_directory))


def check_tokenizer(corpus: PreparedCorpus, tokenizer: CorpusTokenizer) -> None:
    """Make sure that the tokenizer of a corpus is the one that made it, with its special tokens.

    Corpora of earlier versions do not say which tokens were special.

    Raises:
        UserError: it gives texts other ids, or has another mask token, say.
    """
    where, advice = corpus.tokenizer_directory, "Restore it, or prepare the corpus again."
    if tokenizer.fingerprint != corpus.manifest.tokenizer_fingerprint:
        raise UserError(f"corpus changed: {where} is not the tokenizer that made it. {advice}")
    before, now = corpus.manifest.special_ids, tokenizer.named_special_ids
    if before is None or before == now:
        return
    name = next(name for name in {**before, **now} if before.get(name) != now.get(name))
    ids = [" ".join(map(str, kind.get(name, []))) or "none" for kind in (now, before)]
    raise UserError(
        f"corpus changed: {where} is not the tokenizer that made it: ids of {name}: {ids[0]}. "
        f"Expected {ids[1]}. {advice}"
    )


def _open_split(directory: Path, counts: SplitCounts, sequence_length: int) -> CorpusSplit:
    root = directory.parent
    try:
        paths = sorted(p for p in directory.iterdir() if p.match(_ROWS_FILES))
    except (FileNotFoundError, NotADirectoryError):
        paths = []
    except OSError as error:
        raise UserError(f"cannot read: {why_refused(error, directory)}.") from error
    if not paths:
        raise _incomplete(root, f"{directory.name}/ has no rows")
    expected = int(paths[0].stem.rpartition("-")[2])
    if len(paths) != expected:
        raise _incomplete(root, f"{directory.name}/ has {len(paths)} of {expected} files")
    shards = [_open_shard(path, sequence_length) for path in paths]
    if len(types := {str(shard.id_type) for shard in shards}) > 1:
        raise _incomplete(root, f"{directory.name}/ has files with ids of {' and '.join(types)}")
    split = CorpusSplit(shards, root / PIECES / directory.name)
    if len(split) != counts.num_sequences:
        raise _incomplete(
            root, f"{directory.name}/ has {len(split)} rows, its manifest {counts.num_sequences}"
        )
    return split


def _open_shard(path: Path, sequence_length: int) -> Shard:
    root = path.parent.parent
    name = f"{path.parent.name}/{path.name}"
    try:
        shard = Shard.open(path)
    except (pa.ArrowException, ValueError, KeyError, AttributeError, OSError) as error:
        raise_out_of_memory(error)
        if (refused := refusal(error, path)) and not isinstance(error, FileNotFoundError):
            raise UserError(f"cannot read: {refused}, then give the command again.") from error
        if isinstance(error, FileNotFoundError):
            raise _incomplete(root, f"{name} is missing") from error
        raise _incomplete(root, f"{name} is damaged: it does not hold rows any more") from error
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
        "Restore the file, or prepare the text again."
    )
