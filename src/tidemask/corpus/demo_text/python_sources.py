"""The Python sources that every installation of tidemask carries, and their docstrings.

These are the standard library's and those of the distributions that tidemask requires, directly
or not; what else a user has installed does not count. Sources are read, never imported. A file
that cannot be read or parsed is skipped.
"""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import re
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

STANDARD_LIBRARY = "python"
"""Name of the package that stands for the whole standard library."""

_LEFT_OUT = re.compile(r"tests?|testing|_?vendor(ed)?|site-packages|dist-packages|idlelib|lib2to3")
"""Names of directories whose text is not documentation, or is another package's."""


@dataclass(frozen=True, order=True)
class SourceFile:
    """A Python source file.

    Attributes:
        package: top-level package or module that it belongs to.
        path: its place relative to the directory of all packages, the same in every installation.
        location: the file itself.
    """

    package: str
    path: str
    location: Path


def python_sources(distribution: str) -> list[SourceFile]:
    """Sources of the standard library and of all that `distribution` requires, in order of name.

    The distribution itself is not among them.
    """
    root = Path(sysconfig.get_path("stdlib"))
    found = {
        SourceFile(STANDARD_LIBRARY, path.relative_to(root).as_posix(), path)
        for path in root.rglob("*.py")
    }
    for required in required_distributions(distribution):
        for file in required.files or []:
            path = PurePosixPath(file.as_posix())
            if path.suffix == ".py" and ".." not in path.parts:
                package = path.parts[0].removesuffix(".py")
                found.add(SourceFile(package, path.as_posix(), Path(str(file.locate()))))
    return sorted(file for file in found if not _is_left_out(PurePosixPath(file.path)))


def required_distributions(distribution: str) -> list[importlib.metadata.Distribution]:
    """The installed distributions in the closure of the requirements of `distribution`.

    Requirements of extras are not followed, nor are those that are not installed.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    names = _requirements(importlib.metadata.distribution(distribution))
    while names:
        name = names.pop()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        names += _requirements(found[name])
    found.pop(_normalised(distribution), None)
    return [found[name] for name in sorted(found)]


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


def _requirements(distribution: importlib.metadata.Distribution) -> list[str]:
    names = []
    for requirement in distribution.requires or []:
        name = re.match(r"[\w.-]+", requirement)
        if name and "extra" not in requirement.partition(";")[2]:
            names.append(_normalised(name[0]))
    return names


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_left_out(path: PurePosixPath) -> bool:
    directories = path.parts[:-1]
    return path.name.startswith("test_") or any(map(_LEFT_OUT.fullmatch, directories))
