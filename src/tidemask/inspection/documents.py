"""The documents of a corpus in numbers: how long they are, and where they come from.

Read a file of the table at a time, so that millions of documents take little memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemask.corpus.store.corpus import HELD_OUT, TRAIN, PreparedCorpus

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Shares of the documents that are shorter, for the lengths that are shown."""


@dataclass
class SourceCounts:
    """What comes from one source."""

    num_documents: int = 0
    num_words: int = 0
    num_tokens: int = 0


@dataclass(frozen=True)
class DocumentCounts:
    """The documents of a corpus.

    Attributes:
        sources: what comes from each source, the largest first; a source of a list has its name.
        lengths: words of the documents of each split at `QUANTILES`, float64 [7].
    """

    sources: Mapping[str, SourceCounts]
    lengths: Mapping[str, NDArray[np.float64]]


@dataclass
class _Collected:
    """What was counted; `names` are those of sources, by the path of each of their files."""

    names: Mapping[str, str]
    sources: dict[str, SourceCounts] = field(default_factory=dict)
    words: dict[str, list[NDArray[np.uint32]]] = field(default_factory=dict)


def count_documents(corpus: PreparedCorpus) -> DocumentCounts | None:
    """The documents of a corpus; `None` where it is of an earlier version, without their table.

    Raises:
        UserError: a file of the table is damaged.
    """
    if not corpus.has_documents:
        return None
    collected = _Collected({one.path: one.name or one.path for one in corpus.manifest.sources})
    files = corpus.documents.files
    for index in range(len(files.paths)):
        _collect(files.read(index), collected)
    lengths = {
        split: np.quantile(np.concatenate(collected.words[split]), QUANTILES)
        for split in (TRAIN, HELD_OUT)
        if collected.words.get(split)
    }
    largest = sorted(collected.sources.items(), key=lambda item: (-item[1].num_tokens, item[0]))
    return DocumentCounts(dict(largest), lengths)


def _collect(table: object, collected: _Collected) -> None:
    """Add the documents of one file."""
    columns = ["num_words", "num_tokens"]
    grouped = table.group_by("source").aggregate(  # type: ignore[attr-defined]
        [*((name, "sum") for name in columns), ("place", "count")]
    )
    for row in grouped.to_pylist():
        counts = collected.sources.setdefault(
            collected.names.get(row["source"], row["source"]), SourceCounts()
        )
        counts.num_documents += row["place_count"]
        counts.num_words += row["num_words_sum"]
        counts.num_tokens += row["num_tokens_sum"]
    for split in (TRAIN, HELD_OUT):
        of_split = table.filter(pc.field("split") == split)  # type: ignore[attr-defined]
        if of_split.num_rows:
            words = of_split.column("num_words").to_numpy()
            collected.words.setdefault(split, []).append(words)
