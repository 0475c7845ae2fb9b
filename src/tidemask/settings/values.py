"""Checks of single values that callers give: numbers in their range, and how a message shows them.

Numbers, truth values and texts of NumPy and torch are Python's own from here on.
"""

from __future__ import annotations

import math
import numbers
import operator
import reprlib
from typing import Any

MAX_STEPS = 1 << 32
"""Of a run; a step's number is a part of the key of its draws, with 32 bits."""

MAX_BATCH = 1 << 16
"""Of sequences, micro-batches or tokens of a sequence in one step; more is a slip of the pen."""


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


def shown_as_typed(value: object) -> str:
    """`shown` where the type is wrong: a whole number with a point is no integer."""
    return float.__repr__(value) if isinstance(value, float) else shown(value)


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
    integer = as_integer(value)
    if integer is None or integer < minimum or (below is not None and integer >= below):
        allowed = f"of at least {minimum}" if below is None else f"from {minimum} to {_last(below)}"
        seen = shown_as_typed(value) if integer is None else shown(value)
        raise ValueError(f"{name}={seen}. Expected {what} {allowed}.")
    return integer


def check_share(name: str, value: float) -> float:
    """Refuse a share outside [0, 1]; as Python's own number it is returned.

    Raises:
        ValueError: `value` is not a number in [0, 1]; the message names the field.
    """
    number = as_float(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name}={shown(value)}. Expected a number from 0 to 1.{_meant(value)}")
    return number


def check_at_least(name: str, value: float, minimum: float) -> float:
    """Refuse a number below `minimum`, and an infinite one; as Python's own it is returned.

    Raises:
        ValueError: `value` is smaller than `minimum`, infinite or not a number.
    """
    number = as_float(value)
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
    number = as_float(value)
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


def as_float(value: Any) -> float:
    """As a float: NaN for what is not a number, infinite for what no float holds."""
    if not is_number(value):
        return math.nan
    number = python_value(value)
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def as_integer(value: Any) -> int | None:
    """`None` for what is no integer: true, 1.0, "1", a tensor of several."""
    value = python_value(value)
    if isinstance(value, bool) or hasattr(value, "ndim"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
