"""Text of the program as Markdown: what stands between backquotes is code, all else is plain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def markdown(text: str) -> str:
    r"""Prose of a docstring or a help text, in one line, with what Markdown would read escaped.

    Example:
        >>> from reference_text import markdown
        >>> print(markdown("Files (*.txt) of `a_b*`, see [1]\nin <x>."))
        Files (\*.txt) of `a_b*`, see \[1\] in \<x\>.
    """
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") and len(part) > 1 else re.sub(r"([\\*_<>\[\]])", r"\\\1", part)
        for part in parts
    )


def code(text: object) -> str:
    """A value as code, or nothing where there is none."""
    return f"`{text}`" if str(text) else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; bars in its cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells) + "\n"
