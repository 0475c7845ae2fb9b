"""Learning curves draw the medians and ranges of the files, and no more than there is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from synthetic_results import SyntheticResults, write_results
from synthetic_runs import MakeRun, read_runs
from tidemask.report.figures.chart import Chart
from tidemask.report.figures.downstream import downstream_charts, task_charts
from tidemask.report.figures.palette import INK, run_colour

CHECKPOINTS = ("checkpoint-25", "checkpoint-50", "final")


def drawn(chart: Chart, title: str) -> Axes:
    (panel,) = (panel for panel in chart.panels if panel.title == title)
    axes = Figure().add_subplot()
    panel.draw(axes)
    return axes


def scores(run: Path, checkpoint: str) -> list[float]:
    files = run.glob(f"evaluation/sst2--{checkpoint}--*.json")
    return [100 * json.loads(path.read_text())["metrics"]["accuracy"] for path in files]


def test_downstream_chart_draws_medians_ranges_and_random_weights(make_run: MakeRun) -> None:
    made = SyntheticResults(tasks=("sst2",), checkpoints=CHECKPOINTS, last_step=100)
    path = write_results(make_run("a"), made)
    (chart,) = downstream_charts(read_runs([path]))
    axes = drawn(chart, "sst2")
    curve, random = axes.lines
    at = [scores(path, checkpoint) for checkpoint in CHECKPOINTS]
    assert list(curve.get_xdata()) == [25, 50, 100]
    assert list(curve.get_ydata()) == pytest.approx([np.median(here) for here in at])
    assert curve.get_color() == run_colour(0).light
    (band,) = (c for c in axes.collections if isinstance(c, PolyCollection))
    corners = {tuple(point) for point in band.get_paths()[0].vertices.round(6).tolist()}
    for step, here in zip((25, 50, 100), at, strict=True):
        assert {(step, round(min(here), 6)), (step, round(max(here), 6))} <= corners
    assert random.get_color() == INK.light
    assert random.get_ydata()[0] == pytest.approx(np.median(scores(path, "random")))
    assert [entry.label for entry in chart.legend] == ["bert", "random weights"]


def test_downstream_chart_of_one_checkpoint_is_the_table_alone(make_run: MakeRun) -> None:
    path = write_results(make_run("a"), SyntheticResults(checkpoints=("final",)))
    assert downstream_charts(read_runs([path])) == []
    assert task_charts(read_runs([path])) == []


def test_downstream_chart_marks_a_single_checkpoint_beside_curves(make_run: MakeRun) -> None:
    one = write_results(make_run("a"), SyntheticResults(tasks=("sst2",), checkpoints=CHECKPOINTS))
    two = write_results(
        make_run("b", recipe="ptw"),
        SyntheticResults(tasks=("sst2", "mnli"), checkpoints=("final",)),
    )
    (chart,) = downstream_charts(read_runs([one, two, make_run("c", recipe="none")]))
    assert [panel.title for panel in chart.panels] == ["sst2"]
    axes = drawn(chart, "sst2")
    (point,) = (line for line in axes.lines if line.get_color() == run_colour(1).light)
    assert list(point.get_ydata()) == pytest.approx([np.median(scores(two, "final"))])
    (bar,) = (c for c in axes.collections if isinstance(c, LineCollection))
    assert bar.get_segments()[0][:, 1] == pytest.approx(
        [min(scores(two, "final")), max(scores(two, "final"))]
    )
    assert [entry.label for entry in chart.legend] == ["bert", "ptw", "random weights"]
    assert chart.notes == ["none: not measured on sst2."]


def test_downstream_chart_of_perplexity_leaves_room_for_curves(make_run: MakeRun) -> None:
    made = SyntheticResults(
        tasks=("pseudo-perplexity", "blimp"), checkpoints=CHECKPOINTS, last_step=100
    )
    path = write_results(make_run("a"), made)
    (chart,) = downstream_charts(read_runs([path]))
    assert drawn(chart, "pseudo-perplexity").get_yscale() == "log"
    assert drawn(chart, "blimp").get_yscale() == "linear"
