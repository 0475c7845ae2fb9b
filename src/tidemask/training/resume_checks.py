"""Whether a run may continue as it is asked to: with the settings it was started with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.masking.noise import NOISE_VERSION
from tidemask.run_record import CHANGEABLE_SETTINGS
from tidemask.training.distributed import rank_and_size
from tidemask.training.settings import TrainingSettings


def identity_of(**sections: Any) -> dict[str, Any]:
    """What must not change when a run continues, as plain nested mappings."""
    plain = {name: json.loads(json.dumps(dataclasses.asdict(s))) for name, s in sections.items()}
    plain["noise"] = {"version": NOISE_VERSION}
    plain["training"] = {k: v for k, v in plain["training"].items() if k not in CHANGEABLE_SETTINGS}
    return plain


def other_settings(saved: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """In what a checkpoint is not of this run, as a predicate; `None` if it is.

    Checkpoints of earlier versions do not say which corpus they were trained on.
    """
    asked = {name: value for name, value in now.items() if name != "corpus" or name in saved}
    differences = "; ".join(_differences(saved, asked, ()))
    return f"is of a run with other settings ({differences})" if differences else None


def check_identity(saved: Mapping[str, Any], now: Mapping[str, Any], checkpoint: Path) -> None:
    """Refuse to continue with other settings.

    Raises:
        UserError: names each setting that differs, with both values.
    """
    noise = saved.get("noise")
    if noise != now.get("noise"):
        version = noise.get("version", 1) if isinstance(noise, Mapping) else 1
        raise UserError(
            f"checkpoint of another noise: {checkpoint} has version {version}, this tidemask draws "
            f"version {NOISE_VERSION}, so it would go on with other masks. Continue with the "
            "tidemask that began the run, or start a new one."
        )
    if problem := other_settings(saved, now):
        raise UserError(
            f"other settings than before: {checkpoint.name} {problem}. Restore run.yaml, "
            "or start a new run."
        )


def check_request(existing: Mapping[str, Any], asked: Mapping[str, Any], where: Path) -> None:
    """Refuse to continue a run whose settings are not those that are asked for.

    Args:
        existing: plain nested mappings of its run.yaml.
        asked: the same of the command.
        where: the run.yaml.

    Raises:
        UserError: names each setting that differs, with both values.
    """
    differences = list(_differences(existing, asked, ()))
    if differences:
        raise UserError(
            f"run with other settings: {'; '.join(differences)} (asked for, against {where}). "
            "Ask for the settings of run.yaml, or name another directory `out` (--out)."
        )


def with_global_batch(settings: TrainingSettings, global_batch_size: int) -> TrainingSettings:
    """The settings with as many micro-batches a step as keep the global batch on all ranks.

    Raises:
        UserError: the global batch cannot be divided so.
    """
    num_ranks = rank_and_size()[1]
    at_once = settings.micro_batch_size * num_ranks
    if global_batch_size % at_once:
        raise UserError(
            f"global batch does not divide: {global_batch_size} sequences a step on {num_ranks} "
            f"processes of training.micro_batch_size={settings.micro_batch_size}. Use a number of "
            "processes that divides it."
        )
    return dataclasses.replace(settings, gradient_accumulation_steps=global_batch_size // at_once)


def _differences(
    saved: Mapping[str, Any], now: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[str]:
    for name in {**saved, **now}:
        here = (*path, name)
        old, new = saved.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, here)
        elif old != new:
            yield f"{'.'.join(here)}={new} against {old}"
