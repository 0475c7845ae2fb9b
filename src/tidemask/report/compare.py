"""The comparison of runs: reads them, and writes page, figures and tables into one directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemask.files.rewriting import own_directory
from tidemask.report.comparability.run_warnings import seeds_statement, warnings_for
from tidemask.report.figures.all_charts import chart_groups, file_charts
from tidemask.report.figures.chart import Chart
from tidemask.report.figures.rendering import Format, rendered
from tidemask.report.page import render_page
from tidemask.report.results.answers import exploratory_answers, primary_answers
from tidemask.report.results.arms import arms_of
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.sources import ComparisonQuestion
from tidemask.report.tables.all_tables import all_tables
from tidemask.report.tables.final_scores import SUMMARY, scores_table
from tidemask.report.tables.table_files import write_table
from tidemask.report.tables.typed_table import Table

PAGE = "index.html"
"""The file with the page."""

MARKER = ".tidemask-comparison"
"""In a directory that a comparison wrote: it lists what may be written again."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The files of a comparison, and the tables and sentences for a terminal.

    Attributes:
        directory: holds everything below.
        page: the HTML page; needs none of the other files.
        figures: SVG files, and PNG files where asked for.
        tables: each as CSV, JSON, Markdown and LaTeX.
        summary: the final scores, one row per arm; its shown columns fit on a terminal.
        downstream: the downstream scores, one row per arm and for random weights; none if nothing
            was measured downstream.
        arms: each arm against the baseline, on the measure that decides.
        verdicts: on each arm, in words; none where nothing is compared.
        warnings: what to know before comparing; one sentence each.
        seeds: the seeds of each recipe, and what so many support.
        left_out: runs that cannot be read, and why; one sentence each.

    Example:
        >>> import tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> run = tidemask.pretrain("corpus", out="run", overrides=tiny)
        >>> comparison = tidemask.compare("run", out="report")
        >>> {path.suffix for path in comparison.figures} == {".svg"}
        True
    """

    directory: Path
    page: Path
    figures: tuple[Path, ...]
    tables: tuple[Path, ...]
    summary: Table
    downstream: Table
    arms: Table
    verdicts: tuple[str, ...]
    warnings: tuple[str, ...]
    seeds: str
    left_out: tuple[str, ...] = ()


def write_page(
    runs: Sequence[ComparedRun], question: ComparisonQuestion, *, out: Path, png: bool = False
) -> Comparison:
    """Write the comparison of runs that were read.

    Args:
        runs: arm by arm.
        question: what they are to answer.
        out: directory to be made, or written again where an earlier comparison made it.
        png: whether figures are written as PNG, too.

    Raises:
        UserError: the question does not fit the runs, or something else is at `out`.
    """
    arms = arms_of(runs)
    answers = primary_answers(runs, question)
    found = all_tables(runs, answers, exploratory_answers(runs, question))
    tables = {table.name: table for table in found}
    charts = chart_groups(arms, answers)
    page = render_page(arms, question, answers, tables, charts)
    means = [arm.mean for arm in arms]
    summary = scores_table(means).select(SUMMARY)
    with own_directory(out, marker=MARKER, last=PAGE) as aside:
        _write(aside, page, tables, file_charts(arms, charts), png=png)
        (aside / "tables" / "scores.txt").write_text(summary.to_text(), encoding="utf-8")
    return Comparison(
        directory=out,
        page=out / PAGE,
        figures=tuple(sorted((out / "figures").iterdir())),
        tables=tuple(sorted((out / "tables").iterdir())),
        summary=summary,
        downstream=tables["downstream_scores"],
        arms=tables["arms"],
        verdicts=tuple(sentence for answer in answers for sentence in answer.sentences),
        warnings=tuple(warnings_for(runs)),
        seeds=seeds_statement(runs),
    )


def _write(
    root: Path, page: str, tables: Mapping[str, Table], charts: Sequence[Chart], *, png: bool
) -> None:
    (root / PAGE).write_text(page, encoding="utf-8")
    (root / "tables").mkdir()
    for table in tables.values():
        write_table(table, root / "tables")
    (root / "figures").mkdir()
    formats: list[Format] = ["svg", "png"] if png else ["svg"]
    for chart in charts:
        for ending, content in rendered(chart, formats).items():
            (root / "figures" / f"{chart.name}.{ending}").write_bytes(content)
