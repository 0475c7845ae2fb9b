"""The guide on question answering: its commands exist, its example is read, its numbers hold."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from documented_commands import check_command
from places import ROOT
from tidemask.runs.settings_reading import load_settings
from tidemask.tasks.data import TaskData
from tidemask.tasks.squad.data import SquadData
from tidemask.tasks.squad.score import score_v2
from tidemask.tasks.squad.task import VERSIONS, SquadSettings
from tidemask.tasks.table import TaskSettings

GUIDE = ROOT / "docs" / "guides" / "question-answering.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("line", _blocks("sh")[0].splitlines())
def test_guide_of_question_answering_commands_exist(line: str) -> None:
    check_command(line)
    settings = [word for word in line.split() if "=" in word]
    load_settings(TaskSettings, settings, "the settings of the tasks")
    assert set(re.search(r"--tasks (\S+)", line)[1].split(",")) <= set(VERSIONS)


def test_guide_of_question_answering_example_is_read(tmp_path: Path) -> None:
    (line,) = _blocks("json")
    (tmp_path / "dev.jsonl").write_text(line, encoding="utf-8")
    (question,) = SquadData(rows=TaskData(task="squad", directory=tmp_path), version=1).split("dev")
    assert question.answers == ("Marta",)


def test_guide_of_question_answering_settings_have_their_defaults() -> None:
    rows = re.findall(r"^\| `squad\.(\w+)` \|[^|]*\| `(\w+)` \|", TEXT, flags=re.MULTILINE)
    assert {name: yaml.safe_load(default) for name, default in rows} == dataclasses.asdict(
        SquadSettings()
    )


def test_guide_of_question_answering_names_every_score() -> None:
    metrics = score_v2(["a cat", "dog"], [["cat"], []], [-1.0, 1.0])
    assert {name for name in metrics if f"`{name}`" not in TEXT} == set()
