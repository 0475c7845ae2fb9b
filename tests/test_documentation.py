"""What the documentation shows is run: examples, commands, settings."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from tidemask import cli, load_recipe

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("module", ["tidemask.masking.masker", "tidemask.config"])
def test_documentation_examples_in_docstrings(module: str) -> None:
    results = doctest.testmod(import_module(module))
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("block", _blocks("python"))
def test_documentation_python_in_the_readme(block: str) -> None:
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    masked = names["masked"]
    expected = load_recipe("mrd-cosine").masking.ratio(0.1)
    assert float(masked.selected.float().mean()) == pytest.approx(expected, abs=0.06)


def test_documentation_commands_in_the_readme_exist() -> None:
    group = get_command(cli.app)
    used = set(re.findall(r"^ +tidemask ([a-z]+)", README, flags=re.MULTILINE))
    assert {"prepare", "pretrain", "resume", "evaluate", "compare", "preview"} <= used
    for name in used:
        options = {o for p in group.commands[name].params for o in p.opts}
        for line in re.findall(rf"^ +tidemask {name} .*$", README, flags=re.MULTILINE):
            assert set(re.findall(r" (--[a-z-]+)", line)) <= options, line


def test_documentation_recipe_in_the_readme_is_one(tmp_path: Path) -> None:
    indented = re.search(r"    masking:\n(?:    .*\n)+", README)
    assert indented is not None
    path = tmp_path / "readme.yaml"
    path.write_text(re.sub(r"^    ", "", indented.group(), flags=re.MULTILINE))
    assert yaml.safe_load(path.read_text()).keys() == {"masking", "model", "training"}
    assert load_recipe(path).masking == load_recipe("ptw-mrd").masking
