"""`tidemask compare`: a report of runs."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemask.cli.comparison_tables import show_comparison


def compare_command(
    runs: Annotated[list[str], typer.Argument(help="Run directories; one is allowed.")],
    out: Annotated[
        str,
        typer.Option("--out", metavar="PATH", help="Directory to be made for the report."),
    ],
) -> None:
    """Put runs side by side: one HTML page, figures as PNG and SVG, tables as CSV."""
    from tidemask.runs.comparison import compare

    show_comparison(compare(runs, out=out))
