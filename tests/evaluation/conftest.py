"""A run with a checkpoint, the same without results, and tasks to measure it on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evaluated_tasks import write_tasks
from small_runs import trained
from tidemask.run_record import RunDirectory


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Eight steps, a checkpoint after the fifth."""
    return trained(corpus, tmp_path_factory.mktemp("runs") / "bert", "bert")


@pytest.fixture
def fresh(run: RunDirectory, tmp_path: Path) -> RunDirectory:
    """The same without results."""
    shutil.copytree(run.root, tmp_path / "bert", ignore=shutil.ignore_patterns("evaluation"))
    return RunDirectory(tmp_path / "bert")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with data for one task of each kind."""
    return write_tasks(tmp_path_factory.mktemp("tasks"))
