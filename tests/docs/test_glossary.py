"""The glossary: the names that it gives exist, and the words that it rules out do not."""

from __future__ import annotations

import re
from functools import cache

import pytest

from cases import all_cases
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


@pytest.mark.slow
@all_cases("name", NAMES)
def test_glossary_names_in_code_exist(name: str) -> None:
    parts = re.split(r"[/.]", name)
    assert all(re.search(rf"\b{part}(?:\b|(?<=_))", source()) for part in parts)


def test_glossary_terms_have_one_row_each() -> None:
    terms = [term for row in ROWS for term in row[0].split(", ")]
    assert sorted(terms) == sorted(set(terms))


WRONG = sorted({word for *_, words in ROWS for word in re.findall(r"`([^`]+)`", words)} - {
    "mlm_probability",  # the word of another library, for its argument
})  # fmt: skip


@cache
def everything() -> dict[str, str]:
    """What people write in the tree, by file, but for the glossary."""
    folders = ("src", "docs", "tests", "benchmarks", "examples")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in [*ROOT.glob("*.md"), *paths]
        if path.suffix in {".py", ".md", ".yaml", ".jinja", ".css", ".js"}
        and path.name != "glossary.md"
    }


@cache
def everything_in_small_letters() -> dict[str, str]:
    """The same, for the quick search of a text before that of a word."""
    return {name: text.lower() for name, text in everything().items()}


@all_cases("word", WRONG)
def test_glossary_words_that_are_ruled_out_occur_nowhere(word: str) -> None:
    """In any case, but for words with capitals, which are names."""
    end = "" if word.endswith("_") else "(?![a-zA-Z])"
    pattern = re.compile(f"(?<![a-zA-Z]){word}{end}", re.IGNORECASE if word.islower() else 0)
    near = [name for name, text in everything_in_small_letters().items() if word.lower() in text]
    assert [name for name in near if pattern.search(everything()[name])] == []
