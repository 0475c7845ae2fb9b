"""Which runs are one arm, and what the mean over its seeds is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthetic_runs import MakeRun, read_runs
from tidemask.report.results.arms import arms_of
from tidemask.report.results.naming import in_arms
from tidemask.report.results.read_runs import read_run
from tidemask.report.results.sources import RunSource


def arms_by_name(paths: list[Path]) -> dict[str, tuple[int, ...]]:
    return {arm.name: arm.seeds for arm in arms_of(read_runs(paths))}


def test_arms_are_runs_that_differ_in_the_seed_alone(make_run: MakeRun) -> None:
    paths = [make_run(f"a/{seed}", seed=seed) for seed in (2, 0)]
    paths += [make_run("b/0", seed=0, recipe="ptw"), make_run("a/1", seed=1)]
    assert arms_by_name(paths) == {"bert": (0, 1, 2), "ptw": (0,)}
    labels = [run.label for run in read_runs(paths)]
    assert labels == ["bert, seed 0", "bert, seed 1", "bert, seed 2", "ptw"]


def test_arms_of_one_recipe_are_named_by_where_their_runs_are(make_run: MakeRun) -> None:
    paths = [make_run(f"low/{seed}", seed=seed) for seed in (0, 1)]
    paths += [
        make_run(f"high/{seed}", seed=seed, schedule=("constant", 0.4, 0.4)) for seed in (0, 1)
    ]
    assert arms_by_name(paths) == {"bert (low)": (0, 1), "bert (high)": (0, 1)}


def test_arms_take_the_same_run_made_twice_apart(make_run: MakeRun) -> None:
    assert arms_by_name([make_run("one"), make_run("two")]) == {
        "bert (one)": (17,),
        "bert (two)": (17,),
    }


def test_arms_on_two_corpora_are_apart_and_named_by_them(make_run: MakeRun) -> None:
    sources = [
        RunSource(
            directory=make_run(f"{corpus}-{arm}", fingerprint=corpus), policy=arm, corpus=corpus
        )
        for corpus in ("books", "wiki")
        for arm in ("constant", "decay")
    ]
    arms = arms_of(in_arms([read_run(source) for source in sources]))
    assert [arm.name for arm in arms] == [
        "constant on books", "decay on books", "constant on wiki", "decay on wiki",
    ]  # fmt: skip
    assert [arm.policy for arm in arms] == ["constant", "decay"] * 2


def test_arms_mean_is_over_the_finished_runs(make_run: MakeRun) -> None:
    paths = [make_run(str(seed), seed=seed) for seed in (0, 1)]
    runs = read_runs([*paths, make_run("2", seed=2, last_step=50)])
    (arm,) = arms_of(runs)
    assert [run.seed for run in arm.drawn] == [0, 1]
    name = "held_out/loss_15"
    expected = (runs[0].series(name) + runs[1].series(name)) / 2
    np.testing.assert_allclose(arm.mean.series(name), expected, rtol=1e-12)
    np.testing.assert_array_equal(arm.series(name)[1], runs[1].series(name))
    finals = [run.held_out.loss(name) or 0.0 for run in runs[:2]]
    assert arm.mean.held_out.loss(name) == pytest.approx(sum(finals) / 2)


def test_arms_mean_of_unfinished_runs_ends_with_the_shortest(make_run: MakeRun) -> None:
    paths = [make_run(str(step), seed=step, last_step=step) for step in (50, 75)]
    (arm,) = arms_of(read_runs(paths))
    assert arm.mean.last_step == 50
