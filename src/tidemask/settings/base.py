"""The base of every component's settings: whether each field holds what it declares.

A configuration file is checked by pydantic before settings are made from it. Settings that are
written in Python are checked here, with the same outcome: a `ValueError` of one line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from tidemask.settings.values import (
    as_float,
    as_integer,
    is_number,
    python_value,
    shown,
    shown_as_typed,
)

MAX_INTEGER = 1 << 53
"""No setting is a larger integer; floats and native code would take some of them for others."""


class Settings:
    """Marks a frozen dataclass as settings that a configuration file may set.

    Unknown keys are errors. The mark is a plain mapping that pydantic reads (`config.py`), so a
    component that owns settings need not import it.

    Raises:
        ValueError: a field of another type than it declares, or a giant integer. A value of
            another library becomes Python's own (`python_value`), and a list becomes a tuple, so
            that settings can be written and hashed.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        settings: Any = type(self)
        for name, kind in _field_types(settings).items():
            given = getattr(self, name)
            fitted = _fitted(given, kind)
            if fitted is _UNFIT:
                raise ValueError(f"{name}={shown_as_typed(given)}. Expected {_described(kind)}.")
            if isinstance(fitted, int) and abs(fitted) >= MAX_INTEGER:
                raise ValueError(f"{name}={shown(given)}. Expected a number below 2**53.")
            object.__setattr__(self, name, fitted)


class OneOf:
    """Marks a union of settings that one field tells apart: `Annotated[A | B, OneOf("kind")]`.

    pydantic calls the mark when it builds its checker, so a component need not import it.

    Args:
        field: a `Literal` in every member, with its own value as the default.
    """

    def __init__(self, field: str) -> None:
        self.field = field

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """The checker of the union: the field chooses the member."""
        from pydantic import Field

        return handler(Annotated[source, Field(discriminator=self.field)])


def members(union: Any) -> dict[str, Any]:
    """The members of a union that `OneOf` marks, by the value that tells each apart."""
    kinds, mark = get_args(union)
    return {getattr(kind, mark.field): kind for kind in get_args(kinds)}


_UNFIT = object()
"""What a value of another type fits to."""

_PLAIN = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}


@cache
def _field_types(settings: Any) -> dict[str, Any]:
    """The types of the fields of a class of settings, by name."""
    hints = get_type_hints(settings)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings)}


def _fitted(value: Any, kind: Any) -> Any:
    """The value as one of a type that settings use, or `_UNFIT`."""
    value = python_value(value)
    origin, members = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        fitting = (_fitted(value, member) for member in members)
        return next((fitted for fitted in fitting if fitted is not _UNFIT), _UNFIT)
    if origin is Literal:
        return next((m for m in members if type(m) is type(value) and m == value), _UNFIT)
    if origin is tuple:
        return _fitted_tuple(value, members[0])
    if origin is dict:
        return _fitted_dict(value, *members)
    if kind is int:
        integer = as_integer(value)
        return _UNFIT if integer is None else integer
    if kind is float:
        return as_float(value) if is_number(value) else _UNFIT
    return value if kind is Any or isinstance(value, kind) else _UNFIT


def _fitted_tuple(values: Any, kind: Any) -> Any:
    if not isinstance(values, tuple | list):
        return _UNFIT
    fitted = tuple(_fitted(value, kind) for value in values)
    return _UNFIT if _UNFIT in fitted else fitted


def _fitted_dict(values: Any, key_kind: Any, value_kind: Any) -> Any:
    if not isinstance(values, Mapping):
        return _UNFIT
    fitted = {_fitted(k, key_kind): _fitted(v, value_kind) for k, v in values.items()}
    return _UNFIT if any(_UNFIT in item for item in fitted.items()) else fitted


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Settings)


def _described(kind: Any) -> str:
    """A type in the words of a message."""
    origin, members = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ("one of " if len(members) > 1 else "") + ", ".join(map(str, members))
    if origin in (Union, UnionType):
        classes = [_described(member) for member in members if _is_settings(member)]
        others = [_described(m) for m in members if not _is_settings(m)]
        several = "one of " if len(classes) > 1 else ""
        return " or ".join([*others, *([several + ", ".join(classes)] if classes else [])])
    if origin is tuple:
        return f"a list, each of it {_described(members[0])}"
    if origin is dict:
        return f"a mapping to {_described(members[1])}"
    return "None" if kind is NoneType else _PLAIN.get(kind, getattr(kind, "__name__", str(kind)))
