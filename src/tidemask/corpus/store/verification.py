"""Whether a prepared corpus still holds the rows that its manifest was written for."""

from __future__ import annotations

import numpy as np

from tidemask.corpus.store.corpus import CorpusSplit, PreparedCorpus
from tidemask.corpus.store.shards import RowHash
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
    row_hash = RowHash()
    for start in range(0, len(split), _ROWS_AT_ONCE):
        row_hash.update(split.rows(np.arange(start, min(start + _ROWS_AT_ONCE, len(split)))))
    return row_hash.hexdigest()
