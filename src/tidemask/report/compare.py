"""The comparison of runs: reads them, and writes page, figures and tables into one directory.

It tests no hypothesis: it shows the numbers of the runs beside each other, and what differs in how
they were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemask.files.atomic import check_new_directory, new_directory
from tidemask.report.comparability.run_warnings import seeds_statement, warnings_for
from tidemask.report.figures.all_charts import chart_groups
from tidemask.report.figures.chart import Chart
from tidemask.report.figures.downstream import task_charts
from tidemask.report.figures.rendering import to_png, to_svg
from tidemask.report.page import render_page
from tidemask.report.results.read_runs import read_runs
from tidemask.report.tables.all_tables import all_tables
from tidemask.report.tables.final_scores import SUMMARY
from tidemask.report.tables.typed_table import Table

PAGE = "index.html"
"""The file with the page."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The files of a comparison, and the tables and sentences for a terminal.

    Attributes:
        directory: holds everything below.
        page: the HTML page; needs none of the other files.
        figures: PNG and SVG files.
        tables: CSV files.
        summary: the final scores; its shown columns fit on a terminal.
        downstream: the downstream scores, one row per run and for random weights; none if nothing
            was measured downstream.
        warnings: what to know before comparing; one sentence each.
        seeds: the seeds of each recipe, and which claims so many seeds support.

    Example:
        >>> import tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> run = tidemask.pretrain("corpus", out="run", overrides=tiny)
        >>> comparison = tidemask.compare("run", out="report")
        >>> {path.suffix for path in comparison.figures} == {".png", ".svg"}
        True
    """

    directory: Path
    page: Path
    figures: tuple[Path, ...]
    tables: tuple[Path, ...]
    summary: Table
    downstream: Table
    warnings: tuple[str, ...]
    seeds: str


def write_comparison(directories: Sequence[Path], *, out: Path) -> Comparison:
    """Write the comparison of some runs; settings are shown as they stand in their run.yaml.

    Args:
        directories: of the runs.
        out: directory to be made; may exist if it is empty.

    Raises:
        UserError: no run, a run twice, a directory that is not a run or has no logged step, a
            damaged file, or `out` exists and is not an empty directory.
    """
    check_new_directory(out)
    read = read_runs(directories)
    tables = {table.name: table for table in all_tables(read)}
    charts = chart_groups(read)
    page = render_page(read, tables, charts)
    drawn = [chart for group in charts.values() for chart in group] + task_charts(read)
    with new_directory(out, last=PAGE) as aside:
        _write(aside, page, tables, drawn)
    return Comparison(
        directory=out,
        page=out / PAGE,
        figures=tuple(sorted((out / "figures").iterdir())),
        tables=tuple(sorted((out / "tables").iterdir())),
        summary=tables["scores"].select(SUMMARY),
        downstream=tables["downstream_scores"],
        warnings=tuple(warnings_for(read)),
        seeds=seeds_statement(read),
    )


def _write(root: Path, page: str, tables: Mapping[str, Table], charts: Sequence[Chart]) -> None:
    (root / PAGE).write_text(page, encoding="utf-8")
    (root / "tables").mkdir()
    for table in tables.values():
        (root / "tables" / f"{table.name}.csv").write_text(table.to_csv(), encoding="utf-8")
    (root / "tables" / "scores.txt").write_text(
        tables["scores"].select(SUMMARY).to_text(),
        encoding="utf-8",
    )
    (root / "figures").mkdir()
    for chart in charts:
        (root / "figures" / f"{chart.name}.png").write_bytes(to_png(chart))
        (root / "figures" / f"{chart.name}.svg").write_text(to_svg(chart), encoding="utf-8")
