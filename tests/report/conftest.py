from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import FOUR, Synthetic, write_four, write_run

from tidemask.report import Comparison, compare_runs

MakeRun = Callable[..., Path]


@pytest.fixture(scope="session")
def four_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The runs of the demo; read only."""
    return write_four(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def comparison(four_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """The comparison of the four; read only."""
    return compare_runs(four_runs, tmp_path_factory.mktemp("comparison") / "out")


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes a short run directory by name, with the given differences from a plain one."""

    def make(name: str, **differences: Any) -> Path:
        short: Synthetic = replace(FOUR[0], max_steps=100, last_step=100, held_out_every=2)
        return write_run(tmp_path / name, replace(short, **differences))

    return make
