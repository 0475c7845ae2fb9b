from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemask.report.figures.curves import spread


@given(st.lists(st.floats(0, 10), max_size=17).map(sorted))
def test_spread_keeps_order_gap_and_range(values: list[float]) -> None:
    places = spread(values, 0.5, 0.0, 10.0)
    assert len(places) == len(values)
    assert all(np.diff(places) >= 0.5 - 1e-9)
    assert all(-1e-9 <= place <= 10 + 1e-9 for place in places)


def test_spread_leaves_what_has_room() -> None:
    assert spread([1.0, 2.0, 4.0], 0.5, 0.0, 10.0) == [1.0, 2.0, 4.0]


def test_spread_centres_a_cluster() -> None:
    assert spread([5.0, 5.0, 5.0], 1.0, 0.0, 10.0) == pytest.approx([4.0, 5.0, 6.0])
