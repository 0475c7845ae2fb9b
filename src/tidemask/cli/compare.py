"""`tidemask compare`: runs and studies, arm against arm, on a page."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemask.cli.comparison_tables import show_comparison
from tidemask.cli.terminal import print_error, print_line
from tidemask.errors import UserError


def compare_command(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Directories of runs and studies; with --check, that of one comparison or study."
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="PATH", help="Directory of the report, made or written again."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="ARM",
            help="The arm that the others are compared with; that of the study, else the first "
            "arm, if left out.",
        ),
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Write the figures as PNG, too.")] = False,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            metavar="PAPER.md",
            help="Write nothing; compare the numbers marked in a text with the tables.",
        ),
    ] = None,
) -> None:
    """Compare arms with their baseline: one HTML page, figures as SVG, every table as files.

    A run that cannot be read is left out and named; the exit status is 2 then.
    """
    if check is not None:
        if out is not None or baseline is not None or png or len(runs) != 1:
            raise UserError("--check stands alone: tidemask compare --check PAPER.md REPORT")
        _check(check, runs[0])
        return
    if out is None:
        raise UserError("no place for the report. Add --out PATH.")
    from tidemask.studies.comparison import compare

    found = compare(runs, out=out, baseline=baseline, png=png)
    show_comparison(found)
    for sentence in found.left_out:
        print_error(sentence)
    if found.left_out:
        raise typer.Exit(2)


def _check(paper: str, report: str) -> None:
    """Print what differs; the exit status is 2 if anything does."""
    from tidemask.files.paths import given_path
    from tidemask.report.paper import check_numbers

    place = given_path(report, "report")
    if not (place / "tables").is_dir():  # a study, which has its page within it
        from tidemask.studies.directory import StudyDirectory

        study = StudyDirectory(place)
        place = study.report if study.definition.is_file() else place
    number, problems = check_numbers(given_path(paper, "check"), place)
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(2)
    print_line(f"{number} marked numbers agree with the tables of {report}.")
