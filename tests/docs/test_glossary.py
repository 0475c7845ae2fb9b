"""The glossary: the names that it gives exist."""

from __future__ import annotations

import re
from functools import cache

import pytest

from places import ROOT

PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [
    tuple(cell.strip() for cell in row.split("|"))
    for row in re.findall(r"^\| (?!term )(.*) \|$", PAGE, flags=re.MULTILINE)
]
NAMES = sorted({name for _, _, names, _ in ROWS for name in re.findall(r"`([^`]+)`", names)})


@cache
def source() -> str:
    """All code of the package and the benchmarks, with the paths of its files."""
    paths = [path for name in ("src", "benchmarks") for path in sorted((ROOT / name).rglob("*.py"))]
    return "\n".join(f"{path} {path.read_text(encoding='utf-8')}" for path in paths)


@pytest.mark.parametrize("name", NAMES)
def test_glossary_names_in_code_exist(name: str) -> None:
    parts = re.split(r"[/.]", name)
    assert all(re.search(rf"\b{part}(?:\b|(?<=_))", source()) for part in parts)


def test_glossary_terms_have_one_row_each() -> None:
    terms = [term for row in ROWS for term in row[0].split(", ")]
    assert sorted(terms) == sorted(set(terms))
