"""`tidemask prepare`: text files to a prepared corpus."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemask.cli.tables import print_table
from tidemask.cli.terminal import print_line, progress_display


def prepare_command(
    text: Annotated[
        list[str],
        typer.Argument(
            help=".txt, .txt.gz or .txt.xz files, directories or globs; documents are separated "
            "by empty lines."
        ),
    ],
    out: Annotated[str, typer.Option("--out", metavar="PATH", help="Directory to be made.")],
    tokenizer: Annotated[
        str | None,
        typer.Option(
            "--tokenizer", help="Directory or hub name of a fast tokenizer. Default: train one."
        ),
    ] = None,
    vocab_size: Annotated[
        int | None,
        typer.Option(
            "--vocab-size",
            help="Maximum entries of the tokenizer to train; 8192 if left out.",
        ),
    ] = None,
    tagger: Annotated[
        str,
        typer.Option(
            "--tagger", help="textblob, spacy:NAME_OR_PATH, or none for no token classes."
        ),
    ] = "textblob",
    sequence_length: Annotated[
        int, typer.Option("--sequence-length", help="Tokens per sequence, special ones included.")
    ] = 128,
    held_out: Annotated[
        float, typer.Option("--held-out", help="Share of the documents kept for evaluation.")
    ] = 0.05,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes; one per core if left out."),
    ] = None,
) -> None:
    """Turn text files into a prepared corpus: tokenised, tagged, aligned and packed."""
    from tidemask.corpus.prepare import prepare

    with progress_display() as display:
        corpus = prepare(
            text,
            out=out,
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            tagger=tagger,
            sequence_length=sequence_length,
            held_out=held_out,
            workers=workers,
            progress=display,
        )
    manifest = corpus.manifest
    rows = [
        [
            name,
            f"{n.num_documents:,}",
            f"{n.num_words:,}",
            f"{n.num_tokens:,}",
            f"{n.num_sequences:,}",
        ]
        for name, n in (("training", manifest.train), ("held-out", manifest.held_out))
    ]
    print_table(["split", "documents", "words", "tokens", "sequences"], rows)
    print_line(
        f"{manifest.vocab_size:,} vocabulary entries, tagger {manifest.tagger}, "
        f"{manifest.num_duplicates_dropped:,} near-duplicates dropped"
    )
    print_line(f"Corpus: {out}")
