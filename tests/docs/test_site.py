"""The pages of the site: all are reached, and what they say of the program is complete."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import tidemask
from cases import all_cases
from command_reference import command_reference
from documented_commands import check_command
from places import ROOT
from python_reference import GROUPS
from recipe_reference import recipe_reference
from setting_reference import field_docstrings, setting_reference
from tidemask.cli.app import app
from tidemask.runs.config import recipe_names
from tidemask.runs.config_problems import CHOICES
from tidemask.settings import Settings

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def _children(page: Path) -> list[Path]:
    """The pages in the tables of contents of a page, which no reader sees on GitHub."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```\{toctree\}\n(.*?)```", text, flags=re.DOTALL)
    names = [line for block in blocks for line in block.splitlines() if re.match(r"[\w./-]", line)]
    return [(page.parent / f"{name}.md").resolve() for name in names]


def test_site_every_page_is_reached() -> None:
    reached: set[Path] = set()
    left = [DOCS / "index.md"]
    while left:
        page = left.pop()
        assert page not in reached, f"{page} stands in two tables of contents"
        reached.add(page)
        left += _children(page)
    assert [page for page in PAGES if page not in reached] == []


@all_cases("page", [page for page in PAGES if _children(page)], ids=lambda page: str(page))
def test_site_tables_of_contents_are_links_too(page: Path) -> None:
    """A reader on GitHub sees no table of contents; an index of methods is its own list."""
    text = page.read_text(encoding="utf-8")
    links = {(page.parent / link).resolve() for link in re.findall(r"\]\(([^)#]+\.md)", text)}
    methods = DOCS / "methods"
    shown = {child for child in _children(page) if child.parent != methods}
    assert shown <= links | {ROOT / "examples/narrow_domain/README.md"}


def test_site_has_every_command_and_option() -> None:
    text = command_reference()
    group: Any = get_command(app)
    commands = group.commands
    sections = dict(re.findall(r"^## tidemask (.*?)\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S))
    assert commands.keys() <= sections.keys()
    for name, command in commands.items():
        options = {option for p in command.params for option in p.opts if option[:2] == "--"}
        assert sorted(option for option in options if option not in sections[name]) == []


def _kinds(section: type) -> list[type]:
    return [section, *(kind for child in section.__subclasses__() for kind in _kinds(child))]


SHOWN_ELSEWHERE = {"Recipe", "RunConfig", "CorpusReference", "ContinuedFrom", "TaskSettings",
                   "TuneDefinition"}  # fmt: skip
"""What collects the sections, and what runs and searches write themselves."""


@pytest.mark.slow
def test_site_has_every_setting() -> None:
    text = setting_reference()
    for kind in _kinds(Settings)[1:]:
        is_own = kind.__module__.startswith("tidemask.")  # not of a test that ran in this process
        if not is_own or kind.__name__ in SHOWN_ELSEWHERE or not dataclasses.is_dataclass(kind):
            continue
        said = field_docstrings(kind)
        for field in dataclasses.fields(kind):
            is_choice = field.name in CHOICES
            assert is_choice or said.get(field.name), (
                f"{kind.__name__}.{field.name} is not described"
            )
            assert is_choice or re.search(rf"`([\w.]+\.)?{field.name}`", text), field.name


@pytest.mark.slow
def test_site_has_every_recipe_and_public_name() -> None:
    text = recipe_reference()
    assert [*re.findall(r"^## (\S+)$", text, flags=re.MULTILINE)] == recipe_names()
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(tidemask.__all__)


def test_site_questions_name_every_extra() -> None:
    page = (DOCS / "faq.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    assert sorted(extras) == sorted(project["optional-dependencies"])


LINES = [
    (page.name, line)
    for page in sorted((DOCS / "start").glob("*.md"))
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for line in block.splitlines()
    if line.startswith("tidemask ") and ".yaml" not in line
]


@pytest.mark.slow
@all_cases(("page", "line"), LINES)
def test_site_commands_exist(page: str, line: str) -> None:
    check_command(line.partition("  #")[0])
