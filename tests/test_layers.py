"""Imports point one way along the path of the data, and the package is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tidemask

ROOT = Path(tidemask.__file__).parent

LEAVES = {
    "errors", "settings", "token_classes", "batch", "noise", "run_record", "process_end", "",
}  # fmt: skip
_TRAINING = {"batching", "masking", "modeling", "run_record", "batch", "noise", "token_classes"}

ARROWS: dict[str, set[str]] = {
    **{leaf: set() for leaf in LEAVES},
    "corpus": {"token_classes"},
    "batching": {"corpus", "batch", "noise"},
    "masking": {"batch", "token_classes", "noise"},
    "collation": {"batch", "noise", "token_classes"},
    "step_clock": set(),
    "collator": {"batch", "collation", "step_clock", "masking", "noise"},
    "linear_cross_entropy": {"batch"},
    "modeling": {"linear_cross_entropy"},
    "training": _TRAINING | {"collator", "linear_cross_entropy"},
    "evaluation": _TRAINING | {"corpus"},
    "report": {"run_record", "token_classes"},
    "config_problems": {"masking"},
    "config": {"config_problems", "masking", "modeling", "training", "evaluation"},
    "material": {"config", "corpus", "batching", "masking", "modeling", "run_record"},
    "starting": {"material", "config", "corpus", "modeling", "training"},
    "measuring": {"material", "config", "evaluation", "modeling", "run_record", "training"},
    "corpus_tasks": {"material", "measuring", "starting", "corpus", "evaluation", "modeling"}
    | {"run_record"},
    "measured_models": {"config", "evaluation", "run_record"},
    "evaluation_units": {"evaluation", "run_record"},
    "side_by_side": {"evaluation_units", "training"},
    "evaluating": {
        "evaluation_units",
        "side_by_side",
        "measured_models",
        "corpus_tasks",
        "measuring",
        "config",
    }
    | {"evaluation", "modeling", "run_record", "training"},
    "evaluation_text": {"evaluation_units", "evaluation", "results_text", "terminal"},
    "evaluation_command": {"evaluating", "evaluation", "evaluation_text", "evaluation_units"}
    | {"terminal", "training_command"},
    "watching": {"material", "measuring", "config", "evaluation", "modeling", "run_record"}
    | {"training"},
    "model_card": {"config", "corpus", "masking", "run_record", ""},
    "run_creation": {"material", "starting", "config", "corpus", "run_record", "training"},
    "run": {"material", "measuring", "starting", "config", "corpus", "modeling", "run_record"}
    | {"training", "watching", "model_card"},
    "training_command": {"material", "process_end", "results_text", "run", "run_record"}
    | {"terminal", "training"},
    "scoring_command": {"evaluation", "measured_models", "terminal"},
    "preview": {"material", "config", "corpus", "batch", "masking", "noise", "run_record"}
    | {"token_classes"},
    "recipe_figure": {"config", "report"},
    "progress_line": {"run_record"},
    "terminal": {"progress_line"},
    "preview_text": {"preview"},
    "results_text": {"run_record", "terminal"},
    "comparison_text": {"report", "run_record", "terminal"},
    "demo": {"corpus", "report", "run_record", "terminal"},
    "cli": {
        "terminal",
        "comparison_text",
        "demo",
        "run_creation",
        "training_command",
        "scoring_command",
        "corpus",
        "config",
        "run",
        "material",
        "evaluation_command",
        "report",
    }
    | {"preview", "preview_text", "results_text", "masking", "recipe_figure", "run_record"}
    | {"process_end", "training"},
    "__main__": {"cli"},
}
"""What each module or folder may import besides itself, `errors` and `settings`."""

KNOW_TRANSFORMERS = {"material.py", "starting.py"}


def _area(module: str) -> str:
    return module.removeprefix("tidemask").removeprefix(".").partition(".")[0]


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    if path == ROOT / "__init__.py":
        return  # re-exports lazily
    area = path.relative_to(ROOT).parts[0].removesuffix(".py")
    allowed = ARROWS[area] | {area, "errors", "settings"}
    used = {_area(name) for name in _imports(path) if name.split(".")[0] == "tidemask"}
    assert used <= allowed, f"{path.name} imports {sorted(used - allowed)}"


def test_imports_have_no_cycle_between_areas() -> None:
    done: set[str] = set()
    left = dict(ARROWS)
    while left:
        free = {area for area, needs in left.items() if needs <= done | {area}}
        assert free, f"a cycle among {sorted(left)}"
        done |= free
        left = {area: needs for area, needs in left.items() if area not in free}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_of_transformers_stay_where_they_belong(path: Path) -> None:
    uses = any(name.split(".")[0] == "transformers" for name in _imports(path))
    place = path.relative_to(ROOT)
    known = (
        place.parts[0] in {"modeling", "training", "evaluation"} or place.name in KNOW_TRANSFORMERS
    )
    known |= (place.parts[0] == "corpus" and "token" in place.name) or place.name == "wordpiece.py"
    assert known or not uses


@pytest.mark.parametrize("path", sorted((ROOT / "masking").glob("*.py")), ids=lambda p: p.name)
def test_imports_of_the_heart_are_torch_and_the_standard_library(path: Path) -> None:
    roots = {name.split(".")[0] for name in _imports(path)}
    assert roots - set(sys.stdlib_module_names) <= {"torch", "jaxtyping", "tidemask"}


@pytest.mark.parametrize("module", ["tidemask", "tidemask.cli", "tidemask.report.compare"])
def test_imports_of_light_modules_load_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
