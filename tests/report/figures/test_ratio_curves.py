from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.dom import minidom

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cases import one_in
from tidemask import load_recipe
from tidemask.cli import app as cli
from tidemask.cli import recipe_figure
from tidemask.report.figures.ratio_curves import PROGRESS, RatioCurve, ratio_curves_chart
from tidemask.runs.config import recipe_names

Plot = Callable[..., tuple[int, str, str]]


@pytest.fixture
def plot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Plot:
    """Run `tidemask recipes` with some arguments; returns exit status, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["tidemask", "recipes", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def plotted(monkeypatch: pytest.MonkeyPatch) -> list[RatioCurve]:
    """The curves that the command draws, in place of drawing them."""
    curves: list[RatioCurve] = []
    monkeypatch.setattr(recipe_figure, "write_ratio_curves", lambda c, path: curves.extend(c))
    return curves


def constant(name: str, ratio: float, **others: Any) -> RatioCurve:
    flat = np.full_like(PROGRESS, ratio)
    return RatioCurve(name=name, family="constant", ratio=flat, **others)


def axes_of(*curves: RatioCurve) -> list[Axes]:
    drawn = []
    for panel in ratio_curves_chart(curves).panels:
        axes = Figure().add_subplot()
        panel.draw(axes)
        drawn.append(axes)
    return drawn


def curves_in(axes: Axes) -> list[np.ndarray]:
    """Heights of the lines that cross the whole of the axes; leaders to names have two points."""
    lines = [np.asarray(line.get_ydata()) for line in axes.lines]
    return [heights for heights in lines if len(heights) > 2]


def texts_of(axes: Axes) -> str:
    return "\n".join(text.get_text() for text in axes.texts)


@pytest.mark.parametrize("recipe", one_in(7, recipe_names()))
def test_ratio_curves_pass_through_the_schedules_points(
    recipe: str, plot: Plot, plotted: list[RatioCurve], tmp_path: Path
) -> None:
    assert plot(recipe, "--plot", tmp_path / "one.png")[0] == 0
    (curve,) = plotted
    (axes,) = axes_of(curve)
    heights = curves_in(axes)[0]
    schedule = load_recipe(recipe).masking.ratio
    for tenth in range(11):
        assert heights[100 * tenth] == schedule(tenth / 10)
    assert recipe in texts_of(axes)


@pytest.mark.slow
def test_ratio_curves_of_every_recipe_are_named_once(
    plot: Plot, plotted: list[RatioCurve], tmp_path: Path
) -> None:
    assert plot("--plot", tmp_path / "all.svg")[0] == 0
    predicted = [f"{c.name}, predicted" for c in plotted if c.predicted is not None]
    texts = [text.get_text() for axes in axes_of(*plotted) for text in axes.texts]
    assert sorted(texts) == sorted([*recipe_names(), *predicted])
    assert predicted == ["ankner-subset, predicted"]


@pytest.mark.slow
def test_ratio_curves_have_a_panel_per_schedule(
    plot: Plot, plotted: list[RatioCurve], tmp_path: Path
) -> None:
    assert plot("--plot", tmp_path / "all.svg")[0] == 0
    titles = [panel.title for panel in ratio_curves_chart(plotted).panels]
    assert titles[:3] == ["constant", "linear", "cosine"]
    assert titles[-1] == "another ratio for each sequence"
    for curve in plotted:
        assert curve.band or curve.family == load_recipe(curve.name).masking.ratio.schedule


@pytest.mark.parametrize("name", ["all.png", "all.svg", "new/all.SVG"])
def test_ratio_curves_are_written_whole(name: str, plot: Plot, tmp_path: Path) -> None:
    path = tmp_path / name
    assert plot("mrd-cosine", "--plot", path) == (0, f"Figure: {path}\n", "")
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    if path.suffix == ".png":
        assert path.read_bytes().startswith(b"\x89PNG")
    else:
        assert minidom.parse(str(path)).documentElement.tagName == "svg"


def test_ratio_curves_of_a_file_of_ones_own(
    plot: Plot, plotted: list[RatioCurve], tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(
        "masking:\n"
        "  ratio: {schedule: linear, start: 0.3, end: 0.1}\n"
        "  prediction: {schedule: constant, ratio: 0.2}\n"
        "  per_sequence: {distribution: beta, concentration: 15}\n"
    )
    assert plot(tmp_path / "mine.yaml", "--plot", tmp_path / "mine.png")[0] == 0
    (curve,) = plotted
    assert curve.predicted.tolist() == [min(0.2, ratio) for ratio in curve.ratio]
    assert curve.band is not None
    deviation = math.sqrt(0.3 * 0.7 / 16)
    assert (curve.band[0][0], curve.band[1][0]) == pytest.approx((0.3 - deviation, 0.3 + deviation))


def test_ratio_curves_refuse_what_cannot_be_written(plot: Plot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken.png").mkdir()
    for name, message in (
        ("ratios.pdf", "Expected a name that ends in .png or .svg."),
        ("ratios", "Expected a name that ends in .png or .svg."),
        ("file/ratios.png", "figure not written"),
        ("taken.png", "figure not written"),
    ):
        status, out, err = plot("bert", "--plot", tmp_path / name)
        assert (status, out, err.count("\n")) == (2, "", 1), err
        assert message in err
        assert str(tmp_path / name) in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "taken.png"]
    assert (tmp_path / "file").read_text() == "mine"
    status, _, err = plot("bart", "--plot", tmp_path / "bart.png")
    assert (status, "Did you mean bert?" in err) == (2, True)


def test_ratio_curves_draw_equal_ones_in_one_colour_with_all_their_names() -> None:
    predicted = np.full_like(PROGRESS, 0.1)
    (axes,) = axes_of(
        constant("a", 0.15),
        constant("b", 0.15 + 1e-12),
        constant("c", 0.15, predicted=predicted),
        constant("d", 0.3),
    )
    assert [float(line[0]) for line in curves_in(axes)] == pytest.approx(
        [0.15, 0.15, 0.15, 0.1, 0.3]
    )
    (dashed,) = (
        line for line in axes.lines if line.get_ydata()[0] == 0.1 and line.get_linewidth() > 1
    )
    assert dashed.get_linestyle() == "--"
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert set(colours) == {"a", "b", "c", "c, predicted", "d"}
    assert colours["a"] == colours["b"] == colours["c"] == colours["c, predicted"] != colours["d"]


def test_ratio_curves_draw_bands() -> None:
    band = np.zeros_like(PROGRESS), np.ones_like(PROGRESS)
    banded = RatioCurve(name="a", family="own", ratio=0.5 + 0 * PROGRESS, band=band)
    chart = ratio_curves_chart([constant("b", 0.15), banded])
    assert [panel.y_label for panel in chart.panels] == [
        "masking ratio",
        "masking ratio, on another scale",
    ]
    axes = Figure().add_subplot()
    chart.panels[1].draw(axes)
    (filled,) = axes.collections
    low, high = filled.get_datalim(axes.transData).intervaly
    assert (low, high) == (0.0, 1.0)


def test_ratio_curves_names_do_not_overlap() -> None:
    (axes,) = axes_of(*(constant(f"{n:02}" * 8, 0.15 + n / 1000) for n in range(12)))
    height = axes.get_window_extent().height / axes.figure.dpi * 72
    low, high = axes.get_ylim()
    places = sorted(text.get_position()[1] for text in axes.texts)
    assert len(places) == 12
    assert min(np.diff(places)) / (high - low) * height > 9.1
