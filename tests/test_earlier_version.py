"""A corpus and a run of an earlier version open, resume, evaluate and compare.

They were made at 3b1ece7, before the packages were laid out as they are, from text of our own.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tidemask.run_record import TIME_METRICS

EARLIER = Path(__file__).with_name("earlier_version")
PLACE = "/tmp/fix/corpus"
"""Where the corpus lay."""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The finished run, with its corpus where it says."""
    copy = shutil.copytree(EARLIER, tmp_path / "earlier") / "run"
    for name in ("run.yaml", "environment.json"):
        text = (copy / name).read_text().replace(PLACE, str(copy.parent / "corpus"))
        (copy / name).write_text(text)
    return copy


def lines(run: Path) -> list[dict[str, Any]]:
    """The metrics without times; null is NaN."""
    text = (run / "metrics.jsonl").read_text()
    return [
        {
            k: math.nan if v is None else v
            for k, v in json.loads(line).items()
            if k not in TIME_METRICS
        }
        for line in text.splitlines()
    ]


def test_earlier_version_resumes_to_the_same_end(run: Path, tidemask: Command) -> None:
    shutil.rmtree(run / "model")
    shutil.rmtree(run / "evaluation")
    status, _, err = tidemask("resume", run)
    assert status == 0, err
    assert "Continuing after step 4" in err
    before = lines(EARLIER / "run")
    # What is measured beside is new; what was measured then is the same now.
    found = [
        {name: line[name] for name in then} for line, then in zip(lines(run), before, strict=True)
    ]
    assert found == [pytest.approx(line, rel=1e-5, nan_ok=True) for line in before]
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["device_seconds"] == last["wall_seconds"]  # its checkpoint did not count them
    ours = load_file(run / "model" / "model.safetensors")
    theirs = load_file(EARLIER / "run" / "model" / "model.safetensors")
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_earlier_version_is_evaluated_again_to_the_same_loss(run: Path, tidemask: Command) -> None:
    path = run / "evaluation" / "held-out--final.json"
    before = json.loads(path.read_text())
    path.unlink()
    status, _, err = tidemask("evaluate", run, "--tasks", "held-out")
    assert status == 0, err
    found = json.loads(path.read_text())["metrics"]
    then = before["metrics"]
    assert {name: found[name] for name in then} == pytest.approx(then, rel=1e-5)


def test_earlier_version_results_are_measured_in_the_new_cells_once(
    run: Path, tidemask: Command
) -> None:
    path = run / "evaluation" / "held-out--final.json"
    before = path.read_bytes()
    assert tidemask("evaluate", run, "--tasks", "held-out")[0] == 0
    assert "held_out/word_loss_15" in json.loads(path.read_text())["metrics"]
    (replaced,) = (path.parent / "replaced").iterdir()
    assert replaced.read_bytes() == before
    again = path.stat().st_mtime_ns
    assert tidemask("evaluate", run, "--tasks", "held-out")[0] == 0
    assert path.stat().st_mtime_ns == again


@pytest.mark.slow
def test_earlier_version_is_compared(run: Path, tidemask: Command, tmp_path: Path) -> None:
    status, out, err = tidemask("compare", run, "--out", tmp_path / "report")
    assert status == 0, err
    assert "4.916" in out
    assert "pairs" in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.slow
def test_earlier_version_corpus_trains_and_previews(
    run: Path, tidemask: Command, tmp_path: Path
) -> None:
    corpus = run.parent / "corpus"
    settings = ("model.size=bert-tiny", "training.max_steps=2", "training.report_to=none")
    status, _, err = tidemask("pretrain", corpus, "--out", tmp_path / "new", *settings)
    assert status == 0, err
    assert tidemask("preview", corpus, "--recipe", "ptw-mrd", "--run", run)[0] == 0
