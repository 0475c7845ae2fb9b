"""A run that kept every checkpoint, and the same killed; tests of other runs have their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_runs import FOUR_STEPS_KEPT, stopped_at, trained
from tidemask.run_record import RunDirectory


@pytest.fixture(scope="session")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Four steps with a line and a checkpoint after each, all kept; read only."""
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    return trained(corpus, out, "ptw-mrd", *FOUR_STEPS_KEPT)


@pytest.fixture
def broken(unbroken: RunDirectory, tmp_path: Path) -> RunDirectory:
    """The same, killed after step 3."""
    return stopped_at(unbroken, 3, tmp_path / "broken")
