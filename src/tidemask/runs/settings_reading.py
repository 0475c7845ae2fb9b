"""Settings of any kind from files and overrides; all problems together, by dotted path."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tidemask.errors import UserError
from tidemask.reading import read_yaml
from tidemask.runs.config_problems import described
from tidemask.runs.overrides import Overrides, apply_overrides, as_settings

_T = TypeVar("_T")


def load_settings(kind: type[_T], overrides: Overrides, origin: str) -> _T:
    """Settings of any kind, with overrides applied over their defaults.

    Args:
        kind: a dataclass of settings.
        overrides: settings over the defaults.
        origin: what a message calls them.

    Raises:
        UserError: unknown keys, wrong types or values outside their range, all named together.
    """
    settings, raw = as_settings(overrides), dict[str, Any]()
    apply_overrides(kind, raw, settings)
    return checked_overrides(kind, raw, {}, settings, origin)


def read_settings(
    kinds: Mapping[str, type[_T]],
    path: Path,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
) -> _T:
    """Settings from a YAML file, of one of several kinds that its field `kind` tells apart.

    Args:
        kinds: by the value of that field; the first where it is missing.
        path: the file.
        defaults: by section, what its fields are where the file does not say.

    Raises:
        UserError: the file is missing, damaged, or holds settings that are wrong.
    """
    raw = read_yaml(path)
    for section, fields in (defaults or {}).items():
        own = raw.get(section)
        if own is None or isinstance(own, dict):
            raw[section] = {**fields, **(own or {})}
    name = raw.get("kind", next(iter(kinds)))
    if not isinstance(name, str) or name not in kinds:
        raise UserError(
            f"wrong configuration in {path}: kind={name}. Expected one of {', '.join(kinds)}."
        )
    return checked_settings(kinds[name], raw, str(path))


def checked_settings(kind: type[_T], raw: dict[str, Any], origin: str) -> _T:
    """Settings made of plain values.

    Args:
        kind: a dataclass of settings.
        raw: as a file holds them.
        origin: what a message calls them.

    Raises:
        UserError: unknown keys, wrong types or values outside their range, all named together.
    """
    try:
        plain = json.dumps(raw, default=str)
    except ValueError as error:
        raise _WrongConfigurationError(origin, [f"{error}."]) from error
    try:
        checked: _T = _adapter(kind).validate_json(plain, strict=True)  # type: ignore[arg-type]
    except ValidationError as error:
        raise _WrongConfigurationError(origin, described(kind, raw, error.errors())) from error
    return checked


def checked_overrides(
    kind: type[_T],
    raw: dict[str, Any],
    before: dict[str, Any],
    overrides: Sequence[str],
    origin: str,
) -> _T:
    """Settings with overrides over them; what was right without these is said to be wrong in them.

    Args:
        kind: a dataclass of settings.
        raw: plain values, with the overrides.
        before: the same without them.
        overrides: as `section.field=value`.
        origin: what a message calls the settings without them.

    Raises:
        UserError: as `checked_settings`; a `WrongOverridesError` names the overrides, and `origin`
            for what was wrong without them.
    """
    try:
        return checked_settings(kind, raw, origin)
    except _WrongConfigurationError as error:
        inherited = _problems(kind, before)
        given = [problem for problem in error.problems if problem not in inherited]
        if not given or not overrides:
            raise
        others = [problem for problem in error.problems if problem in inherited]
        besides = f" Besides, in {origin}: {' '.join(others)}" if others else ""
        problem = f"{_concerned(overrides, given)}{' '.join(given)}{besides}"
        raise WrongOverridesError(problem) from error


def _concerned(overrides: Sequence[str], problems: Sequence[str]) -> str:
    """The overrides that problems are about, in front of them, where they do not show them."""
    text = " ".join(problems)
    paths = {override: override.partition("=")[0].strip() for override in overrides}
    concerned = [override for override, path in paths.items() if path in text] or overrides
    named = [override for override in concerned if f"{paths[override]}=" not in text]
    return f"{' '.join(named)}: " if named else ""


class WrongOverridesError(UserError):
    """What is wrong with overrides, which were given on the command line unless a caller knows.

    Attributes:
        problem: what is wrong with which of them, without where they stand.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"wrong setting on the command line (`overrides` in Python): {problem}")
        self.problem = problem


class _WrongConfigurationError(UserError):
    """What is wrong with a configuration, a sentence or two for each problem."""

    def __init__(self, origin: str, problems: Sequence[str]) -> None:
        super().__init__(f"wrong configuration in {origin}: {' '.join(problems)}")
        self.problems = problems


def _problems(kind: type, raw: dict[str, Any]) -> Sequence[str]:
    """What is wrong with settings; nothing if they can be used."""
    try:
        checked_settings(kind, raw, "")
    except _WrongConfigurationError as error:
        return error.problems
    return []


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """The validator of a class of settings; building one takes longer than validating with it."""
    return TypeAdapter(kind)
