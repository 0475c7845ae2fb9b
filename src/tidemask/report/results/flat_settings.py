"""Settings as text, by their dotted paths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def flat_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Nested settings as dotted paths, in their order, each value as text."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            inner = flat_settings(value)
            flat.update({f"{key}.{path}": text for path, text in inner.items()})
        else:
            flat[str(key)] = _as_text(value)
    return flat


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps(value, default=str)
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)
