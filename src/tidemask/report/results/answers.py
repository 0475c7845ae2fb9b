"""The answers of a comparison: each arm against the baseline on its corpus, with statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidemask.errors import UserError, did_you_mean
from tidemask.evaluation_files import read_sequence_sums
from tidemask.report.results.arms import ComparedArm, arms_of
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.measured_curves import curves_of
from tidemask.report.results.measures import Measure, measure_named, measures_of
from tidemask.report.results.sources import ComparisonQuestion
from tidemask.report.results.terms import held_out_settings
from tidemask.run_record import (
    HELD_OUT,
    HELD_OUT_CELLS,
    MEAN_LOSS,
    RunDirectory,
    SequenceSums,
)
from tidemask.statistics import ArmComparison, Items, MeasureComparison, compare_arms

_Values = dict[str, dict[int, float]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one measure says of the arms that can be compared: on one corpus, measured alike.

    Attributes:
        measure: that was measured.
        baseline: name of the arm that others are compared with; empty where it has no value yet.
        arms: those with a value, the baseline among them, in their order.
        values: of the measure, by names of arms and seeds.
        found: the statistics; `None` where no other arm has a value.
    """

    measure: Measure
    baseline: str
    arms: tuple[ComparedArm, ...]
    values: Mapping[str, Mapping[int, float]]
    found: MeasureComparison | None

    def mean(self, arm: str) -> float:
        """Mean over the seeds of an arm."""
        return float(np.mean(list(self.values[arm].values())))

    @property
    def compared(self) -> list[ArmComparison]:
        """What was found of the other arms, the best difference first; none with one arm."""
        sign = 1 if self.measure.direction == "lower" else -1
        found = self.found.arms if self.found else ()
        return sorted(found, key=lambda one: sign * one.difference.mean)

    @property
    def by_step(self) -> list[ArmComparison]:
        """What was found of the arms that were measured while they were trained."""
        return [one for one in self.found.arms if one.by_step] if self.found else []

    @property
    def sentences(self) -> list[str]:
        """The verdicts in words, in that order."""
        return [one.verdict.sentence for one in self.compared]


def primary_answers(runs: Sequence[ComparedRun], question: ComparisonQuestion) -> list[Answer]:
    """What the measure that decides says: one answer for each corpus, none if nothing has it.

    Raises:
        UserError: there is no such measure.
    """
    measure = measure_named(question.primary, runs)
    if measure is None:
        return []
    return [_answer(group, measure, question, primary=True) for group in _alike(runs, measure)]


def exploratory_answers(runs: Sequence[ComparedRun], question: ComparisonQuestion) -> list[Answer]:
    """What all other measures say of two arms or more, without items and curves."""
    found = [
        _answer(group, measure, question, primary=False)
        for name, measure in measures_of(runs).items()
        if name != question.primary
        for group in _alike(runs, measure)
    ]
    return [answer for answer in found if answer.found is not None]


def check_baseline(runs: Sequence[ComparedRun], baseline: str) -> None:
    """Check that a baseline which was asked for is one of the arms.

    Raises:
        UserError: it is none.
    """
    names = dict.fromkeys(name for run in runs for name in (run.policy, run.arm))
    if baseline not in names:
        raise UserError(
            f"baseline={baseline}. Expected one of the arms: {', '.join(names)}."
            f"{did_you_mean(baseline, names)}"
        )


def _alike(runs: Sequence[ComparedRun], measure: Measure) -> list[list[ComparedArm]]:
    """The arms with a value, in groups that were trained on one corpus and measured alike."""
    groups: dict[tuple[str | None, str | None], list[ComparedRun]] = {}
    for run in runs:
        if measure.value(run) is not None:
            measured = held_out_settings(run) if measure.name.startswith(HELD_OUT) else None
            groups.setdefault((run.fingerprint, measured), []).append(run)
    return [arms_of(found) for found in groups.values()]


def _answer(
    arms: Sequence[ComparedArm], measure: Measure, question: ComparisonQuestion, *, primary: bool
) -> Answer:
    asked = [arm for arm in arms if question.baseline in (arm.policy, arm.name)]
    # A baseline without a value yet is not replaced by another arm.
    baseline = next(iter(asked if question.baseline is not None else arms), None)
    values: _Values = {}
    for arm in arms:
        known = {run.seed: measure.value(run) for run in arm.runs}
        values[arm.name] = {seed: value for seed, value in known.items() if value is not None}
    found = None
    if len(arms) > 1 and baseline is not None:
        found = compare_arms(
            values,
            baseline=baseline.name,
            direction=measure.direction,
            unit=measure.unit,
            margin=question.margin if primary else None,
            primary=primary,
            items=_items(arms, measure) if primary else None,
            curves=curves_of(arms, measure) if primary else None,
        )
    return Answer(
        measure=measure,
        baseline=baseline.name if baseline else "",
        arms=tuple(arms),
        values=values,
        found=found,
    )


def _items(arms: Sequence[ComparedArm], measure: Measure) -> Items | None:
    """Held-out losses by sequence, where every run has kept them for the same sequences."""
    if not measure.name.startswith(HELD_OUT):
        return None
    cells = [cell.loss for cell in HELD_OUT_CELLS] if measure.name == MEAN_LOSS else [measure.name]
    sums: dict[str, dict[int, SequenceSums]] = {}
    for arm in arms:
        for run in arm.runs:
            found = read_sequence_sums(RunDirectory(run.directory))
            if found is None or not set(cells) <= set(found.losses):
                return None
            sums.setdefault(arm.name, {})[run.seed] = found
    kept = [one for by_seed in sums.values() for one in by_seed.values()]
    if not all(one.has_tokens_of(kept[0], measure.name) for one in kept[1:]):
        return None
    return Items(
        sums={
            arm: {seed: _cells(one, one.sums, cells) for seed, one in by_seed.items()}
            for arm, by_seed in sums.items()
        },
        counts=_cells(kept[0], kept[0].counts, cells),
    )


def _cells(sums: SequenceSums, array: np.ndarray, cells: Sequence[str]) -> np.ndarray:
    """The rows of some losses of an array [M, S], as [S, C]."""
    return array[[sums.losses.index(cell) for cell in cells]].T
