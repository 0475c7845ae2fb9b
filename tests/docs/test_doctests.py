"""Every `>>>` of the tree is found and run; every public name has one."""

from __future__ import annotations

import ast
import doctest
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import jaxtyping
import pytest

import tidemask
from cases import all_cases
from places import ROOT

FOLDERS = ("src", "docs", "examples", "benchmarks")
TRAINING = (
    "report/compare.py",
    "studies/comparison.py",
    "studies/study.py",
    "runs/pretraining.py",
    "runs/push.py",
    "evaluation/evaluate.py",
)
"""Modules whose examples train a model; they are slow tests."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of what can have examples: strings that stand alone; a page without fences."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield 0, re.sub(r"^ *```.*$", "", content, flags=re.MULTILINE)
        return
    for node in ast.walk(ast.parse(content)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text), lineno=line)):
                yield line - 1, text


def examples_of(path: Path) -> list[doctest.DocTest]:
    """The examples of a file, one test for each docstring; a page is one test."""
    parser = doctest.DocTestParser()
    name = str(path.relative_to(ROOT))
    tests = [parser.get_doctest(text, {}, name, name, line) for line, text in texts_of(path)]
    return [test for test in tests if test.examples]


def defined_in(module: ModuleType) -> dict[str, object]:
    """What a reader of a docstring has before him; everything else an example imports itself."""
    return {
        name: value
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
    }


FILES = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")),
    ]
    if path.suffix in {".py", ".md"} and ">>> " in path.read_text(encoding="utf-8")
)
TESTS = [test for path in FILES for test in examples_of(path)]


@pytest.fixture
def _without_checks_of_shapes() -> Iterator[None]:
    """Call functions as a user does; under the tests alone an `int` is no `float`."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("_without_checks_of_shapes")
@pytest.mark.parametrize(
    "test",
    [pytest.param(t, marks=pytest.mark.slow if t.name.endswith(TRAINING) else ()) for t in TESTS],
    ids=lambda test: f"{test.name}:{test.lineno + 1}",
)
def test_doctests_hold(
    test: doctest.DocTest, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    """In a directory with a prepared corpus of the name `corpus`."""
    if test.name.endswith("studies/study.py"):
        request.getfixturevalue("in_process")
    elif test.name.endswith(TRAINING):
        request.getfixturevalue("bare_pages")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(corpus, tmp_path / "corpus")  # examples write into it
    if test.name.startswith("src/"):
        module = test.name.removeprefix("src/").removesuffix(".py").replace("/", ".")
        test.globs.update(defined_in(import_module(module.removesuffix(".__init__"))))
    report: list[str] = []
    failed, attempted = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert attempted > 0
    assert failed == 0, "".join(report)


@pytest.mark.slow
def test_doctests_are_found() -> None:
    """As many as a plain search finds at the beginnings of lines."""
    for path in FILES:
        lines = re.findall(r"^ *>>> ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert sum(len(test.examples) for test in examples_of(path)) == len(lines), path


@all_cases("name", tidemask.__all__)
def test_doctests_every_public_name_has_one(name: str) -> None:
    assert ">>> " in (getattr(tidemask, name).__doc__ or "")
