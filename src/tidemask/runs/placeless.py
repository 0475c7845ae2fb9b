"""The settings of a run without the places of this machine, for what others read: card and hub.

A path means nothing elsewhere, and says who trained where. Its last name stays, which tells what
it was: of a corpus, a model, a file of weights, or a run.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from tidemask.runs.config import RunConfig
from tidemask.runs.overrides import with_changed_values
from tidemask.runs.settings_reading import checked_settings

_OVERRIDES = "overrides"


def placeless(config: RunConfig) -> RunConfig:
    """The same settings with names in place of absolute paths and of those in a home directory.

    Raises:
        UserError: an override cannot be read.
    """
    plain = json.loads(json.dumps(dataclasses.asdict(config)))
    return checked_settings(RunConfig, placeless_values(plain), "settings without places")


def placeless_values(settings: dict[str, Any]) -> dict[str, Any]:
    """The same of a run.yaml, as it was read.

    Raises:
        UserError: an override cannot be read.
    """
    found = {name: _named(value) for name, value in settings.items()}
    if own := settings.get(_OVERRIDES):
        found[_OVERRIDES] = with_changed_values(RunConfig, own, lambda _, value: _named(value))
    return found


def _named(value: Any) -> Any:
    """A value with names in place of the paths in it."""
    if isinstance(value, dict):
        return {name: _named(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner) for inner in value]
    if isinstance(value, str) and (Path(value).is_absolute() or value.startswith("~")):
        return Path(value).name
    return value
