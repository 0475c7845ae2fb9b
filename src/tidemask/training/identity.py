"""What must not change when a run continues, and in what two runs differ."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tidemask.masking.policy import NOISE_VERSION
from tidemask.masking.weighting import ByTable
from tidemask.run_record import CHANGEABLE_SETTINGS

_ADDED: Mapping[str, Mapping[str, Any]] = {
    "evaluation": {"part": "all"},
    "training": {"source_shares": {}, "predictions_per_step": None},
    "masking": {"sequences": [], "phases": []},
}
"""Settings that earlier versions did not have, by section, with what these versions did."""


def identity_of(**sections: Any) -> dict[str, Any]:
    """What must not change when a run continues, as plain nested mappings."""
    plain = {name: json.loads(json.dumps(dataclasses.asdict(s))) for name, s in sections.items()}
    plain["noise"] = {"version": NOISE_VERSION}
    plain["training"] = {k: v for k, v in plain["training"].items() if k not in CHANGEABLE_SETTINGS}
    return plain


def other_settings(saved: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """In what a checkpoint is not of this run, as a predicate; `None` if it is.

    Checkpoints of earlier versions do not say which corpus they were trained on, and lack settings
    that were added since.
    """
    asked = {name: value for name, value in now.items() if name != "corpus" or name in saved}
    added = {name: {**_ADDED[name], **saved[name]} for name in _ADDED.keys() & saved.keys()}
    content = added.get("masking", {}).get("content")
    if isinstance(content, Mapping) and content.get("weighting") == ByTable.weighting:
        added["masking"]["content"] = {"classes": ByTable.classes, **content}
    differences = "; ".join(differences_of({**saved, **added}, asked, ()))
    return f"is of a run with other settings ({differences})" if differences else None


def differences_of(
    saved: Mapping[str, Any], now: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[str]:
    """In which settings two nested mappings differ, with both values, by dotted path."""
    for name in {**saved, **now}:
        here = (*path, name)
        old, new = saved.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences_of(old, new, here)
        elif old != new:
            yield f"{'.'.join(here)}={new} against {old}"
