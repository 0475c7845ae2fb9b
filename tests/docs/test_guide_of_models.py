"""What the guide of models shows: names, settings, commands and recipes exist."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from documented_commands import check_command
from places import ROOT
from tidemask import load_recipe
from tidemask.modeling.heads import HEADS
from tidemask.modeling.settings import MODEL_SIZES, ModelSettings

GUIDE = (ROOT / "docs/guides/models.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_guide_of_models_recipes_are_recipes(block: str, tmp_path: Path) -> None:
    path = tmp_path / "guide.yaml"
    path.write_text(block, encoding="utf-8")
    assert load_recipe(path).model != ModelSettings()


@pytest.mark.parametrize("line", [line for block in _blocks("sh") for line in block.splitlines()])
def test_guide_of_models_commands_exist(line: str) -> None:
    check_command(line)


def test_guide_of_models_has_every_size() -> None:
    families = re.findall(r"^\| \w+ \| `(\w+)-(\w+)`((?:, `-\w+`)*)", GUIDE, flags=re.MULTILINE)
    named = {f"{family}-{first}" for family, first, _ in families}
    for family, _, more in families:
        named |= {f"{family}{rest}" for rest in re.findall(r"-\w+", more)}
    assert named | {"modernbert-tiny-local"} == MODEL_SIZES.keys()


def test_guide_of_models_has_every_setting_and_architecture() -> None:
    settings = re.findall(r"^\| `model\.(\w+)`", GUIDE, flags=re.MULTILINE)
    assert settings == [field.name for field in dataclasses.fields(ModelSettings)]
    architectures = GUIDE.partition("## Architectures")[2].partition("## Settings")[0]
    assert set(re.findall(r"\(`([\w-]+)`\)", architectures)) == HEADS.keys()
    for name in re.findall(r"`(tests/[\w/]+\.py)", GUIDE):
        assert (ROOT / name).is_file(), name
