"""The tree of the package with one line a file, as CONTRIBUTING shows it.

python tests/support/source_tree.py      writes it there, from the first sentences of docstrings
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from places import ROOT

PAGE = ROOT / "CONTRIBUTING.md"
PACKAGE = ROOT / "src" / "tidemask"
_PATH_OF_THE_DATA = ("corpus", "masking", "batches", "modeling", "training", "tasks", "runs",
                     "evaluation", "statistics", "studies", "report", "cli")  # fmt: skip
_BLOCK = re.compile(r"(?<=```text\n).*?(?=```)", re.DOTALL)


def source_tree() -> str:
    """A line for each module and each folder: its name and the first sentence of its docstring."""
    return "".join(f"{line}\n" for line in _lines(PACKAGE, 0))


def _lines(folder: Path, depth: int) -> Iterator[str]:
    modules = sorted(path for path in folder.glob("*.py") if depth == 0 or path.stem != "__init__")
    folders = sorted((path.parent for path in folder.glob("*/__init__.py")), key=_place)
    for path in [*folders, *modules] if depth == 0 else [*modules, *folders]:
        name = f"{'  ' * depth}{path.name}{'/' * path.is_dir()}"
        yield f"{name:25} {_summary(path / '__init__.py' if path.is_dir() else path)}"
        if path.is_dir():
            yield from _lines(path, depth + 1)


def _place(folder: Path) -> tuple[int, str]:
    known = folder.name in _PATH_OF_THE_DATA
    return _PATH_OF_THE_DATA.index(folder.name) if known else 99, folder.name


def _summary(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def shown_tree() -> str:
    """The tree that CONTRIBUTING shows."""
    found = _BLOCK.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None, f"{PAGE} has no block of text"
    return found.group()


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_BLOCK.sub(lambda _: source_tree(), text, count=1), encoding="utf-8")
