"""The table of the difference to the baseline at each step of training: when a policy leads."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.report.results.answers import Answer
from tidemask.report.tables.typed_table import Cell, Column, Table
from tidemask.statistics import StepDifference


def differences_by_step_table(answers: Sequence[Answer]) -> Table:
    """One row per corpus and step, and under each arm its difference to the baseline.

    Intervals are those of one step by itself, neither adjusted for steps nor for arms.
    """
    arms = dict.fromkeys(one.arm for answer in answers for one in answer.by_step)
    unit = answers[0].measure.unit if answers else ""
    columns = (
        Column("step", "step", kind="count"),
        Column("corpus", "corpus", shown=False),
        *(column for arm in arms for column in _columns(arm, unit)),
    )
    rows = tuple(row for answer in answers for row in _rows(answer, list(arms)))
    return Table(name="differences_by_step", columns=columns, rows=rows)


def _columns(arm: str, unit: str) -> tuple[Column, ...]:
    ends = f"{arm}/low", f"{arm}/high"
    return (
        Column(arm, arm, unit=unit, kind="real", digits=4, signed=True, limits=ends),
        *(Column(end, end, kind="real", digits=4, signed=True, shown=False) for end in ends),
        Column(f"{arm}/p", f"{arm}, p not adjusted", kind="p", shown=False),
    )


def _rows(answer: Answer, arms: Sequence[str]) -> list[tuple[Cell, ...]]:
    found = {one.arm: {at.step: at for at in one.by_step} for one in answer.by_step}
    steps = sorted({step for by_step in found.values() for step in by_step})
    corpus = answer.arms[0].runs[0].fingerprint
    rows: list[tuple[Cell, ...]] = []
    for step in steps:
        cells = (cell for arm in arms for cell in _cells(found.get(arm, {}).get(step)))
        rows.append((int(step), corpus, *cells))
    return rows


def _cells(at: StepDifference | None) -> tuple[Cell, ...]:
    """Difference, its ends and p of an arm at a step; nothing where it was not measured."""
    if at is None:
        return (None,) * 4
    if at.estimate is None:
        return at.mean, None, None, None
    return at.mean, at.estimate.low, at.estimate.high, at.estimate.p
