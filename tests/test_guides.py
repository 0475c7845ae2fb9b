"""The guides: what they show runs, what they name exists."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml

from documented_commands import check_command
from tidemask.config import Recipe
from tidemask.evaluation.fine_tuning import FineTuneSettings
from tidemask.training.arguments import TrainingSettings

ROOT = Path(__file__).parent.parent / "docs" / "guides"
GUIDES = {name: (ROOT / name).read_text(encoding="utf-8") for name in
          ("comparing.md", "distributed.md", "tagging.md", "watching.md")}  # fmt: skip


def _blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_guides_python_of_watching_runs(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").symlink_to(corpus)
    for block in _blocks("python", GUIDES["watching.md"]):
        exec(compile(block, "watching.md", "exec"), {})
    lines = (tmp_path / "runs/watched/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
    assert all("own/embedding_norm" in json.loads(line) for line in lines)


COMMANDS = [
    (name, line[line.index("tidemask ") :])
    for name, text in GUIDES.items()
    for block in _blocks("sh", text)
    for line in block.splitlines()
    if re.search(r"(^|-m )tidemask ", line)
]


@pytest.mark.parametrize(("guide", "line"), COMMANDS)
def test_guides_commands_exist(guide: str, line: str) -> None:
    check_command(line)


ROWS = [
    (name, *found.groups())
    for name, text in GUIDES.items()
    for found in re.finditer(r"^\| `([\w.]+)` \|[^|]*\| `(\w+)` \|", text, flags=re.MULTILINE)
]


@pytest.mark.parametrize(("guide", "setting", "default"), ROWS)
def test_guides_settings_have_their_defaults(guide: str, setting: str, default: str) -> None:
    section, name = setting.split(".")
    (field,) = [
        field for field in dataclasses.fields(getattr(Recipe(), section)) if field.name == name
    ]
    assert yaml.safe_load(default) == field.default


def test_guides_name_every_test_that_they_rely_on() -> None:
    for path in re.findall(r"`(tests/[\w/]+\.py)`", "".join(GUIDES.values())):
        assert (ROOT.parent.parent / path).is_file(), path


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")), ids=lambda path: path.name)
def test_guides_name_settings_that_exist(path: Path) -> None:
    sections = {"training": TrainingSettings, "fine_tuning": FineTuneSettings}
    found = set(re.findall(r"`(training|fine_tuning)\.(\w+)", path.read_text(encoding="utf-8")))
    assert found
    assert found <= {
        (section, field.name)
        for section, kind in sections.items()
        for field in dataclasses.fields(kind)
    }
