"""The base of every component's settings, and the checks of single values that callers give.

A configuration file is checked by pydantic before settings are made from it. Settings and arguments
that are written in Python are checked here, with the same outcome: a `ValueError` of one line.
Numbers, truth values and texts of NumPy and torch are Python's own from here on.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import operator
import reprlib
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

MAX_INTEGER = 1 << 53
"""No setting is a larger integer; floats and native code would take some of them for others."""

MAX_STEPS = 1 << 32
"""Of a run; a step's number is a part of the key of its draws, with 32 bits."""

MAX_BATCH = 1 << 16
"""Of sequences, micro-batches or tokens of a sequence in one step; more is a slip of the pen."""


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
                raise ValueError(f"{name}={shown(given)}. Expected {_described(kind)}.")
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


def shown(value: object) -> str:
    """A value in a message: in one line, and cut where it is long."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        is_short = abs(value) < 1 << 128  # Python refuses to write thousands of digits
        return (
            str(value) if is_short else f"about {'-' * (value < 0)}1e{int(math.log10(abs(value)))}"
        )
    return " ".join(reprlib.repr(value).split())


def python_value(value: Any) -> Any:
    """A scalar of NumPy or torch as Python's own number, truth value or text; others as they are.

    An array without dimensions is a scalar, one with a single element is none, and neither is one
    without a value: masked, or on torch's device `meta`. A float of more digits is rounded.

    Example:
        >>> import numpy as np
        >>> python_value(np.float32(0.5)), python_value(np.array(3)), python_value(np.True_)
        (0.5, 3, True)
        >>> python_value(np.array([3]))
        array([3])
    """
    is_scalar = getattr(value, "ndim", None) == 0 and hasattr(value, "item")
    if not is_scalar or getattr(value, "mask", False):
        return value
    try:
        own = value.item()
    except RuntimeError:  # torch's, of a tensor without a value
        return value
    is_longer = hasattr(own, "dtype") and isinstance(own, numbers.Real)  # `np.longdouble`
    return float(own) if is_longer else own


def is_number(value: object) -> bool:
    """Whether a value is a real number, of whatever library; true and false are none."""
    number = python_value(value)
    return isinstance(number, numbers.Real) and not isinstance(number, bool)


def check_integer(
    name: str, value: object, *, minimum: int, below: int | None = None, what: str = "an integer"
) -> int:
    """Refuse what is no integer, and one outside its range.

    Args:
        name: of the argument or field.
        value: what was given for it; integers of NumPy and torch are integers, true is none.
        minimum: lowest value.
        below: lowest value that is too large; `None` if there is none.
        what: what the message calls it.

    Returns:
        The value as Python's own integer.

    Raises:
        ValueError: names the value and the range.

    Example:
        >>> check_integer("max_steps", 5.5, minimum=1)
        Traceback (most recent call last):
        ValueError: max_steps=5.5. Expected an integer of at least 1.
    """
    integer = _as_integer(value)
    if integer is None or integer < minimum or (below is not None and integer >= below):
        allowed = f"of at least {minimum}" if below is None else f"from {minimum} to {_last(below)}"
        raise ValueError(f"{name}={shown(value)}. Expected {what} {allowed}.")
    return integer


def check_share(name: str, value: float) -> float:
    """Refuse a share outside [0, 1]; as Python's own number it is returned.

    Raises:
        ValueError: `value` is not a number in [0, 1]; the message names the field.
    """
    number = _as_float(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name}={shown(value)}. Expected a number from 0 to 1.{_meant(value)}")
    return number


def check_at_least(name: str, value: float, minimum: float) -> float:
    """Refuse a number below `minimum`, and an infinite one; as Python's own it is returned.

    Raises:
        ValueError: `value` is smaller than `minimum`, infinite or not a number.
    """
    number = _as_float(value)
    if not minimum <= number < math.inf:
        limit = ", not infinite" if number == math.inf else ""
        raise ValueError(
            f"{name}={shown(value)}. Expected a number of at least {minimum:g}{limit}."
        )
    return number


def check_share_below_one(name: str, value: float) -> float:
    """Refuse a number outside [0, 1); as Python's own it is returned.

    Raises:
        ValueError: `value` is not a number in [0, 1).
    """
    number = _as_float(value)
    if not 0.0 <= number < 1.0:
        raise ValueError(
            f"{name}={shown(value)}. Expected a number from 0 to below 1.{_meant(value)}"
        )
    return number


def _meant(value: object) -> str:
    """A hint for a share written as a percentage, or with its point one place to the right."""
    if not (isinstance(value, int | float) and 1.0 < value <= 100.0):
        return ""
    return f" Did you mean {value / (10 if value < 10 and value % 1 else 100):g}?"


def _last(bound: int) -> str:
    """The largest integer below a bound, as a message writes it."""
    exponent = bound.bit_length() - 1
    is_long = exponent > 20 and bound == 1 << exponent
    return f"2**{exponent} - 1" if is_long else str(bound - 1)


def _as_float(value: Any) -> float:
    """As a float: NaN for what is not a number, infinite for what no float holds."""
    if not is_number(value):
        return math.nan
    number = python_value(value)
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _as_integer(value: Any) -> int | None:
    """`None` for what is no integer: true, 1.0, "1", a tensor of several."""
    value = python_value(value)
    if isinstance(value, bool) or hasattr(value, "ndim"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


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
        integer = _as_integer(value)
        return _UNFIT if integer is None else integer
    if kind is float:
        return _as_float(value) if is_number(value) else _UNFIT
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
