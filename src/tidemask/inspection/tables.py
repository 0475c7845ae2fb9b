"""The tables of an inspected corpus: splits, sources, lengths, classes, words, entries, drops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tidemask.corpus.store.corpus import HELD_OUT, TRAIN
from tidemask.corpus.store.manifest import Manifest
from tidemask.corpus.tokenizing.shown_entries import shown_entry
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.inspection.columns import ColumnCounts
from tidemask.inspection.documents import QUANTILES, DocumentCounts
from tidemask.inspection.row_counts import LONGEST, RowCounts
from tidemask.report.tables.typed_table import Cell, Column, Table
from tidemask.token_classes import NO_CLASS

MAX_SOURCES = 20
"""Sources that have a row of their own; the others have one together."""

NUM_ENTRIES = 30
"""Entries of the vocabulary in the table of the most frequent ones."""

_QUANTILE_TITLES = ("least", "5 %", "25 %", "median", "75 %", "95 %", "most")
_LENGTHS = dict(zip(_QUANTILE_TITLES, QUANTILES, strict=True))


def corpus_tables(
    manifest: Manifest,
    counts: Mapping[str, RowCounts],
    documents: DocumentCounts | None,
    columns: Sequence[ColumnCounts],
    tokenizer: CorpusTokenizer,
) -> dict[str, Table]:
    """All tables that the corpus has numbers for, by their names.

    Args:
        manifest: of the corpus.
        counts: of the rows of each split.
        documents: `None` where the corpus does not know them.
        columns: those of the corpus.
        tokenizer: that of the corpus.
    """
    both = counts[TRAIN] + counts[HELD_OUT]
    tables = [_splits(manifest, counts, tokenizer.tokenizer.unk_token_id)]
    if documents is not None:
        tables += [_sources(documents), _document_lengths(documents)]
    tables += [
        _dropped(manifest),
        _classes(manifest, both),
        _columns(columns, both.num_tokens),
        _column_classes(columns),
        _column_weights(columns),
        _tokens_per_word(both),
        _entries(both, tokenizer),
    ]
    return {table.name: table for table in tables if table.rows}


def _count(name: str, title: str) -> Column:
    return Column(name, title, kind="count")


def _percent(name: str, title: str, digits: int = 1) -> Column:
    return Column(name, title, unit="%", kind="real", digits=digits)


def _share(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def _splits(manifest: Manifest, counts: Mapping[str, RowCounts], unknown_id: int | None) -> Table:
    def row(name: str) -> tuple[Cell, ...]:
        recorded, found = getattr(manifest, name), counts[name]
        unknown = (
            None if unknown_id is None else _share(found.entries[unknown_id], found.num_tokens)
        )
        return (
            name,
            recorded.num_documents,
            recorded.num_words,
            recorded.num_tokens,
            recorded.num_sequences,
            unknown,
        )

    columns = (
        Column("split", "split"),
        _count("documents", "documents"),
        _count("words", "words"),
        _count("tokens", "tokens"),
        _count("rows", "rows"),
        _percent("unknown", "unknown tokens", 3),
    )
    return Table(name="splits", columns=columns, rows=tuple(map(row, counts)))


def _sources(documents: DocumentCounts) -> Table:
    every = list(documents.sources.items())
    total = sum(counts.num_tokens for _, counts in every)
    rows: list[tuple[Cell, ...]] = [
        (name, one.num_documents, one.num_words, one.num_tokens, _share(one.num_tokens, total))
        for name, one in every[:MAX_SOURCES]
    ]
    if rest := [counts for _, counts in every[MAX_SOURCES:]]:
        sums = [sum(getattr(one, name) for one in rest)
                for name in ("num_documents", "num_words", "num_tokens")]  # fmt: skip
        rows.append((f"{len(rest)} others", *sums, _share(sums[-1], total)))
    columns = (
        Column("source", "source"),
        _count("documents", "documents"),
        _count("words", "words"),
        _count("tokens", "tokens"),
        _percent("share", "of the tokens"),
    )
    return Table(name="sources", columns=columns, rows=tuple(rows))


def _document_lengths(documents: DocumentCounts) -> Table:
    columns = (Column("split", "split"), *(_count(name, name) for name in _LENGTHS))
    rows: list[tuple[Cell, ...]] = [
        (split, *map(float, found)) for split, found in documents.lengths.items()
    ]
    return Table(name="document_lengths", columns=columns, rows=tuple(rows))


def _dropped(manifest: Manifest) -> Table:
    columns = (Column("reason", "reason"), _count("documents", "documents"))
    rows = tuple((reason, number) for reason, number in (manifest.drops or {}).items() if number)
    return Table(name="dropped", columns=columns, rows=rows)


def _classes(manifest: Manifest, counts: RowCounts) -> Table:
    names = {**dict(enumerate(manifest.class_names)), NO_CLASS: "none"}
    present = (
        [index for index in names if counts.class_words[index]] if manifest.class_names else []
    )
    present.sort(key=lambda index: -int(counts.class_words[index]))
    columns = (
        Column("class", "class"),
        _count("words", "words"),
        _percent("words_share", "of the words"),
        _percent("tokens_share", "of the tokens"),
        Column("tokens_per_word", "tokens a word", kind="real", digits=2),
    )
    rows = tuple(
        (
            names[index],
            int(words := counts.class_words[index]),
            _share(words, counts.num_words),
            _share(counts.class_tokens[index], counts.num_tokens),
            float(counts.class_tokens[index] / words),
        )
        for index in present
    )
    return Table(name="classes", columns=columns, rows=rows)


def _columns(columns: Sequence[ColumnCounts], num_tokens: int) -> Table:
    def row(one: ColumnCounts) -> tuple[Cell, ...]:
        manifest = one.manifest
        groups = manifest.num_groups
        return (
            manifest.name,
            manifest.kind,
            manifest.source,
            one.num_tokens,
            _share(one.num_tokens, num_tokens),
            groups if manifest.kind == "group" else None,
            one.num_tokens / groups if groups else None,
        )

    headings = (
        Column("column", "column"),
        Column("kind", "kind"),
        Column("source", "from"),
        _count("tokens", "tokens"),
        _percent("share", "of all"),
        _count("groups", "groups"),
        Column("tokens_per_group", "tokens a group", kind="real", digits=2),
    )
    return Table(name="columns", columns=headings, rows=tuple(map(row, columns)))


def _column_classes(columns: Sequence[ColumnCounts]) -> Table:
    headings = (
        Column("column", "column"),
        Column("class", "class"),
        _count("tokens", "tokens"),
        _percent("share", "of the column's"),
    )
    rows = tuple(
        (one.manifest.name, name, number, _share(number, one.num_tokens))
        for one in columns
        for name, number in sorted(one.manifest.class_counts.items(), key=lambda item: -item[1])
    )
    return Table(name="column_classes", columns=headings, rows=rows)


def _column_weights(columns: Sequence[ColumnCounts]) -> Table:
    titles = (Column(name, name, kind="real", digits=3) for name in _LENGTHS)
    rows: list[tuple[Cell, ...]] = [
        (one.manifest.name, *map(one.weights.quantile, QUANTILES))
        for one in columns
        if one.weights is not None and one.num_tokens
    ]
    return Table(
        name="column_weights", columns=(Column("column", "column"), *titles), rows=tuple(rows)
    )


def _tokens_per_word(counts: RowCounts) -> Table:
    columns = (
        Column("length", "tokens"),
        _count("words", "words"),
        _percent("share", "of the words"),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            f"{length} or more" if length == LONGEST else str(length),
            int(words),
            _share(words, counts.num_words),
        )
        for length, words in enumerate(counts.lengths, start=1)
    ]
    return Table(name="tokens_per_word", columns=columns, rows=tuple(rows))


def _entries(counts: RowCounts, tokenizer: CorpusTokenizer) -> Table:
    order = np.argsort(-counts.entries, kind="stable")[:NUM_ENTRIES]
    order = order[counts.entries[order] > 0]
    covered = np.cumsum(counts.entries[order])
    texts = [shown_entry(tokenizer.tokenizer, token_id) for token_id in order.tolist()]
    columns = (
        Column("entry", "entry"),
        _count("occurrences", "occurrences"),
        _percent("share", "of the tokens", 2),
        _percent("together", "with those above"),
    )
    rows = tuple(
        (text, int(counts.entries[index]), _share(counts.entries[index], counts.num_tokens),
         _share(together, counts.num_tokens))
        for text, index, together in zip(texts, order, covered, strict=True)
    )  # fmt: skip
    return Table(name="entries", columns=columns, rows=rows)
