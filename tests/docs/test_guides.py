"""The guides: what they show runs, what they name exists."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import tidemask
from cases import all_cases
from documented_commands import check_command
from places import ROOT
from tidemask.evaluation_files import write_evaluation
from tidemask.run_record import RunDirectory
from tidemask.run_record.predictions import LabelPredictions, of_split
from tidemask.runs.config import Recipe
from tidemask.runs.settings_reading import read_settings
from tidemask.tasks.classification.task import TextTask
from tidemask.tasks.table import USER_TASKS, TaskSettings, UserTask, user_task
from tidemask.training.settings import TrainingSettings

GUIDES_FOLDER = ROOT / "docs" / "guides"
GUIDES = {name: (GUIDES_FOLDER / name).read_text(encoding="utf-8") for name in
          ("comparing.md", "distributed.md", "evaluation.md", "large-corpora.md",
           "question-answering.md", "sharing.md", "tagging.md", "watching.md",
           "zero-shot.md")}  # fmt: skip

SMALL = ["model.size=bert-tiny", "training.max_steps=4", "training.micro_batch_size=8"]


def _blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.slow
def test_guides_python_of_watching_runs(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(corpus, tmp_path / "corpus")  # examples write into it
    for block in _blocks("python", GUIDES["watching.md"]):
        exec(compile(block, "watching.md", "exec"), {})
    lines = (tmp_path / "runs/watched/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
    assert all("own/embedding_norm" in json.loads(line) for line in lines)


@pytest.mark.slow
def test_guides_python_of_sums_by_sequence_pairs_two_runs(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    losses = [
        tidemask.pretrain(corpus, out=f"runs/{name}", overrides=settings, progress=False).metrics
        for name, settings in (("bert", SMALL), ("ptw", [*SMALL, "training.seed=3"]))
    ]
    (block,) = (b for b in _blocks("python", GUIDES["evaluation.md"]) if "sequence_sums" in b)
    exec(compile(block, "evaluation.md", "exec"), {})
    difference = losses[1]["held_out/loss"] - losses[0]["held_out/loss"]
    assert capsys.readouterr().out.startswith(f"{difference:+.3f} ± 0.")


def test_guides_python_of_predictions_compares_two_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, predicted in (("bert", [0, 1, 0, 1]), ("ptw", [1, 0, 0, 0])):
        kept = LabelPredictions(predicted=np.array(predicted), labels=np.array([1, 0, 0, 1]))
        write_evaluation(
            RunDirectory(Path("runs", name)), task="sst2", checkpoint="final", seed=0,
            metrics={"accuracy": kept.is_right.mean()}, settings={}, arrays=of_split("dev", kept),
        )  # fmt: skip
    (block,) = (b for b in _blocks("python", GUIDES["evaluation.md"]) if "predictions" in b)
    exec(compile(block, "evaluation.md", "exec"), {})
    out = capsys.readouterr().out
    assert out == "of 4 sentences, right by the second alone: 2, by the first alone: 1\n"


COMMANDS = [
    (name, line[line.index("tidemask ") :])
    for name, text in GUIDES.items()
    for block in _blocks("sh", text)
    for line in block.splitlines()
    if re.search(r"(^|-m )tidemask ", line)
]


@pytest.mark.slow
@all_cases(("guide", "line"), COMMANDS)
def test_guides_commands_exist(guide: str, line: str) -> None:
    check_command(line)


ROWS = [
    (name, *found.groups())
    for name, text in GUIDES.items()
    for found in re.finditer(r"^\| `(\w+\.\w+)` \|[^|]*\| `([^`]+)` \|", text, flags=re.MULTILINE)
]


@all_cases(("guide", "setting", "default"), ROWS)
def test_guides_settings_have_their_defaults(guide: str, setting: str, default: str) -> None:
    section, name = setting.split(".")
    owner = next(kind for kind in (Recipe(), TaskSettings()) if hasattr(kind, section))
    found = getattr(getattr(owner, section), name)
    shown = yaml.safe_load(default)
    if isinstance(found, float) or default.startswith("["):
        assert json.loads(default) == pytest.approx(found)
    else:
        assert shown == found


def test_guides_task_of_ones_own_is_one(tmp_path: Path) -> None:
    (block,) = _blocks("yaml", GUIDES["evaluation.md"])
    path = tmp_path / "museum.yaml"
    path.write_text(block)
    task = read_settings(USER_TASKS, path, {"fine_tuning": {"num_seeds": 7}})
    assert isinstance(task, UserTask)
    assert task.labels == ("angry", "calm", "merry")
    made = user_task(task, tmp_path)
    assert isinstance(made, TextTask)
    assert (made.fine_tuning.epochs, made.fine_tuning.num_seeds) == (5, 7)


def test_guides_name_every_test_that_they_rely_on() -> None:
    for path in re.findall(r"`(tests/[\w/]+\.py)`", "".join(GUIDES.values())):
        assert (ROOT / path).is_file(), path


ALL_GUIDES = sorted(path for path in GUIDES_FOLDER.glob("*.md") if path.name != "index.md")


@all_cases("path", ALL_GUIDES, ids=lambda path: path.name)
def test_guides_name_settings_that_exist(path: Path) -> None:
    sections: dict[str, Any] = {"training": TrainingSettings}
    sections |= {name: type(value) for name, value in vars(TaskSettings()).items()}
    known = "|".join(sections)
    text = path.read_text(encoding="utf-8")
    found = set(re.findall(rf"`({known})\.(\w+)", text))
    assert found or "tidemask prepare" in text  # a guide of preparation, which is no section
    assert found <= {
        (section, field.name)
        for section, kind in sections.items()
        for field in dataclasses.fields(kind)
    }
