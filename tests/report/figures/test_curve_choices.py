from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthetic_runs import MakeRun, read_runs
from tidemask.report.figures.curve_choices import curve_choices
from tidemask.report.figures.curves import any_known
from tidemask.report.figures.held_out import held_out_charts, held_out_figure
from tidemask.report.results.arms import arms_of


def test_curve_choices_hold_every_curve_of_every_arm(four_runs: list[Path]) -> None:
    arms = arms_of(read_runs(four_runs))
    choices = json.loads(json.dumps(curve_choices(arms), allow_nan=False))
    assert list(choices["axes"]) == ["step", "tokens_seen", "predicted_tokens", "flops"]
    assert len(choices["measures"]) == 7
    for arm, numbers in zip(arms, choices["arms"], strict=True):
        (run,) = arm.runs
        assert numbers["name"] == arm.name
        loss = run.series("held_out/word_loss_15")
        known = ~np.isnan(loss)
        assert numbers["y"]["held_out/word_loss_15"] == [pytest.approx(loss[known], rel=1e-6)]
        assert numbers["x"]["step"] == run.steps[known].tolist()
        tokens = run.series("predicted_tokens")[known] / 1e3
        assert numbers["x"]["predicted_tokens"] == pytest.approx(tokens, rel=1e-6)
        words = choices["measures"]["held_out/word_loss_15"]["alternative"]
        assert f"{run.label} {loss[known][-1]:.3f}" in words


def test_curve_choices_of_seeds_have_a_band(make_run: MakeRun) -> None:
    arms = arms_of(read_runs([make_run("one", seed=1), make_run("two", seed=2, gain=1.2)]))
    mean, low, high = curve_choices(arms)["arms"][0]["y"]["held_out/loss"]
    assert np.all(np.array(low) < mean)
    assert np.array(low) + high == pytest.approx(2 * np.array(mean))


def test_curve_choices_have_times_where_each_run_had_its_machine_alone(make_run: MakeRun) -> None:
    runs = read_runs([make_run("one"), make_run("two", recipe="mrd", gain=1.2)])
    assert "wall_seconds" not in curve_choices(arms_of(runs))["axes"]
    alone = [replace(run, had_machine_alone=True) for run in runs]
    assert curve_choices(arms_of(alone))["axes"]["wall_seconds"]["title"] == "training time"


def test_charts_against_a_cost_name_the_arms_that_have_none(make_run: MakeRun) -> None:
    counted, uncounted = make_run("counted"), make_run("uncounted", recipe="mrd")
    metrics = uncounted / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace('"flops"', '"not_flops"'))
    arms = arms_of(read_runs([counted, uncounted]))
    assert set(curve_choices(arms)["arms"][1]["x"]["flops"]) == {None}
    notes = {chart.name: chart.notes for chart in held_out_charts(arms)}
    sentence = f"{arms[1].name} has no value against FLOPs: it is not drawn."
    assert notes.pop("held_out_by_flops") == [sentence]
    assert not any(notes.values())


def test_curve_choices_have_a_file_for_each_axis(four_runs: list[Path]) -> None:
    arms = arms_of(read_runs(four_runs))
    assert any_known(arms[0].mean.series("flops"))
    files = {chart.name for chart in held_out_charts(arms)}
    assert {f"held_out_by_{axis}" for axis in curve_choices(arms)["axes"]} <= files
    assert held_out_figure(arms).name in files
