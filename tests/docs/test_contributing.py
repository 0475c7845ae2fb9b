"""What CONTRIBUTING and the README of the tests say of files is complete and true."""

from __future__ import annotations

import re

from cases import all_cases
from places import ROOT, SUPPORT
from source_tree import shown_tree, source_tree

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = re.findall(r"\b(?:src|tests|docs|benchmarks)/[\w./-]+\w", PAGE)
NAMES = re.findall(r"`([A-Z_]{4,}|[A-Z]\w+[a-z][A-Z]\w+)`", PAGE)
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("src", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)


def test_contributing_tree_has_every_module_and_nothing_else() -> None:
    assert shown_tree() == source_tree(), "python tests/support/source_tree.py writes it again"


@all_cases("path", sorted({path for path in PATHS if "NAME" not in path}))
def test_contributing_paths_exist(path: str) -> None:
    assert (ROOT / path).exists()


@all_cases("name", sorted(set(NAMES)))
def test_contributing_names_in_code_exist(name: str) -> None:
    assert re.search(rf"\b{name}\b", SOURCE)


def test_contributing_layers_are_those_of_the_contract() -> None:
    block = re.search(r"\n\n((?:    .+\n)+)", PAGE.partition("## Layers")[2])
    assert block is not None
    layers = re.search(r"^layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert layers is not None
    assert block.group(1).split("\n")[:-1] == [
        f"    {names}" for names in re.findall(r'"(.*?)"', layers.group(1))
    ]


def test_contributing_readme_of_the_tests_has_every_helper() -> None:
    page = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+\.py)` \|", page, flags=re.MULTILINE)
    assert rows == sorted(path.name for path in SUPPORT.glob("*.py"))
