"""A function of a user's own as a source: it says which stretches of a text have which value."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tidemask.annotation.source import DocumentTokens, SourceError, SourceRequest
from tidemask.annotation.spans import TextSpan, span_values
from tidemask.errors import UserError, one_line
from tidemask.files.paths import check_utf8
from tidemask.settings import is_number, python_value, shown
from tidemask.system_errors import raise_out_of_memory
from tidemask.token_classes import MAX_WEIGHT, NO_CLASS, ColumnKind

_EXPECTED: dict[ColumnKind, str] = {
    "class": "(begin, end, name of a class)",
    "weight": "(begin, end, weight)",
    "group": "(begin, end)",
}


@dataclass(frozen=True)
class PythonSource:
    """A function of a text that gives spans of it, by the name of its module.

    For a column of classes the function has an attribute `class_names`.

    Attributes:
        name: as it was asked for, `python:MODULE:FUNCTION`.
        kind: what the column holds.
        class_names: of the function.
        fingerprint: of the source code of its module, and of modules beside that it imports.
    """

    name: str
    kind: ColumnKind
    class_names: tuple[str, ...]
    fingerprint: str
    reads_texts: bool = True
    max_workers: int | None = None

    @classmethod
    def of(cls, request: SourceRequest) -> PythonSource:
        """The function that is the argument.

        Raises:
            UserError: there is none, it does not say its classes, or the name of one is not UTF-8.
        """
        kind = request.kind_among("class", "weight", "group")
        function = _loaded(request.name)
        class_names: tuple[str, ...] = ()
        if kind == "class":
            given = getattr(function, "class_names", None)
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise UserError(
                    f"no names of classes: {request.name} has class_names={shown(given)}. Expected "
                    "a list of names as an attribute of the function, or another --kind."
                )
            class_names = tuple(map(str, given))
            if not 0 < len(set(class_names)) == len(class_names) <= NO_CLASS:
                raise UserError(
                    f"unusable names of classes: {request.name} has {len(class_names)}. Expected 1 "
                    f"to {NO_CLASS} different ones."
                )
            for class_name in class_names:
                check_utf8(class_name, f"class_names of {request.name}", "Rename the class.")
        return cls(request.name, kind, class_names, _code_of(function, request.name))

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[Any]]:
        """The values of the spans that the function finds.

        Raises:
            SourceError: it fails, or returns something else.
        """
        return [
            span_values(document, self._spans(document), self.kind, self.name)
            for document in documents
        ]

    def _spans(self, document: DocumentTokens) -> list[TextSpan]:
        where = f"{self.name} for {document.source}, place {document.place}"
        try:
            found = list(self._function(document.text))
        except (Exception, SystemExit) as error:  # whatever somebody's code raises
            raise_out_of_memory(error)
            raise SourceError(
                f"a function failed: {where}: {type(error).__name__}: {one_line(error)}. "
                "Correct it."
            ) from error
        return [self._checked(span, where) for span in found]

    def _checked(self, given: Any, where: str) -> TextSpan:
        span = tuple(map(python_value, given)) if isinstance(given, Sequence) else ()
        size = 2 if self.kind == "group" else 3
        is_one = len(span) == size and all(type(offset) is int for offset in span[:2])
        value: Any = span[2] if is_one and size == 3 else 0
        if self.kind == "class":
            is_one = is_one and value in self.class_names
            value = self.class_names.index(value) if is_one else 0
        elif self.kind == "weight":
            is_one = is_one and is_number(value) and 0.0 <= value <= MAX_WEIGHT
        if not is_one:
            among = f", one of {', '.join(self.class_names)}" if self.kind == "class" else ""
            raise SourceError(
                f"a function returned another shape: {where}: {shown(given)}. Expected "
                f"{_EXPECTED[self.kind]}{among} for each span."
            )
        return TextSpan(span[0], span[1], value)

    @cached_property
    def _function(self) -> Callable[[Any], Any]:
        return _loaded(self.name)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_function"}


def _loaded(name: str) -> Callable[[Any], Any]:
    """The function of a name `python:MODULE:FUNCTION`; modules are looked for here too."""
    module, _, attribute = name.partition(":")[2].partition(":")
    if not module or not attribute:
        raise UserError(
            f"unreadable source: {name!r}. Expected python:MODULE:FUNCTION, such as "
            "python:my_terms:find."
        )
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109  # what is searched are texts
        sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # whatever somebody's module raises
        raise_out_of_memory(error)
        raise UserError(
            f"source that cannot be loaded: {name}: {type(error).__name__}: {one_line(error)}. "
            "Check the names of the module and of its function."
        ) from error
    if not callable(function):
        raise UserError(f"no function: {name} is {shown(function)}. Expected a function of a text.")
    loaded: Callable[[Any], Any] = function
    return loaded


def _code_of(function: Callable[[Any], Any], name: str) -> str:
    """A fingerprint of the module that a function is of, with those beside it that it imports.

    It is of the name alone where there is no source.
    """
    digest = hashlib.sha256()
    try:
        module = inspect.getmodule(function) or sys.modules[__name__]
        waiting, beside = [inspect.getsource(module).encode()], Path(inspect.getfile(module)).parent
    except (OSError, TypeError):
        return f"{name} {digest.hexdigest()}"
    known: set[str] = set()
    while waiting:
        code = waiting.pop()
        digest.update(code)
        for imported in _imports(code):
            path = beside / f"{imported}.py"
            if imported not in known and path.is_file():
                waiting.append(path.read_bytes())
            known.add(imported)
    return f"{name} {digest.hexdigest()}"


def _imports(code: bytes) -> list[str]:
    """The last parts of all names that a module imports, wherever in it; none if it is no Python.

    Example:
        >>> _imports(b"import a.b; from .c import d")
        ['b', 'c', 'd']
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # about the code, which runs as it is
            nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError):
        return []
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return sorted({each.rpartition(".")[2] for each in names} - {"", "*"})
