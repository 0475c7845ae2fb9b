"""Settings of any kind from files and overrides; all problems together, by dotted path."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    raw: dict[str, Any] = {}
    apply_overrides(kind, raw, as_settings(overrides))
    return checked_settings(kind, raw, origin)


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
        raise UserError(f"wrong configuration in {origin}: {error}.") from error
    try:
        checked: _T = _adapter(kind).validate_json(plain, strict=True)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = " ".join(described(kind, raw, error.errors()))
        raise UserError(f"wrong configuration in {origin}: {problems}") from error
    return checked


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """The validator of a class of settings; building one takes longer than validating with it."""
    return TypeAdapter(kind)
