"""Imports point one way along the path of the data, and the package is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tidemask
from places import ROOT as PROJECT
from synthetic_runs import write_four

ROOT = Path(tidemask.__file__).parent


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "masking").glob("*.py")), ids=lambda p: p.name)
def test_imports_of_the_heart_are_torch_and_the_standard_library(path: Path) -> None:
    roots = {name.split(".")[0] for name in _imports(path)}
    assert roots - set(sys.stdlib_module_names) <= {"torch", "jaxtyping", "tidemask"}


@pytest.mark.parametrize("module", ["tidemask", "tidemask.cli.app", "tidemask.report.compare"])
def test_imports_of_light_modules_load_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


COMPARE = """
import sys
from tidemask.cli.app import app
try:
    app()
except SystemExit as end:
    print("loaded", sorted({"torch", "transformers"} & {*sys.modules}), end.code)
"""


@pytest.mark.slow
def test_imports_of_compare_are_neither_torch_nor_transformers(tmp_path: Path) -> None:
    runs = write_four(tmp_path)[:2]
    command = [sys.executable, "-c", COMPARE, "compare", *runs, "--out", tmp_path / "report"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded [] 0\n")
    assert (tmp_path / "report" / "index.html").is_file()


def test_imports_run_one_way_through_the_layers() -> None:
    """The contracts of `pyproject.toml`."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
