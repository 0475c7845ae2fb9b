"""Every table of a comparison in its order, and those of logged steps, classes and settings.

They hold what the runs logged, unrounded. Each becomes a CSV file; some are shown on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tidemask.report.results.answers import Answer
from tidemask.report.results.arms import ComparedArm, arms_of
from tidemask.report.results.compared_run import ComparedRun, HeldOut, in_usual_order
from tidemask.report.results.downstream import finite_number
from tidemask.report.results.flat_settings import flat_settings
from tidemask.report.results.measures import LOSSES
from tidemask.report.results.terms import SEED
from tidemask.report.tables.arms import answer_table, measures_table, steps_to_match_table
from tidemask.report.tables.by_step import differences_by_step_table
from tidemask.report.tables.downstream import downstream_scores_table, downstream_tables
from tidemask.report.tables.final_scores import COST, RUN, cells_table, loss_column, scores_table
from tidemask.report.tables.typed_table import Cell, Column, Table
from tidemask.run_record import (
    CLASS_LOSS,
    CLASS_SHARE,
    FREQUENCY_BANDS,
    HELD_OUT_CELLS,
    MEAN_LOSS,
    RATIO,
    REALISED_RATIO,
    TOKENS_PER_SECOND,
)

_STEP = Column("step", "step", kind="count")
_CLASS = Column("class", "class")
_MEASURED = (MEAN_LOSS, *(cell.loss for cell in HELD_OUT_CELLS))
_PROGRESS = (Column("progress", "progress", kind="real"), *COST)


def all_tables(
    runs: Sequence[ComparedRun],
    answers: Sequence[Answer] = (),
    exploratory: Sequence[Answer] = (),
) -> list[Table]:
    """Every table of a comparison, in the order of their files.

    Args:
        runs: arm by arm.
        answers: of the measure that decides.
        exploratory: of all other measures.
    """
    arms = arms_of(runs)
    means = [arm.mean for arm in arms]
    return [
        answer_table(answers),
        steps_to_match_table(answers),
        differences_by_step_table(answers),
        measures_table(exploratory),
        cells_table(means),
        scores_table(runs),
        steps_table(runs),
        held_out_table(runs),
        held_out_class_table(means),
        held_out_frequency_table(means),
        downstream_scores_table(means),
        *downstream_tables(runs),
        class_loss_table(runs),
        class_share_table(runs),
        settings_table(arms),
    ]


def steps_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run and logged step: its cost, and the ratio scheduled and realised."""
    columns = (
        RUN,
        _STEP,
        *_PROGRESS,
        Column(RATIO, "scheduled ratio", kind="real"),
        Column(REALISED_RATIO, "realised ratio", kind="real"),
        Column(TOKENS_PER_SECOND, "tokens per second", kind="quantity"),
    )
    rows = tuple(row for run in runs for row in _logged(run, columns[2:]))
    return Table(name="steps", columns=columns, rows=rows)


def held_out_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run and step at which held-out loss was measured during the run."""
    measured = [Column(name, LOSSES[name], unit="nats", kind="real") for name in _MEASURED]
    columns = (RUN, _STEP, *_PROGRESS, *measured)
    rows = tuple(
        row
        for run in runs
        for row in _logged(run, columns[2:])
        if any(cell is not None for cell in row[-len(measured) :])
    )
    return Table(name="held_out", columns=columns, rows=rows)


def held_out_class_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per class: the final held-out loss of every run in every cell, and their mean."""
    names = in_usual_order({name for run in runs for name in run.held_out.classes})
    return _final_losses(
        runs,
        name="held_out_class",
        first=_CLASS,
        groups={name: partial(HeldOut.class_loss, class_name=name) for name in names},
    )


def held_out_frequency_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per band of vocabulary entries, the most frequent ones first."""
    bands = {
        f"{low} to {high} %": partial(HeldOut.band_loss, band=(low, high))
        for low, high in FREQUENCY_BANDS
    }
    return _final_losses(
        runs,
        name="held_out_frequency",
        first=Column("band", "training tokens with a more frequent entry"),
        groups=bands,
    )


def _final_losses(
    runs: Sequence[ComparedRun],
    *,
    name: str,
    first: Column,
    groups: Mapping[str, Callable[[HeldOut, str], float | None]],
) -> Table:
    """One row per group that has a loss anywhere, one column per masking and run."""
    measured = [
        (run.label, masking, run.held_out)
        for masking in _MEASURED
        for run in runs
        if any(loss(run.held_out, masking) for loss in groups.values())
    ]
    columns = (
        Column(f"{run}/{loss_column(name)}", f"{run}, {LOSSES[name]}", unit="nats", kind="real")
        for run, name, _ in measured
    )
    rows = (
        (group, *(loss(held_out, masking) for _, masking, held_out in measured))
        for group, loss in groups.items()
    )
    known = tuple(row for row in rows if any(cell is not None for cell in row[1:]))
    return Table(name=name, columns=(first, *columns), rows=known)


def class_loss_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run, logged step and class: the cumulative loss of the class, nats."""
    columns = (RUN, _STEP, _CLASS, Column("class_loss", "cumulative loss", kind="real"))
    rows = tuple(
        (run.label, record["step"], name, finite_number(record.get(CLASS_LOSS + name)))
        for run in runs
        for name in run.classes(CLASS_LOSS)
        for record in run.records
    )
    return Table(name="class_loss", columns=columns, rows=rows)


def class_share_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run, logged step and class: its share of the masked tokens and of the corpus."""
    columns = (
        RUN,
        _STEP,
        _CLASS,
        Column("share_of_masked", "share of the masked tokens", kind="real"),
        Column("share_of_corpus", "share of the corpus", kind="real"),
    )
    rows = tuple(
        (
            *(run.label, record["step"], name),
            *(finite_number(record.get(CLASS_SHARE + name)), run.corpus_share.get(name)),
        )
        for run in runs
        for name in run.classes(CLASS_SHARE)
        for record in run.records
    )
    return Table(name="class_share", columns=columns, rows=rows)


def settings_table(arms: Sequence[ComparedArm]) -> Table:
    """One row per setting of any arm, by its dotted path; an arm without it has no cell."""
    settings = [flat_settings(arm.runs[0].config) for arm in arms]
    for arm, flat in zip(arms, settings, strict=True):
        if SEED in flat:
            flat[SEED] = ", ".join(map(str, arm.seeds))
    paths = dict.fromkeys(path for flat in settings for path in flat)
    columns = (
        Column("setting", "setting"),
        *(Column(arm.name, arm.name) for arm in arms),
    )
    rows = tuple((path, *(flat.get(path) for flat in settings)) for path in sorted(paths))
    return Table(name="settings", columns=columns, rows=rows)


def _logged(run: ComparedRun, columns: Sequence[Column]) -> list[tuple[Cell, ...]]:
    """Label, step and the columns' metrics as logged, unrounded and of their own type."""
    return [
        (run.label, record["step"], *(_scalar(record.get(column.name)) for column in columns))
        for record in run.records
    ]


def _scalar(value: object) -> Cell:
    return value if isinstance(value, int | float) else None
