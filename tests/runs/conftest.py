"""Finished runs that get more steps; read only."""

from __future__ import annotations

from pathlib import Path

import pytest

from finished_runs import FLAT
from small_runs import trained
from tidemask.run_record import RunDirectory


@pytest.fixture(scope="session")
def flat(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Four steps, finished."""
    out = tmp_path_factory.mktemp("flat") / "run"
    return trained(corpus, out, "bert", *FLAT, "training.max_steps=4")


@pytest.fixture(scope="session")
def falling(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Four steps in which the ratio and the learning rate fall."""
    out = tmp_path_factory.mktemp("falling") / "run"
    return trained(corpus, out, "mrd-linear", "training.max_steps=4", "training.lr_warmup_steps=1")
