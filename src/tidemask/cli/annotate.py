"""`tidemask annotate`: a column for a prepared corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tidemask.cli.options import CorpusArgument
from tidemask.cli.tables import print_table
from tidemask.cli.terminal import print_line, progress_display

if TYPE_CHECKING:
    from tidemask.corpus.store.columns import StoredColumn


def annotate_command(
    corpus: CorpusArgument,
    *,
    column: Annotated[str, typer.Option("--column", metavar="NAME", help="Name of the column.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="SOURCE",
            help="Where the values come from: list:FILE (words and phrases, one a line, with a "
            "label or a weight after a tab), python:MODULE:FUNCTION (a function that gives spans "
            "of a text), file:PATH (spans in Parquet or JSON Lines), tfidf, pmi:N (collocations of "
            "up to N words), spacy:PIPELINE, model:PATH.",
        ),
    ],
    attribute: Annotated[
        str | None,
        typer.Option(
            "--attribute",
            metavar="NAME",
            help="What spacy:PIPELINE gives: ent_type (if left out), entities, noun_chunks, dep "
            "or morph:FEATURE, such as morph:Tense. What model:PATH gives: surprisal (if left "
            "out), entropy or similarity:FILE (to the words of a list).",
        ),
    ] = None,
    kind: Annotated[
        Literal["class", "weight", "group"] | None,
        typer.Option(
            "--kind", help="What the column holds; what its source usually gives, if left out."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes; one per core if left out."),
    ] = None,
) -> None:
    """Add a column to a prepared corpus: a class, a weight or a group for each of its tokens."""
    from tidemask.annotation.annotate import annotate

    with progress_display() as display:
        made = annotate(
            corpus,
            column=column,
            source=source,
            attribute=attribute,
            kind=kind,
            workers=workers,
            progress=display,
        )
    _print_column(made)


def _print_column(made: StoredColumn) -> None:
    manifest = made.manifest
    if manifest.class_counts:
        rows = [[name, f"{count:,}"] for name, count in manifest.class_counts.items()]
        print_table(["class", "tokens"], rows)
    found = " and ".join(f"{count:,} of {split}" for split, count in manifest.num_tokens.items())
    groups = f" in {manifest.num_groups:,} groups" if manifest.num_groups else ""
    print_line(f"Column {manifest.name}, of kind {manifest.kind}: {found} tokens{groups}")
