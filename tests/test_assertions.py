"""Assertions do nothing beside: a program that runs without them (`python -O`) does the same."""

from __future__ import annotations

import ast
import subprocess
import sys

from places import ROOT

HARMLESS = {"isinstance", "len"}


def test_assertions_call_nothing_that_has_an_effect() -> None:
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                parts = [part for part in ast.walk(node.test) if isinstance(part, ast.Call)]
                called = {ast.unparse(part.func) for part in parts}
                bound = any(isinstance(part, ast.NamedExpr) for part in ast.walk(node.test))
                if called - HARMLESS or bound:
                    found.append(f"{path.relative_to(ROOT)}, line {node.lineno}")
    assert not found


def test_assertions_may_be_left_out() -> None:
    program = "from tidemask import load_recipe; print(load_recipe('bert').name, __debug__)"
    done = subprocess.run(
        [sys.executable, "-O", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("bert False\n", 0), done.stderr
