"""The names of trackers that `training.report_to` may give."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from tidemask.errors import did_you_mean

AUTO, TENSORBOARD = "auto", "tensorboard"


_NEVER_LISTED = {"flyte"}
"""Trackers that transformers has a callback for but never lists as available."""


def check_tracker_names(report_to: str | Sequence[str]) -> None:
    """Refuse names that are none; transformers is imported to ask, unless they are our own.

    Raises:
        ValueError: as `named_trackers`.
    """
    if report_to not in (AUTO, "none", TENSORBOARD):
        named_trackers(report_to)


def named_trackers(report_to: str | Sequence[str]) -> list[str]:
    """Trackers of the setting `training.report_to`; `auto` is TensorBoard where it is installed.

    Raises:
        ValueError: a name that transformers does not know, or `auto` or `none` beside others.
    """
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    names = [report_to] if isinstance(report_to, str) else list(report_to)
    if names == ["none"]:
        return []
    if names == [AUTO]:
        return [TENSORBOARD] if TENSORBOARD in available_trackers() else []
    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            raise ValueError(
                f"report_to={name}. Expected auto, none or names among "
                f"{', '.join(sorted(INTEGRATION_TO_CALLBACK))}."
                f"{did_you_mean(name, INTEGRATION_TO_CALLBACK)}"
            )
    return list(dict.fromkeys(names))


def available_trackers() -> set[str]:
    """Trackers that are installed."""
    from transformers.integrations.integration_utils import get_available_reporting_integrations

    listed = set(get_available_reporting_integrations())  # type: ignore[no-untyped-call]
    if find_spec(TENSORBOARD) is None:  # transformers takes tensorboardX for it
        listed.discard(TENSORBOARD)
    return listed | _NEVER_LISTED
