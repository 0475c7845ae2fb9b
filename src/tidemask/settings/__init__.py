"""What every component's settings share, and the checks of single values that callers give."""

from tidemask.settings.base import OneOf, Settings, members
from tidemask.settings.values import (
    MAX_BATCH,
    MAX_STEPS,
    check_at_least,
    check_integer,
    check_share,
    check_share_below_one,
    is_number,
    python_value,
    shown,
)

__all__ = [
    "MAX_BATCH",
    "MAX_STEPS",
    "OneOf",
    "Settings",
    "check_at_least",
    "check_integer",
    "check_share",
    "check_share_below_one",
    "is_number",
    "members",
    "python_value",
    "shown",
]
