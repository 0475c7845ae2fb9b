"""Measures of runs by name: the value of a run, and which values are better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemask.errors import UserError, did_you_mean
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.downstream import display_scale, metric_label
from tidemask.report.results.score_rows import run_rows, tasks_of
from tidemask.run_record import FINAL, HELD_OUT, HELD_OUT_CELLS, MEAN_LOSS, OWN_LOSS
from tidemask.statistics import Direction

LOSSES = {
    MEAN_LOSS: "held-out loss",
    **{cell.loss: cell.title for cell in HELD_OUT_CELLS},
    OWN_LOSS: "as its own policy masks",
}
"""Every held-out loss by its name in metrics, and its title: the mean over the cells, then each."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is measured of a final model.

    Attributes:
        name: of a held-out loss, or of a downstream task.
        title: for a reader.
        unit: of its values.
        direction: which values are better.
    """

    name: str
    title: str
    unit: str
    direction: Direction

    def value(self, run: ComparedRun) -> float | None:
        """That of a run that is finished; `None` if its final model was not measured.

        Of a task with several seeds of fine-tuning it is the median over them.
        """
        if not run.is_finished:
            return None
        if self.name.startswith(HELD_OUT):
            return run.held_out.loss(self.name) if run.held_out.checkpoint == FINAL else None
        (row,) = run_rows([run])
        score = row.score(self.name)
        return None if score is None or row.newest(self.name) != FINAL else score.median


def measures_of(runs: Sequence[ComparedRun]) -> dict[str, Measure]:
    """The measures that any run has, by name; the mean held-out loss first.

    The loss under a run's own masks is none of them: no two policies have the same.
    """
    found = {
        name: Measure(
            name=name,
            title=title if name == MEAN_LOSS else f"held-out loss, {title}",
            unit="nats",
            direction="lower",
        )
        for name, title in LOSSES.items()
        if name != OWN_LOSS and any(run.held_out.loss(name) is not None for run in runs)
    }
    rows = run_rows(runs)
    for task in tasks_of(rows):
        metric = next(score.metric for row in rows if (score := row.score(task)) is not None)
        found[task] = Measure(
            name=task,
            title=task,
            unit=metric_label(metric),
            direction="higher" if display_scale(metric) > 1 else "lower",
        )
    return found


def measure_named(name: str, runs: Sequence[ComparedRun]) -> Measure | None:
    """The measure that decides; `None` if no run has it yet.

    Raises:
        UserError: the runs have others, and this can be none of them.
    """
    known = measures_of(runs)
    if name in known or name in LOSSES or not known:
        return known.get(name)
    if any(run.downstream for run in runs):
        raise UserError(
            f"primary={name}. Expected a measure of the runs: {', '.join(known)}."
            f"{did_you_mean(name, known)}"
        )
    return None
