"""The charts of what a closed loop and a statistic decided, from lines as runs log them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synthetic_runs import MakeRun, read_runs
from tidemask.report.figures.all_charts import class_charts, ratio_charts
from tidemask.report.figures.chart import Chart
from tidemask.report.figures.rendering import panel_svgs
from tidemask.report.results.compared_run import ComparedRun

CHANCES = {"0.3": [0.5, 0.4, None, 0.1], "0.08": [0.5, 0.6, None, 0.9]}
STATISTIC = {"DRUG": [None, 0.5, -1.5, -2.0], "PLACE": [None, 3.0, 2.0, 1.0], "NONE": [None] * 4}


def with_metrics(run: ComparedRun, prefix: str, columns: dict[str, list[Any]]) -> ComparedRun:
    records = [
        {**record, **{prefix + name: values[number] for name, values in columns.items()}}
        for number, record in enumerate(run.records[:4])
    ]
    return replace(run, records=records)


def curves_of(chart: Chart, panel: int = 0) -> tuple[Axes, dict[str, list[float]]]:
    """The axes, and the values of each curve by the name that is written beside it."""
    axes = Figure().add_subplot()
    chart.panels[panel].draw(axes)
    names = [text.get_text() for text in axes.texts]
    lines = [np.asarray(line.get_ydata()).tolist() for line in axes.lines]
    # One line for each class, then one from the end of each to its name, the lowest first.
    long = [values for values in lines if len(values) > 2]
    by_end = sorted(long, key=lambda values: values[-1])
    return axes, dict(zip(names, by_end, strict=True))


def test_ratio_choice_chart_draws_the_chances_that_were_logged(make_run: MakeRun) -> None:
    plain, loop = read_runs([make_run("plain"), make_run("loop", recipe="closed-loop")])
    loop = with_metrics(loop, "bandit/probability/", CHANCES)
    assert [chart.name for chart in ratio_charts([plain])] == ["ratio"]
    charts = ratio_charts([plain, loop])
    assert [chart.name for chart in charts] == ["ratio", "ratio_choice"]
    (panel,) = charts[1].panels
    assert panel.alternative == (
        f"{loop.label}: the chance of each masking ratio at the end: 0.08 0.90, 0.3 0.10."
    )
    axes, curves = curves_of(charts[1])
    assert curves == {"0.3": [0.5, 0.4, 0.1], "0.08": [0.5, 0.6, 0.9]}
    level = [line for line in axes.lines if list(line.get_ydata()) == [0.5, 0.5]]
    assert len(level) == 1  # where all chances begin
    (svg,) = panel_svgs(charts[1])
    assert "0.08" in svg


@pytest.mark.parametrize("place", ["content", "sequences"])
def test_statistic_chart_draws_falling_and_negative_values(make_run: MakeRun, place: str) -> None:
    content = {"weighting": "class_statistic", "statistic": "progress"}
    (run,) = read_runs([make_run("run")])
    masking = {
        "content": {"weighting": "mixture", "parts": [{"share": 1.0, "content": content}]},
        "sequences": [{"share": 1.0, "content": content}],
    }
    run = with_metrics(run, "class_statistic/", STATISTIC)
    run = replace(run, config={"masking": {place: masking[place]}})
    names = [chart.name for chart in class_charts([run])]
    assert names[-2:] == ["class_statistic", "class_weight"]
    chart = class_charts([run])[-2]
    assert chart.panels[0].y_label == "fall of the loss, in standard errors"
    assert chart.legend == ()  # no class of these is a part of speech
    assert len(class_charts([run])[-1].legend) == 2
    axes, curves = curves_of(chart)
    assert curves == {"DRUG": [0.5, -1.5, -2.0], "PLACE": [3.0, 2.0, 1.0]}
    low, high = axes.get_ylim()
    assert low < -2.0 < 3.0 < high
    assert "PLACE 1.00, DRUG -2.00" in chart.panels[0].alternative


def test_statistic_chart_is_absent_where_none_was_logged(make_run: MakeRun) -> None:
    (run,) = read_runs([make_run("run")])
    assert "class_weight" not in [chart.name for chart in class_charts([run])]
    unknown = with_metrics(run, "class_statistic/", {"DRUG": [None] * 4})
    assert "class_statistic" not in [chart.name for chart in class_charts([unknown])]
