"""The base of every component's settings."""

import math
from typing import Annotated, Any, ClassVar, get_args


class Settings:
    """Marks a frozen dataclass as settings that a configuration file may set.

    Unknown keys are errors. The mark is a plain mapping that pydantic reads (`config.py`), so a
    component that owns settings need not import it.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


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


def check_share(name: str, value: float) -> None:
    """Refuse a share outside [0, 1].

    Raises:
        ValueError: `value` is not a number in [0, 1]; the message names the field.
    """
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}={value:g}. Expected a number in [0, 1].{_share_meant(value)}")


def check_at_least(name: str, value: float, minimum: float) -> None:
    """Refuse a number below `minimum`, and an infinite one.

    Raises:
        ValueError: `value` is smaller than `minimum`, infinite or not a number.
    """
    if not minimum <= value < math.inf:
        raise ValueError(f"{name}={value:g}. Expected a number of at least {minimum:g}.")


def check_share_below_one(name: str, value: float) -> None:
    """Refuse a number outside [0, 1).

    Raises:
        ValueError: `value` is not a number in [0, 1).
    """
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name}={value:g}. Expected a number in [0, 1).{_share_meant(value)}")


def _share_meant(value: float) -> str:
    """A hint for a share written as a percentage, or with its point one place to the right."""
    slipped = value / (10 if value < 10 and value % 1 else 100)
    return f" Did you mean {slipped:g}?" if 1.0 < value <= 100.0 else ""
