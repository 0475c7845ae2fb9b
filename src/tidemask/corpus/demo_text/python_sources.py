"""The sources of Python's standard library, and the prose in them: docstrings and comments.

Every installation of one version of Python carries the same. What distributions package apart
(Tk, the editor, the tests) is left out, so that the text does not depend on who built Python.
Sources are read, never imported. A file that cannot be read or parsed is skipped.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LEFT_OUT = re.compile(
    r"tests?|testing|_?vendor(ed)?|site-packages|dist-packages|__pycache__"  # no documentation
    r"|distutils|ensurepip|idlelib|lib2to3|tkinter|turtle(demo|\.py)|_sysconfigdata.*"
)
"""Names of files and directories whose text is none, is another package's, or may be missing."""

_COMMENTS = re.compile(r"(?:^[ \t]*#[^\n]*\n)+", re.MULTILINE)
_SIGN = re.compile(r"^[ \t]*#+!? ?", re.MULTILINE)


@dataclass(frozen=True, order=True)
class SourceFile:
    """A source file of the standard library.

    Attributes:
        package: top-level package or module that it belongs to.
        path: its place relative to the directory of the library, the same in every installation.
        location: the file itself.
    """

    package: str
    path: str
    location: Path


def python_sources() -> list[SourceFile]:
    """Sources of the standard library, in order of their names."""
    root = Path(sysconfig.get_path("stdlib"))
    found = []
    for place, directories, names in os.walk(root):
        directories[:] = [name for name in directories if not _LEFT_OUT.fullmatch(name)]
        for name in names:
            if name.endswith(".py") and not _LEFT_OUT.fullmatch(name):
                path = (Path(place) / name).relative_to(root)
                package = path.parts[0].removesuffix(".py")
                found.append(SourceFile(package, path.as_posix(), root / path))
    return sorted(found)


def docstrings(source: bytes) -> Iterator[str]:
    """Docstrings of a module, its classes and its functions, in the order of the source.

    Empty if it cannot be parsed. Functions within functions are skipped.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as invalid escapes in other people's code
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    waiting: list[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef] = [tree]
    while waiting:
        node = waiting.pop()
        docstring = ast.get_docstring(node, clean=False)
        if docstring:
            yield inspect.cleandoc(docstring)
        if isinstance(node, ast.Module | ast.ClassDef):
            waiting += [
                child
                for child in reversed(node.body)
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            ]


def comments(source: bytes) -> Iterator[str]:
    """Comments that have lines of their own, as many lines together as follow one another."""
    for block in _COMMENTS.findall(source.decode("utf-8", errors="replace")):
        yield inspect.cleandoc(_SIGN.sub("", block))
