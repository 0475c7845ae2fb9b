"""Numbers that no float holds, and scalars without a value, are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from cases import all_cases
from tidemask.settings import (
    Settings,
    check_at_least,
    check_integer,
    check_share,
    check_share_below_one,
    python_value,
)

HUGE = 10**5000  # Python refuses to write it


@dataclass(frozen=True)
class OneNumber(Settings):
    """Settings of a single number."""

    size: float = 0.0


CHECKS: dict[str, Callable[[Any], object]] = {
    "check_at_least": lambda value: check_at_least("size", value, 0),
    "check_integer": lambda value: check_integer("size", value, minimum=0, below=100),
    "check_share": lambda value: check_share("size", value),
    "check_share_below_one": lambda value: check_share_below_one("size", value),
    "Settings": lambda value: check_at_least("size", OneNumber(value).size, 0),
}
NO_VALUES = [np.ma.masked, np.ma.array(3, mask=True), torch.tensor(3, device="meta")]


@all_cases("value", [HUGE, -HUGE, Fraction(HUGE), 10**400, *NO_VALUES], ids=lambda v: type(v))
@all_cases("check", CHECKS)
def test_settings_refuse_what_no_float_or_no_value_is_in_one_line(check: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^size=.*\. Expected") as refused:
        CHECKS[check](value)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 200


@dataclass(frozen=True)
class OneCount(Settings):
    """Settings of a single integer."""

    size: int = 0


@pytest.mark.parametrize("value", [32.0, np.float64(32.0)])
def test_settings_show_what_is_wrong_with_a_whole_number_that_is_no_integer(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^size=32\.0\. Expected an integer from 0 to 99\.$"):
        check_integer("size", value, minimum=0, below=100)
    with pytest.raises(ValueError, match=r"^size=32\.0\. Expected an integer\.$"):
        OneCount(value)


def test_settings_have_scalars_with_a_value_as_pythons_own() -> None:
    for value in (np.longdouble(0.5), np.array(np.longdouble(0.5)), np.ma.array(0.5)):
        assert type(python_value(value)) is float
        assert check_share("size", value) == OneNumber(value).size == 0.5
    for value in NO_VALUES:
        assert python_value(value) is value
