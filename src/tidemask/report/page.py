"""The page of a comparison: one HTML file that needs nothing else, no network and no script.

Its content is put together here; its form is in `page.html.jinja` and `page.css`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tidemask.reading import dump_yaml
from tidemask.report.comparability.differences import listed
from tidemask.report.comparability.run_warnings import (
    differences_in_terms,
    off_plan,
    seeds_statement,
    warnings_for,
)
from tidemask.report.figures.all_charts import ChartGroups
from tidemask.report.figures.palette import run_colour, style_sheet
from tidemask.report.figures.rendering import panel_svgs
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.score_rows import downstream_notes
from tidemask.report.tables.final_scores import CELLS, loss_column
from tidemask.report.tables.typed_table import MISSING, Table
from tidemask.run_record import (
    MEAN_LOSS,
    PREDICTED_TOKENS,
    UNIGRAM_CROSS_ENTROPY,
    UNIGRAM_ENTROPY,
    WALL_SECONDS,
)

_SCORE_COLUMNS = (
    "run",
    "mean_ratio",
    "ratio_deviation",
    "last_step",
    PREDICTED_TOKENS,
    WALL_SECONDS,
    loss_column(MEAN_LOSS),
    "gain",
    UNIGRAM_CROSS_ENTROPY,
    UNIGRAM_ENTROPY,
)


def render_page(
    runs: Sequence[ComparedRun], tables: Mapping[str, Table], charts: ChartGroups
) -> str:
    """The whole page as HTML.

    Args:
        runs: in the order in which they are named.
        tables: every table of the comparison by its name.
        charts: by section of the page, as `all_charts.chart_groups` gives them.
    """
    environment = Environment(
        loader=PackageLoader("tidemask", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    source, _, _ = PackageLoader("tidemask", "report").get_source(environment, "page.css")
    return environment.get_template("page.html.jinja").render(
        style=Markup(style_sheet() + source),  # our own files, nothing from the runs
        title=f"Comparison of {len(runs)} runs" if len(runs) > 1 else f"Run {runs[0].label}",
        runs=[_described(run) for run in runs],
        warnings=warnings_for(runs),
        on_equal_terms=terms_statement(runs),
        seeds=seeds_statement(runs),
        scores=tables["scores"].select(_SCORE_COLUMNS),
        cells=tables["scores"].select(CELLS),
        run_swatches=[run_colour(run.index).variable for run in runs],
        downstream=tables["downstream_scores"],
        downstream_medians=tables["downstream_medians"],
        downstream_notes=downstream_notes(runs),
        held_out_frequency=_of_the_mean(tables["held_out_frequency"]),
        held_out_class=_of_the_mean(tables["held_out_class"]),
        settings=_compared_settings(tables["settings"]),
        tables=list(tables.values()),
        missing=MISSING,
        **{
            # matplotlib escapes the texts of a drawing
            f"{section}_charts": [(chart, list(map(Markup, panel_svgs(chart)))) for chart in group]
            for section, group in charts.items()
        },
    )


def terms_statement(runs: Sequence[ComparedRun]) -> str:
    """Whether the runs are on equal terms, and what was not found to differ."""
    if len(runs) == 1:
        return "One run alone: nothing is compared."
    if differences_in_terms(runs):
        return "The runs are not on equal terms: see the remarks."
    if any(run.fingerprint is None for run in runs):
        return (
            "No difference was found in model, training settings, seed or batch. Whether the "
            "corpus is the same is not known: its fingerprint is missing."
        )
    if others := off_plan(runs):
        return (
            "No difference was found in corpus (by its fingerprint), model, training settings, "
            f"seed or batch; but the numbers of {listed(others)} are not those of the planned "
            "number of steps: see the remarks."
        )
    return (
        "On equal terms: same corpus (by its fingerprint), model, training settings, seed and so "
        "data order, number of steps and batch. Only the masking differs."
    )


def _described(run: ComparedRun) -> dict[str, Any]:
    """A run with its colour, its configuration as YAML, and facts by their titles."""
    facts = {
        "recipe": run.recipe,
        "directory": str(run.directory),
        "seed": str(run.setting("training.seed")),
        "status": run.status,
        "held-out evaluation": run.held_out.checkpoint or "none",
        "corpus": str(run.setting("corpus.path") or MISSING),
        "corpus fingerprint": run.fingerprint or MISSING,
        "device": run.recorded("device") or MISSING,
        "versions": run.recorded("versions") or MISSING,
    }
    config = dump_yaml(dict(run.config))
    return {"run": run, "colour": run_colour(run.index).variable, "config": config, "facts": facts}


def _of_the_mean(table: Table) -> Table:
    """The mean losses of classes or bands over the cells alone, under the labels of the runs."""
    ending = f"/{loss_column(MEAN_LOSS)}"
    names = [column.name for column in table.columns if column.name.endswith(ending)]
    selected = table.select([table.columns[0].name, *names])
    columns = tuple(
        replace(column, title=column.name.removesuffix(ending), unit="")
        if column.name in names
        else column
        for column in selected.columns
    )
    return replace(selected, columns=columns, rows=selected.rows if names else ())


def _compared_settings(table: Table) -> Table:
    """Settings of the masking, and whatever else is not the same in all runs."""
    rows = tuple(
        row
        for row in table.rows
        if str(row[0]).startswith("masking.") or any(cell != row[1] for cell in row[2:])
    )
    return replace(table, rows=rows)
