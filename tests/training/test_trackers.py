"""Trackers get the lines of metrics: read back from event files, each step once."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import TrainerCallback

from small_runs import TIMES, records, started, stopped_at, trained
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import load_recipe
from tidemask.runs.creation import new_run
from tidemask.runs.train import train
from tidemask.training.event_files import EventFile
from tidemask.training.tracker_names import named_trackers


def _drawn(run: RunDirectory) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every point that TensorBoard shows, by name."""
    events = EventAccumulator(str(run.tensorboard), size_guidance={"scalars": 0})
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def _logged(run: RunDirectory) -> dict[str, list[tuple[int, float]]]:
    points: dict[str, list[tuple[int, float]]] = {}
    for record in records(run):
        for name, value in record.items():
            if math.isfinite(value):
                points.setdefault(name, []).append((record["step"], value))
    return points


def _without_times(points: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values for name, values in points.items() if name not in TIMES}


@pytest.mark.slow
def test_reporting_tensorboard_shows_the_lines_of_metrics(corpus: Path, tmp_path: Path) -> None:
    run = trained(corpus, tmp_path / "run", "ptw-mrd", "training.report_to=tensorboard")
    drawn, logged = _without_times(_drawn(run)), _logged(run)
    assert drawn.keys() == logged.keys()
    assert {"loss", "class_loss/NOUN", "class_weight/NOUN", "class_share/NOUN"} <= drawn.keys()
    assert {"masking/ratio", "masking/realised_ratio", "held_out/loss_15"} <= drawn.keys()
    for name, points in drawn.items():
        assert [step for step, _ in points] == [step for step, _ in logged[name]], name
        assert [v for _, v in points] == pytest.approx([v for _, v in logged[name]], rel=1e-6), name


@pytest.mark.slow
def test_reporting_tensorboard_shows_each_step_once_after_a_resume(
    corpus: Path, tmp_path: Path
) -> None:
    run = trained(
        corpus, tmp_path / "run", "bert", "training.logging_steps=1", "training.report_to=auto"
    )
    broken = stopped_at(run, 5, tmp_path / "broken")
    assert len(list(broken.tensorboard.iterdir())) == 1
    assert train(broken).step == 5
    assert len(list(broken.tensorboard.iterdir())) == 2
    assert _without_times(_drawn(broken)) == _without_times(_drawn(run))
    assert [step for step, _ in _drawn(broken)["loss"]] == list(range(1, 9))


def test_event_files_of_one_second_are_files_of_their_own(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for first, values in ((0, (1.0, 2.0, 3.0)), (2, (4.0, 5.0)), (1, (6.0,))):
        file = EventFile(run.root, run.tensorboard, first)
        for step, value in enumerate(values, start=first):
            file.add(step, {"loss": value})
    assert len(list(run.tensorboard.iterdir())) == 3
    assert _drawn(run)["loss"] == [(0, 1.0), (1, 6.0)]


@pytest.mark.slow
def test_reporting_nothing_writes_no_event_files(corpus: Path, tmp_path: Path) -> None:
    run = trained(corpus, tmp_path / "run", "bert", "training.report_to=none")
    assert not run.tensorboard.exists()


def test_reporting_auto_is_tensorboard_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert named_trackers("auto") == ["tensorboard"]
    for module in ("tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, module, None)
    assert named_trackers("auto") == []


@pytest.mark.parametrize("report_to", ["none", "[]"])
def test_reporting_none_has_two_spellings(report_to: str) -> None:
    setting = load_recipe("bert", [f"training.report_to={report_to}"]).training.report_to
    assert named_trackers(setting) == []


@pytest.mark.parametrize("report_to", ["tensorbord", "[tensorboard, tensorbord]", "[auto, wandb]"])
def test_reporting_unknown_tracker_is_refused(report_to: str) -> None:
    with pytest.raises(UserError, match=r"training\.report_to=.*Expected auto, none or names"):
        load_recipe("bert", [f"training.report_to={report_to}"])


def test_reporting_tracker_that_is_not_installed_is_refused_before_anything_is_written(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"report_to=swanlab.*pip install swanlab"):
        started(corpus, tmp_path / "run", "bert", "training.report_to=[tensorboard, swanlab]")
    for module in ("tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=r"pip install 'tidemask\[tracking\]'"):
        new_run(load_recipe("bert", ["training.report_to=tensorboard"]), corpus, tmp_path / "run")
    assert not (tmp_path / "run").exists()


class _Recorder(TrainerCallback):
    """A user's own callback."""

    def __init__(self) -> None:
        self.logs: list[tuple[int, dict[str, float]]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.logs.append((state.global_step, logs))


@pytest.mark.slow
def test_reporting_to_a_users_callbacks_and_measures(corpus: Path, tmp_path: Path) -> None:
    """What a user measures joins the lines in which held-out loss stands; weights are untouched."""
    seen: list[bool] = []

    def largest_weight(model: torch.nn.Module) -> dict[str, float]:
        seen.append(model.training)
        return {"own/largest": max(float(p.abs().max()) for p in model.parameters())}

    recorder = _Recorder()
    run = started(corpus, tmp_path / "run", "bert")
    train(run, RunCallbacks(measures=(largest_weight,), trainer_callbacks=(recorder,)))
    lines = records(run)
    assert [step for step, _ in recorder.logs] == [line["step"] for line in lines]
    for line, (_, logs) in zip(lines, recorder.logs, strict=True):
        assert ("own/largest" in line) == ("held_out/loss_15" in line)
        assert {k: v for k, v in line.items() if math.isfinite(v)} == {
            k: v for k, v in logs.items() if k not in TIMES
        }
    assert seen == [False] * 2
    plain = trained(corpus, tmp_path / "plain", "bert")
    for line, without in zip(lines, records(plain), strict=True):
        assert {k: v for k, v in line.items() if k != "own/largest"} == pytest.approx(
            without, nan_ok=True
        )
