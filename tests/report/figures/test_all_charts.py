from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synthetic_runs import MakeRun, read_runs
from tidemask.report.compare import Comparison
from tidemask.report.figures.all_charts import chart_groups, cost_chart, ratio_chart
from tidemask.report.figures.chart import Chart
from tidemask.report.figures.class_shares import relative_share_chart
from tidemask.report.figures.final_losses import final_chart
from tidemask.report.figures.held_out import held_out_charts
from tidemask.report.figures.palette import RUNS, run_colour, run_dashes, run_marker, with_variables
from tidemask.report.figures.rendering import panel_svgs, rendered
from tidemask.report.results.arms import arms_of


def drawn(chart: Chart, panel: int) -> Axes:
    axes = Figure().add_subplot()
    chart.panels[panel].draw(axes)
    return axes


def lines_of(axes: Axes, index: int) -> list[tuple[list[float], list[float]]]:
    colour = run_colour(index).light
    return [
        (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
        for line in axes.lines
        if line.get_color() == colour
    ]


def test_ratio_chart_draws_what_was_logged(four_runs: list[Path]) -> None:
    runs = read_runs(four_runs)
    chart = ratio_chart(runs)
    for run in runs:
        axes = drawn(chart, run.index)
        assert lines_of(axes, run.index) == [
            (run.steps.tolist(), run.series("masking/realised_ratio").tolist())
        ]
        assert axes.lines[0].get_ydata() == pytest.approx(run.series("masking/ratio"))


@pytest.mark.parametrize(
    ("place", "name", "size"),
    [(0, "step", 1.0), (2, "predicted_tokens", 1e3), (4, "wall_seconds", 1.0)],
)
def test_held_out_charts_draw_the_mean_and_against_steps_every_masking(
    four_runs: list[Path], place: int, name: str, size: float
) -> None:
    runs = read_runs(four_runs)
    chart = held_out_charts(arms_of(runs))[place]
    losses = ["loss"]
    if name == "step":
        losses += [f"{unit}loss_{percent}" for unit in ("", "word_") for percent in (5, 15, 30)]
        assert chart.panels[5].title == "15 % in whole words masked"
    assert len(chart.panels) == len(losses)
    for number, measure in enumerate(losses):
        axes = drawn(chart, number)
        for run in runs:
            ((x, y),) = lines_of(axes, run.index)
            loss = run.series(f"held_out/{measure}")
            known = ~np.isnan(loss)
            assert y == loss[known].tolist()
            assert x == pytest.approx(run.series(name)[known] / size)


def test_held_out_charts_draw_the_word_frequencies_once(four_runs: list[Path]) -> None:
    axes = drawn(held_out_charts(arms_of(read_runs(four_runs)))[0], 1)
    texts = [text.get_text() for text in axes.texts]
    assert [text for text in texts if "frequencies" in text] == ["word frequencies alone 6.47"]
    assert set(texts[1:]) == {"bert", "constant-matched", "mrd-cosine", "ptw-mrd"}
    low, high = axes.get_ylim()
    assert low < 6.471 < high


def test_relative_shares_show_function_words_masked_less(four_runs: list[Path]) -> None:
    chart = relative_share_chart(read_runs(four_runs))
    names = {text.get_text(): text for text in drawn(chart, 3).texts}
    assert names["DET"].get_position()[1] < 0.5
    assert names["NOUN"].get_position()[1] > 1.5
    assert "SYM" not in names


def test_cost_chart_draws_neighbours_so_that_grey_tells_them_apart(four_runs: list[Path]) -> None:
    axes = drawn(cost_chart(read_runs(four_runs)), 0)
    assert len({(line.get_marker(), line.get_color()) for line in axes.lines}) == 4
    assert len({line.get_marker() for line in axes.lines}) == 4


def test_charts_of_a_bare_run_name_what_is_missing(make_run: MakeRun) -> None:
    runs = read_runs([make_run("bare", classes=False, evaluated=False, held_out_every=0)])
    groups = chart_groups(arms_of(runs))
    assert groups["classes"] == []
    assert all(panel.missing for chart in groups["held_out"] for panel in chart.panels)
    assert all(panel.missing for panel in final_chart(arms_of(runs)).panels)
    for charts in groups.values():
        for chart in charts:
            assert rendered(chart, ["svg"])["svg"].startswith(b"<?xml")


@pytest.mark.slow
def test_charts_of_a_single_logged_step(make_run: MakeRun) -> None:
    runs = read_runs([make_run("run", max_steps=25, last_step=25, held_out_every=1)])
    for charts in chart_groups(arms_of(runs)).values():
        for chart in charts:
            assert len(panel_svgs(chart)) == len(chart.panels)


def test_charts_keep_a_colour_per_arm_and_differ_when_colours_are_used_up() -> None:
    styles = {(run_colour(i), run_dashes(i), run_marker(i)) for i in range(28)}
    assert len(styles) == 28
    assert run_colour(2) == run_colour(2 + len(RUNS))


@pytest.mark.slow
def test_rendering_is_the_same_again_whatever_the_users_settings(four_runs: list[Path]) -> None:
    chart = ratio_chart(read_runs(four_runs))
    first = rendered(chart, ["svg", "png"]), panel_svgs(chart)
    with mpl.rc_context({"font.size": 30, "axes.grid": False, "lines.linewidth": 9}):
        mine = dict(mpl.rcParams)
        assert (rendered(chart, ["svg", "png"]), panel_svgs(chart)) == first
        assert dict(mpl.rcParams) == mine


def test_rendering_writes_no_date_and_no_program(four_runs: list[Path]) -> None:
    svg = rendered(ratio_chart(read_runs(four_runs)), ["svg"])["svg"].decode()
    assert "<metadata" not in svg
    assert "Matplotlib" not in svg


def test_rendering_inline_ids_are_unique_and_colours_variable(comparison: Comparison) -> None:
    page = comparison.page.read_text()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    drawings = "".join(re.findall(r'<svg role="img".*?</svg>', page, re.DOTALL))
    assert "var(--run-4)" in drawings
    assert not re.findall(r"#[0-9a-fA-F]{6}\b", drawings)
    targets = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page)
    assert {one or other for one, other in targets} <= set(ids)


def test_rendering_takes_any_name(make_run: MakeRun) -> None:
    (run,) = read_runs([make_run("run")])
    odd = replace(run, label='$x_1$ <b>"&" 模型')
    for svg in panel_svgs(ratio_chart([odd])):
        assert "<b>" not in svg
        assert "$x_1$ &lt;b&gt;" in svg
    assert rendered(ratio_chart([odd]), ["png"])["png"].startswith(b"\x89PNG")


def test_palette_leaves_unknown_colours() -> None:
    assert with_variables("fill:#0072b2;stroke:#123456") == "fill:var(--run-1);stroke:#123456"
