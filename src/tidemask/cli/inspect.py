"""`tidemask inspect`: what a prepared corpus holds, samples with tags, the text behind a row."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from tidemask.cli.class_styles import class_style
from tidemask.cli.options import CorpusArgument, JsonOption
from tidemask.cli.tables import print_json, print_table
from tidemask.cli.terminal import print_line, print_note, progress_display, stdout
from tidemask.errors import UserError
from tidemask.progress.line import printable

if TYPE_CHECKING:
    from tidemask.inspection.inspect import Inspection
    from tidemask.inspection.row_words import RowPiece
    from tidemask.report.corpus_page import SampleWord
    from tidemask.report.tables.typed_table import Table

_ROWS_SHOWN = 10
"""Rows of a long table; `--page` and `--json` have all."""

_SHADES = ("", "cyan", "bright_cyan", "bold bright_cyan")
"""Of weights, from the smallest quarter of the largest on."""


def inspect_command(
    corpus: CorpusArgument,
    text: Annotated[
        int | None,
        typer.Option("--text", metavar="ROW", help="Show one row: its documents and its words."),
    ] = None,
    split: Annotated[
        Literal["train", "held_out"],
        typer.Option("--split", help="The split that has the row of --text."),
    ] = "train",
    column: Annotated[
        str | None,
        typer.Option(
            "--column",
            metavar="NAME",
            help="Show this column alone: its numbers, and its values beside words of the samples.",
        ),
    ] = None,
    page: Annotated[
        str | None, typer.Option("--page", metavar="PATH", help="Write all of it as a page, too.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=0, help="Rows to show.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Show what a prepared corpus holds: counts, sources, classes, columns, words, samples."""
    from tidemask.inspection.inspect import inspect_corpus, inspect_row

    if text is not None:
        if page is not None:
            raise UserError(
                f"a page of one row: --text {text} and --page {page}. Expected one of them. Leave "
                "out --text for the page of the corpus."
            )
        pieces = inspect_row(corpus, text, split=split, column=column, on_note=print_note)
        _show_row(pieces, has_column=column is not None, as_json=as_json)
        return
    with progress_display() as display:
        found = inspect_corpus(corpus, samples=samples, column=column, progress=display)
    if page is not None:
        found.write_page(page)
    if as_json:
        print_json(_plain(found))
    else:
        if column is None:
            _show_tables(found)
        else:
            _show_column(found, column)
        _show_samples(found)
        if page is not None:
            print_line(f"Page: {page}")


def _plain(found: Inspection) -> dict[str, object]:
    return {
        "fingerprint": found.corpus.manifest.fingerprint,
        "notes": list(found.notes),
        **{
            name: [
                {column.name: cell for column, cell in zip(table.columns, row, strict=True)}
                for row in table.rows
            ]
            for name, table in found.tables.items()
        },
    }


def _show_tables(found: Inspection) -> None:
    from tidemask.report.corpus_page import SECTIONS

    for name, (_, caption) in SECTIONS.items():
        if name in found.tables:
            table = found.tables[name]
            if name == "sources":
                table, caption = _in_one_directory(table, caption)
            _show_table(table, caption)
    for note in found.notes:
        print_line(note)


def _show_column(found: Inspection, column: str) -> None:
    """What the corpus has of one column: a line, and the tokens of each class or the weights."""
    from tidemask.report.corpus_page import SECTIONS
    from tidemask.token_classes import UPOS_COLUMN

    if column == UPOS_COLUMN:
        print_line(f"Column {column} of {found.corpus.root}: the classes that preparation recorded")
        if "classes" in found.tables:
            _show_table(found.tables["classes"], SECTIONS["classes"][1])
        return
    (cells,) = found.tables["columns"].where("column", column).shown_rows()
    kind, source, tokens, share, groups, _ = cells
    counted = f"{tokens} tokens ({share} % of all)"
    counted += f" in {groups} groups" if kind == "group" else ""
    print_line(f"Column {column} of {found.corpus.root}: {kind}, from {source}, {counted}")
    for name in ("column_classes", "column_weights"):
        if name in found.tables and (table := found.tables[name].where("column", column)).rows:
            _show_table(table, SECTIONS[name][1])


def _show_samples(found: Inspection) -> None:
    from tidemask.inspection.shown_words import shown_words

    for pieces in found.samples:
        stdout.print()
        for piece in pieces:
            _show_words(shown_words(piece.words, in_tokens=found.column is None))


def _in_one_directory(sources: Table, caption: str) -> tuple[Table, str]:
    """Files of one directory by their paths in it, as lines are short; the caption names it."""
    from tidemask.corpus.sources.hub_rows import HUB
    from tidemask.inspection.tables import MAX_SOURCES

    named, others = sources.rows[:MAX_SOURCES], sources.rows[MAX_SOURCES:]  # these are one row
    paths = [str(path) for path, *_ in named]
    if any(path.startswith(HUB) for path in paths):
        return sources, caption
    try:
        directory = os.path.commonpath(paths)
    except ValueError:  # absolute and relative ones, or none at all
        return sources, caption
    if directory in {"", os.sep, *paths}:
        return sources, caption
    within = [
        (str(Path(path).relative_to(directory)), *cells)
        for path, (_, *cells) in zip(paths, named, strict=True)
    ]
    return replace(sources, rows=(*within, *others)), f"{caption}, in {directory}"


def _show_table(table: Table, caption: str) -> None:
    rows = table.shown_rows()
    columns = table.shown_columns
    headings = [f"{column.title}, %" if column.unit else column.title for column in columns]
    num_texts = len(list(takewhile(lambda column: not column.is_number, columns)))
    print_table(headings, rows[:_ROWS_SHOWN], title=caption, text_columns=num_texts)
    if len(rows) > _ROWS_SHOWN:
        print_line(f"… and {len(rows) - _ROWS_SHOWN} more; --page PATH or --json has them.\n")


def _show_row(pieces: Iterable[RowPiece], *, has_column: bool, as_json: bool) -> None:
    from tidemask.inspection.shown_words import says_nothing, shown_words

    for number, piece in enumerate(pieces):
        if as_json:
            print_json(asdict(piece))
            continue
        if number:
            stdout.print()
        if (document := piece.document) is not None:
            place = f", place {document.place}" if document.place else ""
            present = {name: v for name, v in document.fields.items() if v is not None}
            kept = "".join(f", {name}={_as_recorded(v)}" for name, v in present.items())
            print_line(
                f"{document.source}{place}{kept}: document {document.number}, "
                f"from character {piece.character_offset}"
            )
        if piece.text is not None:
            lines = piece.text.strip().replace("\r\n", "\n")
            print_line(f"\n{lines}\n")
        in_tokens = not has_column and says_nothing(piece.words)
        _show_words(shown_words(piece.words, in_tokens=in_tokens))


def _as_recorded(value: str | float | bool) -> str:
    """A kept value as a record has it: texts as they are, truth values as in JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _show_words(words: Sequence[SampleWord]) -> None:
    """Words with their classes or weights, in colour; groups in brackets."""
    shown = Text()
    for word in words:
        text = printable(word.text)
        shown.append(f"[{text}]" if word.is_group else text, style=_style(word))
        if word.label is not None:
            shown.append(f"/{printable(word.label)}", style="dim")
        shown.append(" ")
    stdout.print(shown)


def _style(word: SampleWord) -> str:
    if word.is_group:
        return "bold bright_blue"
    if word.shade:
        return _SHADES[min(int(word.shade * len(_SHADES)), len(_SHADES) - 1)]
    return "" if word.label is None else class_style(word.label)
