"""Every table of a comparison in its order, and those of logged steps, classes and settings.

They hold what the runs logged, unrounded. Each becomes a CSV file; some are shown on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from tidemask.report.comparability.differences import flat_settings
from tidemask.report.results.compared_run import ComparedRun, HeldOut, Series, in_usual_order
from tidemask.report.tables.downstream import downstream_tables
from tidemask.report.tables.final_scores import COST, RUN, scores_table
from tidemask.report.tables.typed_table import Cell, Column, Table
from tidemask.run_record import (
    CLASS_LOSS,
    CLASS_SHARE,
    FREQUENCY_BANDS,
    HELD_OUT_PERCENTS,
    RATIO,
    REALISED_RATIO,
    TOKENS_PER_SECOND,
    held_out_loss,
)

_STEP = Column(name="step", title="step", kind="count")
_CLASS = Column(name="class", title="class")
_PROGRESS = (Column(name="progress", title="progress", kind="real"), *COST)


def all_tables(runs: Sequence[ComparedRun]) -> list[Table]:
    """Every table of a comparison, in the order of their files."""
    return [
        scores_table(runs),
        steps_table(runs),
        held_out_table(runs),
        held_out_class_table(runs),
        held_out_frequency_table(runs),
        *downstream_tables(runs),
        class_loss_table(runs),
        class_share_table(runs),
        settings_table(runs),
    ]


def steps_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run and logged step: its cost, and the ratio scheduled and realised."""
    columns = (
        RUN,
        _STEP,
        *_PROGRESS,
        Column(name=RATIO, title="scheduled ratio", kind="real"),
        Column(name=REALISED_RATIO, title="realised ratio", kind="real"),
        Column(name=TOKENS_PER_SECOND, title="tokens per second", kind="quantity"),
    )
    names = [column.name for column in columns[2:]]
    rows = tuple(row for run in runs for row in _logged(run, names))
    return Table(name="steps", title="Logged steps", columns=columns, rows=rows)


def held_out_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run and step at which held-out loss was measured during the run."""
    names = [held_out_loss(percent) for percent in HELD_OUT_PERCENTS]
    measured = [
        Column(name=name, title=f"held-out loss at {percent} %", unit="nats", kind="real")
        for name, percent in zip(names, HELD_OUT_PERCENTS, strict=True)
    ]
    columns = (RUN, _STEP, *_PROGRESS, *measured)
    wanted = [*(column.name for column in _PROGRESS), *names]
    rows = tuple(
        row
        for run in runs
        for row in _logged(run, wanted)
        if any(cell is not None for cell in row[-len(names) :])
    )
    return Table(name="held_out", title="Held-out loss", columns=columns, rows=rows)


def held_out_class_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per class: the final held-out loss of every run at every percentage."""
    evaluated = [run.held_out for run in runs if run.held_out]
    names = in_usual_order({name for held_out in evaluated for name in held_out.classes})
    return _final_losses(
        runs,
        name="held_out_class",
        title="Held-out loss per class",
        first=_CLASS,
        groups={name: partial(HeldOut.loss, class_name=name) for name in names},
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
        title="Held-out loss per frequency of the entry",
        first=Column(name="band", title="training tokens with a more frequent entry"),
        groups=bands,
    )


def _final_losses(
    runs: Sequence[ComparedRun],
    *,
    name: str,
    title: str,
    first: Column,
    groups: Mapping[str, Callable[[HeldOut, int], float | None]],
) -> Table:
    """One row per group that has a loss anywhere, one column per percentage and run."""
    measured = [
        (run.label, percent, run.held_out)
        for percent in HELD_OUT_PERCENTS
        for run in runs
        if run.held_out and any(loss(run.held_out, percent) for loss in groups.values())
    ]
    columns = (
        Column(name=f"{run}/loss_{p}", title=f"{run} at {p} %", unit="nats", kind="real")
        for run, p, _ in measured
    )
    rows = (
        (group, *(loss(held_out, percent) for _, percent, held_out in measured))
        for group, loss in groups.items()
    )
    known = tuple(row for row in rows if any(cell is not None for cell in row[1:]))
    return Table(name=name, title=title, columns=(first, *columns), rows=known)


def class_loss_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run, logged step and class: the cumulative loss of the class, nats."""
    columns = (RUN, _STEP, _CLASS, Column(name="class_loss", title="cumulative loss", kind="real"))
    rows = tuple(
        (run.label, step, name, value)
        for run in runs
        for name in run.classes(CLASS_LOSS)
        for step, value in _by_step(run, run.series(CLASS_LOSS + name))
    )
    return Table(name="class_loss", title="Cumulative loss per class", columns=columns, rows=rows)


def class_share_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run, logged step and class: its share of the masked tokens and of the corpus."""
    columns = (
        RUN,
        _STEP,
        _CLASS,
        Column(name="share_of_masked", title="share of the masked tokens", kind="real"),
        Column(name="share_of_corpus", title="share of the corpus", kind="real"),
    )
    rows = tuple(
        (run.label, step, name, value, run.corpus_share.get(name))
        for run in runs
        for name in run.classes(CLASS_SHARE)
        for step, value in _by_step(run, run.series(CLASS_SHARE + name))
    )
    return Table(name="class_share", title="Classes of the masked", columns=columns, rows=rows)


def settings_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per setting of any run, by its dotted path; a run without it has no cell."""
    settings = [flat_settings(run.config) for run in runs]
    paths = dict.fromkeys(path for flat in settings for path in flat)
    columns = (
        Column(name="setting", title="setting"),
        *(Column(name=run.label, title=run.label) for run in runs),
    )
    rows = tuple((path, *(flat.get(path) for flat in settings)) for path in sorted(paths))
    return Table(name="settings", title="Settings", columns=columns, rows=rows)


def _logged(run: ComparedRun, names: Sequence[str]) -> list[tuple[Cell, ...]]:
    """Label, step and the named metrics as they were logged, unrounded and of their own type."""
    return [
        (run.label, record["step"], *(_scalar(record.get(name)) for name in names))
        for record in run.records
    ]


def _by_step(run: ComparedRun, series: Series) -> list[tuple[int, Cell]]:
    """Steps and values; `None` where a value is NaN."""
    values = (None if np.isnan(value) else float(value) for value in series)
    return list(zip(map(int, run.steps), values, strict=True))


def _scalar(value: object) -> Cell:
    return value if isinstance(value, int | float) else None
