from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree

from matplotlib.figure import Figure

from tidemask.report.figures.marking import frame_of, mark, with_marks

NAME = "a\"b' & <i>--> %41 模型"


def test_marks_become_attributes_and_titles_whatever_the_name() -> None:
    figure = Figure()
    axes = figure.add_subplot()
    (line,) = axes.plot([0, 1], [2, 3])
    mark(line, "curve", arm=3, words=NAME)
    file = io.StringIO()
    figure.savefig(file, format="svg")
    root = ElementTree.fromstring(with_marks(file.getvalue()))
    (group,) = (one for one in root.iter() if one.get("data-part") == "curve")
    assert group.get("data-arm") == "3"
    assert group.get("id") is None
    assert group[0].text == NAME


def test_frame_gives_the_values_of_places() -> None:
    figure = Figure(figsize=(4, 2))
    axes = figure.add_axes((0.25, 0.5, 0.5, 0.25))
    axes.set(xlim=(0, 10), ylim=(1, 100), yscale="log")
    frame = json.loads(frame_of(axes, "step"))
    assert frame["x"] == [72.0, 216.0, 0.0, 10.0]
    assert frame["y"] == [72.0, 36.0, 1.0, 100.0]
    assert frame["log"] is True
    assert frame["label"] == "step"
