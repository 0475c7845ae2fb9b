"""Schedules against the closed forms of their sources, and their exact integrals."""

import math
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cases import all_cases, one_in, random_examples
from tidemask import load_recipe
from tidemask.masking.ratio_bandit import Bandit
from tidemask.masking.schedule import (
    SCHEDULES,
    Constant,
    Cosine,
    Cyclic,
    Linear,
    MeanOf,
    Phase,
    Phases,
    Quadratic,
    Triangle,
    WarmupLinear,
    mean_ratio,
)

pi = math.pi
P = 0.15
TOLERANCE = 1e-12
GRID = [i / 10 for i in range(11)]


def steps(*phases):
    return Phases(phases=tuple(Phase(until=until, ratio=ratio) for until, ratio in phases))


def triangle(s):
    return 4 * P * s if s <= 0.5 else 4 * P * (1 - s)


def one_step(s):
    return 0.3 if s < 0.5 else 0.15


def warmed_up(s):
    return 2 * P * s / 0.08 if s <= 0.08 else 2 * P * (1 - s) / 0.92


def wave(s):
    """Four half cosines from 0.3 to 0.1; at the very end the last one is complete."""
    within = 1 if s == 1 else 4 * s % 1
    return 0.2 + 0.1 * math.cos(pi * within)


# Name: schedule, closed form, corners, exact mean, largest jump. The mean may be off by a
# ten-thousandth of the jump; give 1e-3 for a curve that is infinitely steep somewhere.
CURVES = {
    "constant": (Constant(ratio=P), lambda s: P, [], P, 0),
    "mrd-linear": (Linear(start=2 * P, end=0.0), lambda s: 2 * P * (1 - s), [], P, 0),
    "ankner-linear": (Linear(start=0.3, end=0.15), lambda s: 0.3 - 0.15 * s, [], 0.225, 0),
    "rising": (Linear(start=0.0, end=2 * P), lambda s: 2 * P * s, [], P, 0),
    "mrd-cosine": (
        Cosine(start=2 * P + 0.02, end=0.02),
        lambda s: P * (1 + math.cos(pi * s)) + 0.02,
        [],
        P + 0.02,
        0,
    ),
    "concave": (
        Quadratic(start=2 * P + 0.01, end=0.01, shape="concave"),
        lambda s: 2 * P * (1 - s**2) + 0.01,
        [],
        2 * P * 2 / 3 + 0.01,
        0,
    ),
    "convex": (
        Quadratic(start=2 * P, end=0.0, shape="convex"),
        lambda s: 2 * P * (1 - s) ** 2,
        [],
        2 * P / 3,
        0,
    ),
    "triangle": (Triangle(start=0.0, middle=2 * P, end=0.0), triangle, [0.5], P, 0),
    "valley": (
        Triangle(start=2 * P + 0.01, middle=0.01, end=2 * P + 0.01),
        lambda s: 2 * P * abs(1 - 2 * s) + 0.01,
        [0.5],
        P + 0.01,
        0,
    ),
    "warmup": (WarmupLinear(start=0.0, peak=2 * P, warmup=0.08), warmed_up, [0.08], P, 0),
    "ankner-step": (steps((0.5, 0.3), (1.0, 0.15)), one_step, [0.5], 0.225, 0.15),
    "mmbert": (
        steps((0.6, 0.3), (0.93, 0.15), (1.0, 0.05)),
        lambda s: 0.3 if s < 0.6 else 0.15 if s < 0.93 else 0.05,
        [0.6, 0.93],
        0.6 * 0.3 + 0.33 * 0.15 + 0.07 * 0.05,
        0.25,
    ),
    "tiacbm": (
        Cyclic(start=0.3, end=0.1, cycles=4, shape="linear"),
        lambda s: 0.1 if s == 1 else 0.3 - 0.2 * (4 * s % 1),
        [0.25, 0.5, 0.75],
        0.2,
        0.6,
    ),
    "cyclic cosine": (Cyclic(shape="cosine"), wave, [0.25, 0.5, 0.75], 0.2, 0.6),
    "mean of cosine": (MeanOf(of=Cosine(start=0.32, end=0.02)), lambda s: 0.17, [], 0.17, 0),
}
curves = pytest.mark.parametrize(
    ("schedule", "closed_form", "corners", "mean", "jump"), CURVES.values(), ids=CURVES
)


@curves
def test_schedule_equals_its_closed_form(schedule, closed_form, corners, mean, jump):
    """Beside a reset, "one step" is a millionth: rounding of `s` itself must not delay a reset."""
    corners = [0.0, *corners, 1.0]
    beside = [c + step for c in corners for step in (-1e-6, 1e-6)]
    if not isinstance(schedule, Cyclic):
        beside += [math.nextafter(c, side) for c in corners for side in (-1, 2)]
    tolerance = 1e-8 if isinstance(schedule, MeanOf) else 1e-12
    for s in (s for s in (*GRID, *corners, *beside) if 0 <= s <= 1):
        assert schedule(s) == pytest.approx(closed_form(s), abs=tolerance), s


@pytest.mark.parametrize("name", one_in(5, CURVES))
def test_mean_ratio_equals_the_exact_integral(name):
    schedule, _, _, mean, jump = CURVES[name]
    assert mean_ratio(schedule) == pytest.approx(mean, abs=1e-8 + 1e-4 * jump)


@curves
@all_cases("s", [-1e-9, math.nextafter(1, 2), 2.0, math.inf, -math.inf, math.nan])
def test_progress_outside_the_run_is_refused(schedule, closed_form, corners, mean, jump, s):
    with pytest.raises(ValueError, match=r"progress=.*Expected a number from 0 to 1"):
        schedule(s)


@pytest.mark.parametrize("p", [0.05, 0.25, 0.5])
def test_closed_forms_hold_for_other_base_ratios(p):
    for s in GRID:
        assert Linear(start=2 * p)(s) == pytest.approx(2 * p * (1 - s), abs=TOLERANCE)
        convex = Quadratic(start=2 * p, end=0.0, shape="convex")
        assert convex(s) == pytest.approx(2 * p * (1 - s) ** 2, abs=TOLERANCE)
        triangle = Triangle(middle=2 * p)
        assert triangle(s) == pytest.approx(p * (2 - 4 * abs(s - 0.5)), abs=TOLERANCE)


def test_defaults_are_the_published_curves():
    assert Constant()(0.3) == P
    assert Linear() == CURVES["mrd-linear"][0]
    assert Cosine() == CURVES["mrd-cosine"][0]
    assert Quadratic() == CURVES["concave"][0]


@pytest.mark.parametrize("warmup", [0.001, 0.3, 0.999])
def test_warmup_of_any_length_rises_to_the_peak_and_falls_to_the_end(warmup):
    schedule = WarmupLinear(start=0.1, peak=0.5, end=0.2, warmup=warmup)
    assert schedule(0.0) == pytest.approx(0.1)
    assert schedule(warmup / 2) == pytest.approx(0.3)
    assert schedule(warmup) == pytest.approx(0.5)
    assert schedule((1 + warmup) / 2) == pytest.approx(0.35)
    assert schedule(1.0) == pytest.approx(0.2)
    exact = warmup * 0.3 + (1 - warmup) * 0.35
    assert mean_ratio(schedule) == pytest.approx(exact, abs=1e-5)


def test_cycle_restarts_at_its_first_step():
    """Step `T k / n` of a run with `n` cycles begins cycle `k`, whatever `k / n` rounds to."""
    late = [
        (k, n)
        for n in range(1, 60)
        for k in range(n)
        if abs(Cyclic(start=0.3, end=0.1, cycles=n)(k / n) - 0.3) > 1e-6
    ]
    assert not late


shares = st.floats(0, 1)


@given(st.data(), shares)
@random_examples(80)
def test_ratio_stays_between_the_numbers_of_the_schedule(data, s):
    a, b, c = (data.draw(shares) for _ in range(3))
    corner = data.draw(st.floats(1e-6, 1 - 1e-6))
    schedule = data.draw(
        st.sampled_from(
            [
                Linear(start=a, end=b),
                Cosine(start=a, end=b),
                Quadratic(start=a, end=b, shape="convex"),
                Triangle(start=a, middle=b, end=c),
                WarmupLinear(start=a, peak=b, end=c, warmup=corner),
                steps((corner, a), (1.0, b)),
                Cyclic(start=a, end=b, cycles=3),
            ]
        )
    )
    assert min(a, b, c) - TOLERANCE <= schedule(s) <= max(a, b, c) + TOLERANCE


@given(shares, shares)
@random_examples(10)
def test_mean_of_is_constant_at_the_mean(start, s):
    assume(start > 0)
    assert MeanOf(of=Linear(start=start, end=0.0))(s) == pytest.approx(start / 2, abs=1e-8)


WRONG = [
    (Constant, {"ratio": 1.3}, r"ratio=1\.3.*Did you mean 0\.13"),
    (Constant, {"ratio": 15.0}, r"ratio=15.*Did you mean 0\.15"),
    (Constant, {"ratio": math.nan}, "ratio=nan"),
    (Constant, {"ratio": math.inf}, "ratio=inf"),
    (Linear, {"start": -0.1}, r"start=-0\.1"),
    (Linear, {"end": 2.0}, "end=2"),
    (Cosine, {"start": 1.01}, r"start=1\.01"),
    (Quadratic, {"end": -1.0}, "end=-1"),
    (Triangle, {"middle": 1.5}, r"middle=1\.5"),
    (WarmupLinear, {"peak": 3.0}, "peak=3"),
    (WarmupLinear, {"warmup": 0.0}, "warmup=0"),
    (WarmupLinear, {"warmup": 1.0}, "warmup=1"),
    (WarmupLinear, {"warmup": math.nan}, "warmup=nan"),
    (Phase, {"until": 1.2, "ratio": 0.1}, r"until=1\.2"),
    (Phase, {"until": 1.0, "ratio": -0.2}, r"ratio=-0\.2"),
    (Cyclic, {"cycles": 0}, "cycles=0"),
    (Cyclic, {"start": 7.0}, "start=7"),
]


@all_cases(("schedule", "wrong", "message"), WRONG)
def test_wrong_setting_is_refused_with_its_value(schedule, wrong, message):
    with pytest.raises(ValueError, match=message):
        schedule(**wrong)


@pytest.mark.parametrize("ends", [[], [0.5], [0.5, 0.5, 1.0], [0.7, 0.3, 1.0], [0.0, 1.0]])
def test_phases_that_do_not_cover_the_run_are_refused(ends):
    with pytest.raises(ValueError, match="phases end at"):
        steps(*((end, 0.1) for end in ends))


def test_table_names_each_schedule_as_the_setting_does():
    schedule: Any
    for name, schedule in SCHEDULES.items():
        default = schedule(of=Linear()) if schedule is MeanOf else schedule()
        assert default.schedule == name


def test_every_schedule_has_a_closed_form_here():
    missing = set(SCHEDULES.values()) - {type(entry[0]) for entry in CURVES.values()} - {Bandit}
    assert not missing, f"add an entry to CURVES for {missing}"


def test_every_schedule_may_give_its_mean():
    """`mean_of` takes all others that have a curve: they are in `Curve` and `Schedule`."""
    schedule: Any
    for name, schedule in SCHEDULES.items():
        if schedule not in (MeanOf, Bandit):
            overrides = [f"masking.ratio={{schedule: mean_of, of: {{schedule: {name}}}}}"]
            ratio = load_recipe("bert", overrides).masking.ratio
            assert ratio(0.5) == pytest.approx(mean_ratio(schedule()))


def test_schedules_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Constant().ratio = 0.2
