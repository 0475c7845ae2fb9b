"""What a new column says of itself, counted in its files: tokens, classes, groups, and a note."""

from __future__ import annotations

from collections import Counter
from importlib import metadata
from pathlib import Path

import numpy as np

from tidemask.annotation.source import ColumnSource, SourceError, SourceRequest
from tidemask.corpus.store.column_files import cut_groups, values_hash, values_in
from tidemask.corpus.store.columns import ColumnManifest
from tidemask.corpus.store.corpus import HELD_OUT, TRAIN, PreparedCorpus
from tidemask.token_classes import COLUMN_FORMS, TokenColumn


def counted_manifest(
    corpus: PreparedCorpus,
    request: SourceRequest,
    column: TokenColumn,
    source: ColumnSource,
    directory: Path,
) -> ColumnManifest:
    """What the column says of itself, counted in its files.

    Args:
        corpus: that it belongs to.
        request: what was asked for.
        column: its name, kind and classes.
        source: of its values.
        directory: where its files lie, in a directory for each split.

    Raises:
        SourceError: it says nothing of any token.
    """
    num_tokens: Counter[str] = Counter()
    classes, num_groups, num_cut = np.zeros(256, np.int64), 0, 0
    hashes = {}
    for split in (TRAIN, HELD_OUT):
        paths = sorted((directory / split).glob("*.arrow"))
        hashes[split] = values_hash(values_in(paths))
        num_tokens[split] = 0
        for values in values_in(paths):
            num_tokens[split] += int((values != COLUMN_FORMS[column.kind][1]).sum())
            if column.kind == "class":
                classes += np.bincount(values.ravel(), minlength=256)
            elif column.kind == "group":
                num_groups += int((values.max(1) + 1).sum())
        if column.kind == "group":
            continued, cut = cut_groups(paths)
            num_groups, num_cut = num_groups - continued, num_cut + cut
    if not any(num_tokens.values()):
        nothing, something = (
            ("gives no token of {} a weight above 0", "a weight above 0 for one that it has")
            if column.kind == "weight"
            else ("says nothing of any token of {}", "something that occurs in its text")
        )
        raise SourceError(
            f"nothing found: {request.name} {nothing.format(corpus.root)}. "
            f"Expected {something}. Look at the source."
        )
    return ColumnManifest(
        name=column.name,
        kind=column.kind,
        class_names=column.class_names,
        source=request.name,
        source_fingerprint=source.fingerprint,
        corpus_fingerprint=corpus.manifest.fingerprint,
        num_tokens=dict(num_tokens),
        class_counts=dict(zip(column.class_names, classes.tolist(), strict=False)),
        num_groups=num_groups,
        notes=(_cut_note(num_cut, num_groups),) if num_cut else (),
        tidemask_version=metadata.version("tidemask"),
    ).with_fingerprint(hashes)


def _cut_note(num_cut: int, num_groups: int) -> str:
    go = "goes" if num_cut == 1 else "go"
    return (
        f"{num_cut:,} of {num_groups:,} groups {go} on from one row into the next; the part of a "
        "group that a row has is a unit by itself."
    )
