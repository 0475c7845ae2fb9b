"""Pages of comparisons without drawings, which take nine tenths of the time of a page."""

from __future__ import annotations

from collections.abc import Callable

from tidemask.report import compare, page


def without_drawings(set_attribute: Callable[[object, str, object], None] = setattr) -> None:
    """Let pages that this process writes have empty figures."""
    set_attribute(compare, "rendered", lambda *_: {"svg": b""})
    set_attribute(page, "panel_svgs", lambda chart: ("",) * len(chart.panels))
