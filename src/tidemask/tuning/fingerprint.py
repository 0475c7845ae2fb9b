"""The fingerprint of settings: of what differs from the defaults, so that a new field is none."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

_NONE = object()


def fingerprint_of(settings: Any) -> str:
    """Hexadecimal digits that are equal where settings are.

    A version that adds a field with a default gives the settings of an earlier one the same.

    Args:
        settings: a dataclass, which may have others in it.

    Example:
        >>> from tidemask.runs.config import load_recipe
        >>> usual = fingerprint_of(load_recipe("bert"))
        >>> usual == fingerprint_of(load_recipe("bert", ["training.max_steps=7"]))
        False
    """
    return hashlib.sha256(json.dumps(_changed(settings), sort_keys=True).encode()).hexdigest()


def _changed(value: Any) -> Any:
    """What differs from the defaults, with the kind of settings that it is."""
    if dataclasses.is_dataclass(value):
        found = {"": type(value).__name__}
        for field in dataclasses.fields(value):
            own = getattr(value, field.name)
            if own != _default(field):
                found[field.name] = _changed(own)
        return found
    if isinstance(value, list | tuple):
        return [_changed(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _changed(one) for name, one in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _NONE
