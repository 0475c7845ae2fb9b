"""The demonstration asks what it can answer, and touches what a demonstration made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidemask.cli.demo import ARMS, MARKER, _check_place, study_definition
from tidemask.report.tables.table_files import read_table
from tidemask.runs.config import load_recipe
from tidemask.studies.definition import read_study


def _files(place: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["study/thesis.txt", "corpus/a", "thesis"])
def test_demo_leaves_directories_of_others_alone(
    name: str, tmp_path: Path, tidemask: Callable[..., Any]
) -> None:
    """Even where they have the names that a demonstration gives."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = _files(tmp_path)
    status, _, errors = tidemask("demo", "--out", str(tmp_path), "--steps=20")
    assert (status, errors.count("\n")) == (2, 1)
    assert (
        f"{tmp_path} holds {Path(name).parts[0]}, which no demonstration of this version made"
        in errors
    )
    assert _files(tmp_path) == before


@pytest.mark.parametrize("begun", ["30\n", ""])
def test_demo_of_another_length_is_refused(
    begun: str, tmp_path: Path, tidemask: Callable[..., Any]
) -> None:
    (tmp_path / MARKER).write_text(begun)
    status, _, errors = tidemask("demo", "--out", str(tmp_path), "--steps=20")
    assert (status, errors.count("\n")) == (2, 1)
    assert f"--steps={begun.strip() or 'none'}, now --steps=20" in errors
    assert _files(tmp_path) == {str(tmp_path / MARKER): begun}


def test_demo_goes_on_beside_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text("20\n")
    (tmp_path / ".corpus.partial").mkdir()
    _check_place(tmp_path, 20)


@pytest.mark.slow
def test_arms_of_the_demo_differ_in_their_schedules_alone(tmp_path: Path) -> None:
    """What they mask on average is the same, so that what decay does is kept apart."""
    (tmp_path / "study.yaml").write_text(json.dumps(study_definition(300)))
    study = read_study(tmp_path / "study.yaml")
    constant, decay = (load_recipe(ARMS[name]).masking for name in study.arms)
    shares = np.linspace(0, 1, 10_001)
    curves = [np.array([masking.ratio(share) for share in shares]) for masking in (constant, decay)]
    assert curves[0].mean() == pytest.approx(curves[1].mean(), abs=1e-4)
    assert np.ptp(curves[0]) < 1e-12
    assert np.all(np.diff(curves[1]) <= 0)
    assert (constant.unit, constant.content) == (decay.unit, decay.content)
    assert len(study.seeds) >= 3


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_demo_ends_with_a_verdict_a_preview_and_words(
    corpus: Path, tmp_path: Path, tidemask: Callable[..., Any]
) -> None:
    """On a corpus that is there already, as after an interruption."""
    shutil.copytree(corpus, tmp_path / "corpus")
    (tmp_path / MARKER).write_text("20")
    status, output, errors = tidemask("demo", "--out", str(tmp_path), "--steps=20")
    assert status == 0, errors
    page = tmp_path / "study" / "report" / "index.html"
    assert page.is_file()
    assert f"{page}" in output
    arms = read_table(page.parent / "tables" / "arms.json")
    (sentence,) = filter(None, arms.values("sentence"))
    assert sentence in output
    assert all(f"progress {moment}" in output for moment in ("0.05", "0.3", "1"))
    assert output.count("[MASK]") == 3
