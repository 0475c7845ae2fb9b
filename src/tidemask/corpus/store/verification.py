"""Whether a prepared corpus still holds the rows that its manifest was written for."""

from __future__ import annotations

import hashlib
from dataclasses import fields

import numpy as np

from tidemask.corpus.store.corpus import CorpusSplit, PreparedCorpus
from tidemask.corpus.tokenizing.tokenizer import load_tokenizer
from tidemask.errors import UserError

_ROWS_AT_ONCE = 16384


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


def _row_hash(split: CorpusSplit) -> str:
    """SHA-256 of the rows as `SplitWriter` takes it: each column by itself, then together."""
    digests = None
    for start in range(0, len(split), _ROWS_AT_ONCE):
        rows = split.rows(np.arange(start, min(start + _ROWS_AT_ONCE, len(split))))
        columns = [np.ascontiguousarray(getattr(rows, field.name)) for field in fields(rows)]
        digests = digests or [hashlib.sha256() for _ in columns]
        for digest, column in zip(digests, columns, strict=True):
            digest.update(column.data)
    found = digests or [hashlib.sha256() for _ in range(4)]
    return hashlib.sha256(b"".join(digest.digest() for digest in found)).hexdigest()
