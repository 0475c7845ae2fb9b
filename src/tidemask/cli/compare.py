"""`tidemask compare`: runs and studies, arm against arm, on a page."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemask.cli.comparison_tables import show_comparison


def compare_command(
    runs: Annotated[
        list[str], typer.Argument(help="Directories of runs and of studies; one is allowed.")
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="PATH", help="Directory of the report, made or written again."
        ),
    ],
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="ARM", help="That of the study, else the first arm."),
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Write the figures as PNG, too.")] = False,
) -> None:
    """Compare arms with their baseline: one HTML page, figures as SVG, every table as files."""
    from tidemask.studies.comparison import compare

    show_comparison(compare(runs, out=out, baseline=baseline, png=png))
