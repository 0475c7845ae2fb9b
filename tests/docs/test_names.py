"""Names: one class for each, and no file, link or dotted name that does not exist."""

from __future__ import annotations

import ast
import pkgutil
import re
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import tidemask
from cases import all_cases, one_in
from places import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"),
                *(ROOT / "examples").glob("*.md"), *(ROOT / "tests").glob("*.md")])  # fmt: skip
SOURCES = sorted((ROOT / "src").rglob("*.py"))
SCRIPTS = sorted(path for name in ("benchmarks", "examples", "tests")
                 for path in (ROOT / name).rglob("*.py"))  # fmt: skip
FILES = [path.relative_to(ROOT).as_posix() for path in [*PAGES, *SOURCES, *SCRIPTS]]
ELSEWHERE = {"evaluate-v1.1.py", "evaluate-v2.0.py", "run_mlm.py", "run_qa.py", "run_squad.py"}
"""Scripts of others, from which definitions are taken."""


@cache
def docstrings_of(path: Path) -> tuple[str, ...]:
    """The strings of a module that stand alone: docstrings, and those below attributes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    constants = [line.value for line in lines if isinstance(line, ast.Constant)]
    return tuple(value for value in constants if isinstance(value, str))


@pytest.mark.slow
def test_names_no_class_is_defined_twice() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    counts = Counter(node.name for node in nodes if isinstance(node, ast.ClassDef))
    assert [name for name, count in counts.items() if count > 1] == []


@cache
def exists(name: str) -> bool:
    """Whether a file of the tree has this path, or ends in it."""
    return name in ELSEWHERE or any(f"/{file}".endswith(f"/{name}") for file in FILES)


@pytest.mark.parametrize(
    "folder",
    one_in(
        5,
        [
            "src",
            "benchmarks",
            "examples",
            "tests",
            "pages",
        ],
    ),
)
@pytest.mark.slow
def test_names_of_files_in_docstrings_and_pages_are_those_of_files(folder: str) -> None:
    paths = [path for path in [*SOURCES, *SCRIPTS] if path.relative_to(ROOT).parts[0] == folder]
    texts = [(path, text) for path in paths for text in docstrings_of(path)]
    if folder == "pages":
        texts = [(path, path.read_text(encoding="utf-8")) for path in PAGES]
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in texts
        for name in re.findall(r"(?<![\w./-])[\w/-][\w./-]*\.py\b", text)
        if not exists(name)
    ]
    assert missing == []


@all_cases("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_in_links_are_those_of_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_names_with_dots_in_docstrings_and_pages_exist() -> None:
    texts = [text for path in SOURCES for text in docstrings_of(path)]
    texts += [path.read_text(encoding="utf-8") for path in PAGES]
    names = {name for text in texts for name in re.findall(r"`(tidemask(?:\.\w+)+)`", text)}
    assert names
    for name in sorted(names):
        pkgutil.resolve_name(name)


OUTSIDE = sorted((*ROOT.glob("examples/*.py"), *ROOT.glob("benchmarks/**/*.py")))


@all_cases("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_that_programs_import_exist(path: Path) -> None:
    """Those of tidemask, in examples and benchmarks, which no type checker reads."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "tidemask":
            module = import_module(str(node.module))
            missing = {alias.name for alias in node.names} - {*dir(module), *tidemask.__all__}
            assert not missing, f"{node.module} has no {', '.join(sorted(missing))}"
