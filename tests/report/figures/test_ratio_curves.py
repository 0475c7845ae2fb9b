from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tidemask import load_recipe
from tidemask.cli import app as cli
from tidemask.cli import recipe_figure
from tidemask.masking.schedule import Constant, Cosine, Cyclic, Linear, Phases, Triangle
from tidemask.report.figures.ratio_curves import (
    CONSTANT,
    FALLING,
    IN_CYCLES,
    IN_STEPS,
    PER_SEQUENCE,
    RISING,
    RatioCurve,
    family_of,
    ratio_curves_chart,
)
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


@pytest.mark.parametrize("recipe", recipe_names())
def test_ratio_curves_pass_through_the_schedules_points(
    recipe: str, plot: Plot, plotted: list[RatioCurve], tmp_path: Path
) -> None:
    assert plot(recipe, "--plot", tmp_path / "one.png")[0] == 0
    (curve,) = plotted
    (axes,) = axes_of(curve)
    heights = curves_in(axes)[0]
    schedule = load_recipe(recipe).masking.ratio
    for tenth in range(11):
        at = curve.progress.index(tenth / 10)
        assert heights[at] == schedule(tenth / 10)
    assert recipe in texts_of(axes)


def test_ratio_curves_of_every_recipe_are_named_once(
    plot: Plot, plotted: list[RatioCurve], tmp_path: Path
) -> None:
    assert plot("--plot", tmp_path / "all.svg")[0] == 0
    assert [curve.name for curve in plotted] == recipe_names()
    texts = "\n".join(texts_of(axes) for axes in axes_of(*plotted))
    names = [name.strip() for line in texts.split("\n") for name in line.split(",")]
    assert sorted(n for n in names if n not in ("", "predicted")) == sorted(
        [*recipe_names(), *(c.name for c in plotted if c.predicted)]
    )


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
    assert curve.predicted == tuple(min(0.2, ratio) for ratio in curve.ratio)
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


def test_ratio_curves_draw_equal_ones_once_with_all_their_names() -> None:
    constant = Constant(ratio=0.15)
    (axes,) = axes_of(
        RatioCurve.of("a", constant),
        RatioCurve.of("b", Linear(start=0.15, end=0.15)),
        RatioCurve.of("c", constant, prediction=Constant(ratio=0.1)),
        RatioCurve.of("d", Constant(ratio=0.3)),
    )
    heights = [float(line[0]) for line in curves_in(axes)]
    assert heights == [0.15, 0.1, 0.3]
    styles = {line.get_linestyle() for line in axes.lines if line.get_ydata()[0] == 0.1}
    assert "--" in styles
    assert {"a, b, c", "c, predicted", "d"} <= set(texts_of(axes).split("\n"))


def test_ratio_curves_draw_bands() -> None:
    band = RatioCurve.of("a", Constant(ratio=0.5), band=lambda ratio: (ratio - 0.5, ratio + 0.5))
    chart = ratio_curves_chart([band, RatioCurve.of("b", Constant(ratio=0.15))])
    assert [panel.y_label for panel in chart.panels] == [
        "masking ratio",
        "masking ratio, on another scale",
    ]
    axes = Figure().add_subplot()
    chart.panels[1].draw(axes)
    (filled,) = axes.collections
    low, high = filled.get_datalim(axes.transData).intervaly
    assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("schedule", "family"),
    [
        (Constant(), CONSTANT),
        (Cosine(), FALLING),
        (Phases(), IN_STEPS),
        (Cyclic(), IN_CYCLES),
        (Triangle(), RISING),
        (Triangle(start=0.3, middle=0.0, end=0.3), RISING),
        (Linear(start=0.0, end=0.3), RISING),
    ],
)
def test_ratio_curves_families_go_by_shape(schedule: Callable[..., float], family: str) -> None:
    assert family_of(RatioCurve.of("a", schedule)) == family
    banded = RatioCurve.of("a", schedule, band=lambda ratio: (ratio, ratio))
    assert family_of(banded) == PER_SEQUENCE


def test_ratio_curves_names_do_not_overlap() -> None:
    curves = [RatioCurve.of(f"{n:02}" * 8, Constant(ratio=0.15 + n / 1000)) for n in range(12)]
    (axes,) = axes_of(*curves)
    height = axes.get_window_extent().height / axes.figure.dpi * 72
    low, high = axes.get_ylim()
    places = sorted(text.get_position()[1] for text in axes.texts)
    assert len(places) == 12
    assert min(np.diff(places)) / (high - low) * height > 9.5


def test_ratio_curves_load_no_torch() -> None:
    code = "import sys, tidemask.report.figures.ratio_curves; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
