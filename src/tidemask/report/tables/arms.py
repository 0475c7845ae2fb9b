"""The tables of arms against their baseline: the answer, steps to match, all other measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tidemask.report.results.answers import Answer
from tidemask.report.tables.typed_table import MISSING, Cell, Column, Table
from tidemask.statistics import ArmComparison, StepsToMatch

ARM = Column("arm", "arm")
_CORPUS = Column("corpus", "corpus", shown=False)
_FINDING = Column("finding", "verdict")
_SENTENCE = Column("sentence", "in words", shown=False)


def _difference(unit: str) -> tuple[Column, ...]:
    return (
        Column(
            "difference",
            "difference to the baseline",
            unit=unit,
            kind="real",
            digits=4,
            signed=True,
            limits=("low", "high"),
        ),
        Column("low", "low", kind="real", digits=4, signed=True, shown=False),
        Column("high", "high", kind="real", digits=4, signed=True, shown=False),
    )


def answer_table(answers: Sequence[Answer]) -> Table:
    """One row per arm, on each corpus the best difference first; the baseline has none."""
    measure = answers[0].measure if answers else None
    unit = measure.unit if measure else ""
    columns = (
        ARM,
        Column("mean", measure.title if measure else "measure", unit=unit, kind="real", digits=4),
        *_difference(unit),
        Column("p", "p (Holm)", kind="p"),
        Column("steps_to_match", "steps to match"),
        _FINDING,
        _CORPUS,
        Column("seeds", "seeds", shown=False),
        Column("permutation_p", "p of the permutation test", kind="p", shown=False),
        Column("min_permutation_p", "least that it can be", kind="p", shown=False),
        Column("improves", "probability of improvement", kind="real", shown=False),
        Column("improves_low", "its low", kind="real", shown=False),
        Column("improves_high", "its high", kind="real", shown=False),
        Column("detectable", "smallest detectable", unit=unit, kind="real", shown=False),
        Column("more_seeds", "more seeds needed", kind="count", shown=False),
        Column("match_percent", "steps to match", unit="%", kind="real", digits=1, shown=False),
        _SENTENCE,
    )
    rows = tuple(row for answer in answers for row in _sorted_rows(answer))
    return Table(name="arms", columns=columns, rows=rows)


def _sorted_rows(answer: Answer) -> list[tuple[Cell, ...]]:
    compared = {one.arm: one for one in answer.found.arms} if answer.found else {}
    sign = 1 if answer.measure.direction == "lower" else -1

    def place(arm: str) -> float:
        return sign * compared[arm].difference.mean if arm in compared else 0.0

    names = sorted(answer.values, key=place)
    return [_row(answer, arm, compared.get(arm)) for arm in names]


def _row(answer: Answer, arm: str, one: ArmComparison | None) -> tuple[Cell, ...]:
    corpus = answer.arms[0].runs[0].fingerprint
    seeds = ", ".join(map(str, answer.values[arm]))
    mean = answer.mean(arm)
    if one is None:
        role = "baseline" if arm == answer.baseline else MISSING
        return (arm, mean, *[None] * 4, MISSING, role, corpus, seeds, *[None] * 9)
    return (
        arm,
        mean,
        *_interval(one),
        one.p,
        match_in_words(one.match),
        finding_in_words(one),
        corpus,
        seeds,
        one.difference.permutation_p,
        one.difference.min_permutation_p,
        one.improvement.probability,
        one.improvement.low,
        one.improvement.high,
        one.smallest_detectable,
        one.verdict.more_seeds,
        _percent(one.match, one.match.at if one.match else None),
        one.verdict.sentence,
    )


def _interval(one: ArmComparison) -> tuple[float, float | None, float | None]:
    """The mean difference and the ends of the interval that decides; none with one seed."""
    estimate = one.items.estimate if one.items else one.difference.estimate
    if estimate is None:
        return one.difference.mean, None, None
    return estimate.mean, estimate.low, estimate.high


def finding_in_words(one: ArmComparison) -> str:
    """What is shown of an arm, and what would show it."""
    verdict = one.verdict
    if verdict.finding == "equal":
        return "equal within the margin"
    if verdict.more_seeds is not None:
        seeds = "seed" if verdict.more_seeds == 1 else "seeds"
        return f"not shown: about {verdict.more_seeds} more {seeds}"
    return verdict.finding


def match_in_words(match: StepsToMatch | None) -> str:
    """Where an arm reaches the baseline's final value, as a share of what the baseline spent."""
    if match is None:
        return MISSING
    at = _percent(match, match.at)
    interval = match.interval
    low = _percent(match, interval.low) if interval else None
    high = _percent(match, interval.high) if interval else None
    words = "not reached" if at is None else f"{at:.0f} %"
    if low is None:
        return words
    return f"{words} ({low:.0f} {'or more' if high is None else f'to {high:.0f}'})"


def _percent(
    match: StepsToMatch | None, place: Mapping[str, float] | None, axis: str = "steps"
) -> float | None:
    if match is None or place is None or axis not in place or not match.budget.get(axis):
        return None
    return 100 * place[axis] / match.budget[axis]


def steps_to_match_table(answers: Sequence[Answer]) -> Table:
    """One row per arm and axis: where it reaches the baseline's final value."""
    numbers = {
        "target": "final value of the baseline",
        "at": "reached at",
        "low": "not before",
        "high": "surely from",
        "budget": "spent by the baseline",
        "percent": "per cent of it",
    }
    columns = (
        ARM,
        Column("axis", "axis"),
        *(
            Column(name, title, kind="real" if name in ("target", "percent") else "quantity")
            for name, title in numbers.items()
        ),
        _CORPUS,
    )
    rows = tuple(row for answer in answers for row in _match_rows(answer))
    return Table(name="steps_to_match", columns=columns, rows=rows)


def _match_rows(answer: Answer) -> Iterator[tuple[Cell, ...]]:
    corpus = answer.arms[0].runs[0].fingerprint
    for one in answer.found.arms if answer.found else ():
        if (match := one.match) is None:
            continue
        ends = (match.interval.low, match.interval.high) if match.interval else (None, None)
        for axis, spent in match.budget.items():
            reached = [None if place is None else place[axis] for place in (match.at, *ends)]
            percent = _percent(match, match.at, axis)
            yield one.arm, axis, match.target, *reached, spent, percent, corpus


def measures_table(answers: Sequence[Answer]) -> Table:
    """One row per measure and arm: all that was measured beside what decides."""
    columns = (
        Column("measure", "measure"),
        ARM,
        Column("mean", "mean", kind="real"),
        *_difference(""),
        Column("p", "p, not adjusted", kind="p"),
        _FINDING,
        Column("unit", "unit", shown=False),
        Column("baseline", "baseline", shown=False),
        Column("baseline_mean", "mean of the baseline", kind="real", shown=False),
        _CORPUS,
        _SENTENCE,
    )
    rows = tuple(
        (
            answer.measure.title,
            one.arm,
            answer.mean(one.arm),
            *_interval(one),
            one.p,
            finding_in_words(one),
            answer.measure.unit,
            answer.baseline,
            answer.mean(answer.baseline),
            answer.arms[0].runs[0].fingerprint,
            one.verdict.sentence,
        )
        for answer in answers
        for one in (answer.found.arms if answer.found else ())
    )
    return Table(name="measures", columns=columns, rows=rows)
