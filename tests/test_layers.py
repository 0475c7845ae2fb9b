"""The heart needs torch alone, and light modules load none; `make lint` checks the layers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tidemask
from cases import all_cases
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


@all_cases("path", sorted((ROOT / "masking").glob("*.py")), ids=lambda p: p.name)
def test_imports_of_the_heart_are_torch_and_the_standard_library(path: Path) -> None:
    roots = {name.split(".")[0] for name in _imports(path)}
    assert roots - set(sys.stdlib_module_names) <= {"torch", "jaxtyping", "tidemask"}


@pytest.mark.slow
def test_imports_of_light_modules_load_no_torch() -> None:
    code = """
import sys, tidemask, tidemask.cli.app, tidemask.report.compare
import tidemask.report.figures.ratio_curves
sys.exit(bool({"torch", "transformers"} & {*sys.modules}))
"""
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
