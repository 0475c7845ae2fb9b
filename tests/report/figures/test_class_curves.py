from __future__ import annotations

import pytest

from tidemask.report.figures.class_curves import group_colour
from tidemask.report.figures.palette import FUNCTION, INK


@pytest.mark.parametrize(
    ("name", "colour"), [("NOUN", INK), ("DET", FUNCTION), ("PUNCT", FUNCTION), ("band 3", INK)]
)
def test_group_colour(name: str, colour: object) -> None:
    assert group_colour(name) is colour
