"""Phases that hold, warm up or decay, against closed forms at their corners."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import one_in, random_examples
from tidemask.masking.schedule import (
    Constant,
    Cosine,
    Linear,
    Phase,
    Phases,
    Quadratic,
    Triangle,
    WarmupLinear,
    mean_ratio,
)

pi = math.pi


def phases(*pieces):
    return Phases(phases=tuple(Phase(until=until, ratio=ratio) for until, ratio in pieces))


def hold_then_cosine(s):
    return 0.3 if s < 0.4 else 0.05 + 0.25 * (1 + math.cos(pi * (s - 0.4) / 0.6)) / 2


def warmup_then_linear(s):
    return 0.05 + 0.25 * s / 0.08 if s < 0.08 else 0.3 * (1 - s) / 0.92


def warmup_hold_decay(s):
    if s < 0.1:
        return 3.0 * s
    return 0.3 if s < 0.8 else 0.3 * (1 - ((s - 0.8) / 0.2) ** 2)


def triangle_then_step(s):
    within = s / 0.5
    return 0.4 * min(within, 1 - within) if s < 0.5 else 0.15


# Name: schedule, closed form, corners, exact mean.
CURVES = {
    "hold + cosine": (
        phases((0.4, 0.3), (1.0, Cosine(start=0.3, end=0.05))),
        hold_then_cosine,
        [0.4],
        0.4 * 0.3 + 0.6 * 0.175,
    ),
    "warm-up + linear": (
        phases((0.08, Linear(start=0.05, end=0.3)), (1.0, Linear(start=0.3, end=0.0))),
        warmup_then_linear,
        [0.08],
        0.08 * 0.175 + 0.92 * 0.15,
    ),
    "warm-up + hold + decay": (
        phases((0.1, Linear(start=0.0, end=0.3)), (0.8, 0.3), (1.0, Quadratic(start=0.3, end=0.0))),
        warmup_hold_decay,
        [0.1, 0.8],
        0.1 * 0.15 + 0.7 * 0.3 + 0.2 * 0.2,
    ),
    "triangle + step": (
        phases((0.5, Triangle(start=0.0, middle=0.2, end=0.0)), (1.0, Constant(ratio=0.15))),
        triangle_then_step,
        [0.25, 0.5],
        0.5 * 0.1 + 0.5 * 0.15,
    ),
    "one phase": (phases((1.0, Cosine(start=0.32, end=0.02))), Cosine(), [], 0.17),
}
curves = pytest.mark.parametrize(
    ("schedule", "closed_form", "corners", "mean"), CURVES.values(), ids=CURVES
)


@curves
def test_phases_equal_their_closed_form(schedule, closed_form, corners, mean):
    """At corners, one step of a run of a million beside them, and the nearest numbers."""
    corners = [0.0, *corners, 1.0]
    beside = [c + step for c in corners for step in (-1e-6, 1e-6)]
    beside += [math.nextafter(c, side) for c in corners for side in (-1, 2)]
    for s in (s for s in (*(i / 20 for i in range(21)), *corners, *beside) if 0 <= s <= 1):
        assert schedule(s) == pytest.approx(closed_form(s), abs=1e-12), s


@pytest.mark.parametrize("name", one_in(5, CURVES))
def test_mean_of_phases_is_the_exact_integral(name):
    schedule, _, _, mean = CURVES[name]
    assert mean_ratio(schedule) == pytest.approx(mean, abs=2e-5)


@curves
@pytest.mark.parametrize("s", [-1e-9, math.nextafter(1, 2), math.inf, math.nan])
def test_progress_outside_the_run_is_refused(schedule, closed_form, corners, mean, s):
    with pytest.raises(ValueError, match=r"progress=.*Expected a number from 0 to 1"):
        schedule(s)


def test_phases_of_a_warmup_equal_the_warmup_schedule():
    made = phases((0.25, Linear(start=0.1, end=0.4)), (1.0, Linear(start=0.4, end=0.05)))
    given = WarmupLinear(start=0.1, peak=0.4, end=0.05, warmup=0.25)
    for i in range(101):
        assert made(i / 100) == pytest.approx(given(i / 100), abs=1e-12)


@given(st.lists(st.floats(1e-6, 1 - 1e-6), max_size=6, unique=True), st.floats(0, 1))
@random_examples(50)
def test_progress_within_a_phase_stays_in_the_run(ends, s):
    """Whatever the ends round to: a curve inside a phase never sees progress outside [0, 1]."""
    pieces = [(end, Linear(start=0.0, end=1.0)) for end in [*sorted(ends), 1.0]]
    schedule = phases(*pieces)
    for progress in (s, *ends, *(math.nextafter(end, side) for end in ends for side in (0, 1))):
        assert 0 <= schedule(progress) <= 1
