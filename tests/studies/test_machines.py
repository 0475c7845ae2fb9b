"""A study that goes on elsewhere: its runs keep one precision, and it says what is another here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import engine_in_process
from small_runs import TINY
from tidemask.progress.display import ProgressDisplay
from tidemask.studies.study import run_study

OTHER = {"float32": "bf16", "bf16": "float32"}


@pytest.fixture(autouse=True)
def _in_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        engine_in_process.studies_in_process(patch.setattr)
        yield


def precision_of(run: Path) -> str:
    return str(yaml.safe_load((run / "run.yaml").read_text())["training"]["precision"])


@pytest.mark.slow
def test_a_study_that_goes_on_elsewhere_keeps_its_precision_and_says_what_changed(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [one for one in TINY if "precision" not in one] + ["training.max_steps=2"]
    file, out = tmp_path / "study.yaml", tmp_path / "out"
    file.write_text(
        f"corpus: {corpus}\nbaseline: constant\nseeds: [0]\nsettings: {json.dumps(settings)}\n"
        "arms:\n  constant: {recipe: bert}\n  decay: {recipe: mrd-cosine}\n"
    )
    run_study(file, out=out, progress=False)
    first, second = out / "runs/constant/seed-0", out / "runs/decay/seed-0"
    here = precision_of(first)
    # The first run as another machine would have made it, where `auto` is the other precision.
    config = (first / "run.yaml").read_text()
    (first / "run.yaml").write_text(
        config.replace(f"precision: {here}", f"precision: {OTHER[here]}", 1)
    )
    environment = json.loads((first / "environment.json").read_text())
    processor = environment["processor"]
    elsewhere = {**environment, "processor": "Another CPU"}
    (first / "environment.json").write_text(json.dumps(elsewhere))
    shutil.rmtree(second)
    notes: list[str] = []
    monkeypatch.setattr(ProgressDisplay, "on_note", lambda _, note: notes.append(note))
    assert run_study(file, out=out, progress=False).is_finished
    assert precision_of(second) == precision_of(first) == OTHER[here]
    assert (
        f"The study goes on with the processor {processor} in place of Another CPU: numbers of "
        "its runs may differ by that, and the page says in which." in notes
    )
    assert any(
        note.startswith(f"Runs that have not begun are trained in {OTHER[here]}, as those before")
        for note in notes
    )
    page = (out / "report/index.html").read_text(encoding="utf-8")
    assert "training.precision differs" not in page
    assert "the processor differs" in page
    notes.clear()
    run_study(file, out=out, progress=False)
    assert not any("goes on" in note for note in notes), "nothing is left to train"
