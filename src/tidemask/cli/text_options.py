"""Options on how files become documents."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

_TEXT = "Text and documents"
"""Group of the options in `--help`."""

TextFieldOption = Annotated[
    str,
    typer.Option(
        "--text-field",
        metavar="FIELD",
        help="Field of a record that has the text; article.body is a field within another.",
        rich_help_panel=_TEXT,
    ),
]

DocumentsOption = Annotated[
    str,
    typer.Option(
        "--documents",
        metavar="BORDER",
        help="What is a document of a text file: blank-lines (what stands between them), file, "
        "line, separator=TEXT (what stands between such lines); auto looks at the files and says "
        "what it chose. A record is a document (row). None may have more than 268 million "
        "characters: break longer records, and say where documents of text end.",
        rich_help_panel=_TEXT,
    ),
]

KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="FIELD",
        help="Field of a record to keep with its document; repeatable.",
        rich_help_panel=_TEXT,
    ),
]

EncodingOption = Annotated[
    str,
    typer.Option(
        "--encoding",
        help="Encoding of text, JSON Lines and tables, such as cp1252 or utf-16.",
        rich_help_panel=_TEXT,
    ),
]

ErrorsOption = Annotated[
    Literal["strict", "replace"],
    typer.Option(
        "--errors",
        help="What is done about NUL and bytes that are not of the encoding: strict refuses them; "
        "replace makes them U+FFFD and counts them.",
        rich_help_panel=_TEXT,
    ),
]
