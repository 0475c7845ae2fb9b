"""Which policies go on: the best, constants to be beaten, and no twins."""

from __future__ import annotations

from tidemask.tuning.choices import finalists, promoted
from tidemask.tuning.policies import Content, Policy, ScheduleKind, Unit


def constant(ratio: int, unit: Unit = "token") -> Policy:
    return Policy(schedule="constant", start=ratio, end=ratio, unit=unit)


def decay(
    start: int, end: int, schedule: ScheduleKind = "linear", unit: Unit = "token",
    content: Content = "uniform",
) -> Policy:  # fmt: skip
    return Policy(schedule=schedule, start=start, end=end, unit=unit, content=content)


def ranked(*policies: Policy) -> dict[Policy, float]:
    return {policy: 5.0 + number / 100 for number, policy in enumerate(policies)}


def test_the_second_challenger_is_no_twin_of_the_first() -> None:
    first, twin = decay(30, 10), decay(34, 6)
    for other in (
        decay(35, 10), decay(30, 15), decay(30, 10, "cosine"), decay(30, 10, unit="word"),
        decay(30, 10, content="frequency"),
    ):  # fmt: skip
        losses = ranked(first, twin, other, constant(15))
        assert finalists([losses]) == [constant(15), first, other]
    assert finalists([ranked(first, twin, constant(15))]) == [constant(15), first]
    later = ranked(first, twin, constant(40))
    assert finalists([later, ranked(constant(15), decay(50, 10))]) == [
        constant(40), first, decay(50, 10)
    ]  # fmt: skip


def test_two_constants_go_on_and_three_where_there_is_room() -> None:
    decays = [decay(5 * n, 2) for n in range(14, 0, -1)]
    constants = [constant(15), constant(30), constant(40)]
    losses = ranked(*decays, *constants)
    few = promoted(losses, max_runs=3)
    assert few == [constant(15), *decays[:2], constant(30)]
    many = promoted(losses, max_runs=9)
    assert many == [constant(15), *decays[:2], *constants[1:], decays[2]]


def test_a_constant_that_is_second_in_a_short_rung_may_be_the_baseline_of_the_final() -> None:
    short = ranked(constant(15), constant(40), decay(30, 10), decay(40, 2))
    assert set(promoted(short, max_runs=4)) == set(short)
    long = ranked(decay(30, 10), constant(40), constant(15), decay(40, 2))
    assert finalists([long, short])[0] == constant(40)
