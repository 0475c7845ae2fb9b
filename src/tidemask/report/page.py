"""The page of a comparison: one HTML file that needs no network, and can do without its script.

Its content is put together here; its form is in `page.html.jinja` and `page.css`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

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
from tidemask.report.figures.curve_choices import curve_choices
from tidemask.report.figures.palette import MARKER_PATHS, run_colour
from tidemask.report.figures.rendering import panel_svgs
from tidemask.report.inlined import (
    content_security_policy,
    copying_rules,
    page_script,
    page_style,
    page_template,
)
from tidemask.report.results.answers import Answer
from tidemask.report.results.arms import ComparedArm
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.score_rows import downstream_notes
from tidemask.report.results.sources import ComparisonQuestion
from tidemask.report.results.terms import why_no_times
from tidemask.report.tables.final_scores import cells_caption, loss_column
from tidemask.report.tables.table_files import written_endings
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

HEADINGS = {
    "trained-under": "Trained under, measured under",
    "held-out": "Held-out loss during training",
    "downstream-section": "Downstream",
    "how-much": "How much was masked",
    "what": "What was masked, and what was learned",
    "cost-section": "Cost",
    "settings": "Settings",
    "scores": "Runs",
    "sources": "Where the numbers are from",
}
"""The sections of the page, by their ids."""


def render_page(
    arms: Sequence[ComparedArm],
    question: ComparisonQuestion,
    answers: Sequence[Answer],
    tables: Mapping[str, Table],
    charts: ChartGroups,
) -> str:
    """The whole page as HTML.

    Args:
        arms: in the order in which they are named.
        question: what is to be answered.
        answers: of the measure that decides.
        tables: every table of the comparison by its name.
        charts: by section of the page, as `all_charts.chart_groups` gives them.
    """
    script = page_script()
    runs = [run for arm in arms for run in arm.runs]
    colours = {arm.name: run_colour(arm.index).variable for arm in arms}
    return page_template("page.html.jinja").render(
        style=page_style(),
        script=script,
        policy=content_security_policy(script),
        rules=copying_rules(),
        headings=HEADINGS,
        endings=written_endings,
        marker_paths=MARKER_PATHS,
        choices=_choices(arms, charts),
        title=_title(arms, question),
        asked=question.text,
        verdicts=[one.verdict for answer in answers for one in answer.compared],
        no_verdict=why_no_verdict(arms, question, answers),
        answer=tables["arms"],
        measures=tables["measures"],
        matches=tables["steps_to_match"],
        by_step=tables["differences_by_step"],
        primary=answers[0].measure.title if answers else question.primary,
        is_declared=question.is_declared,
        notes=question.notes,
        runs=[_described(run) for run in runs],
        configurations=[
            (arm.name, colours[arm.name], dump_yaml(dict(arm.runs[0].config))) for arm in arms
        ],
        has_seeds=len(runs) > len(arms),
        warnings=warnings_for(runs),
        on_equal_terms=terms_statement(runs),
        seeds=seeds_statement(runs),
        scores=tables["scores"].select(_SCORE_COLUMNS),
        cells=tables["trained_under"],
        cells_caption=cells_caption(tables["trained_under"]),
        colours=colours | {run.label: colours[run.arm] for run in runs},
        no_times=why_no_times(arms),
        downstream=tables["downstream_scores"],
        downstream_medians=tables["downstream_medians"],
        downstream_notes=downstream_notes(runs),
        held_out_frequency=_of_the_mean(tables["held_out_frequency"]),
        held_out_class=_of_the_mean(tables["held_out_class"]),
        settings=_compared_settings(tables["settings"]),
        all_settings=tables["settings"],
        tables=list(tables.values()),
        missing=MISSING,
        **{
            # matplotlib escapes the texts of a drawing
            f"{section}_charts": [(chart, list(map(Markup, panel_svgs(chart)))) for chart in group]
            for section, group in charts.items()
        },
    )


def _choices(arms: Sequence[ComparedArm], charts: ChartGroups) -> dict[str, Any] | None:
    """What the curves can be switched to; `None` where there are none."""
    drawn = any(panel.missing is None for chart in charts["held_out"] for panel in chart.panels)
    return curve_choices(arms) if drawn else None


def _title(arms: Sequence[ComparedArm], question: ComparisonQuestion) -> str:
    if question.text:
        return question.text
    if len(arms) > 1:
        return f"Comparison of {len(arms)} arms"
    return f"Run {arms[0].name}" if len(arms[0].runs) == 1 else f"Runs of {arms[0].name}"


def why_no_verdict(
    arms: Sequence[ComparedArm], question: ComparisonQuestion, answers: Sequence[Answer]
) -> str:
    """Why nothing is compared, or which arms are not; empty where all are."""
    if len(arms) == 1:
        return "One arm alone: nothing is compared."
    groups = [answer for answer in answers if answer.found is not None]
    missing = [arm.name for arm in arms if not any(arm.name in answer.values for answer in groups)]
    if not missing:
        return ""
    return (
        f"Not compared: {listed(missing)}. An arm is compared by its finished runs whose final "
        f"model was measured ({question.primary}), with the baseline on the same corpus and "
        "measured alike."
    )


def terms_statement(runs: Sequence[ComparedRun]) -> str:
    """Whether the runs are on equal terms, and what was not found to differ."""
    if len(runs) == 1:
        return "One run alone: nothing is compared."
    if differences_in_terms(runs):
        return "The runs are not on equal terms: see the remarks."
    if any(run.fingerprint is None for run in runs):
        return (
            "No difference was found in model, training settings, seeds or batch. Whether the "
            "corpus is the same is not known: its fingerprint is missing."
        )
    if others := off_plan(runs):
        return (
            "No difference was found in corpus (by its fingerprint), model, training settings, "
            f"seeds or batch; but the numbers of {listed(others)} are not those of the planned "
            "number of steps: see the remarks."
        )
    on_each = "On each corpus: " if len({run.corpus for run in runs}) > 1 else ""
    return on_each + (
        "On equal terms: same corpus (by its fingerprint), model, training settings, seeds and so "
        "data order, number of steps and batch. Only the masking differs."
    )


def _described(run: ComparedRun) -> dict[str, Any]:
    """A run with its colour, and facts by their titles."""
    facts = {
        "recipe": run.recipe,
        "had its machine alone": {True: "yes", False: "no", None: "not known"}[
            run.had_machine_alone
        ],
        "directory": str(run.directory),
        "seed": str(run.setting("training.seed")),
        "status": run.status,
        "held-out evaluation": run.held_out.checkpoint or "none",
        "corpus": str(run.setting("corpus.path") or MISSING),
        "corpus fingerprint": run.fingerprint or MISSING,
        "device": run.recorded("device") or MISSING,
        "versions": run.recorded("versions") or MISSING,
    }
    return {"run": run, "colour": run_colour(run.index).variable, "facts": facts}


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
    """The settings that are not the same in all arms."""
    rows = tuple(row for row in table.rows if any(cell != row[1] for cell in row[2:]))
    return replace(table, rows=rows)
