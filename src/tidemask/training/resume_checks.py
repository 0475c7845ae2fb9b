"""Whether a run may continue as it is asked to: with the settings it was started with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.masking.policy import NOISE_VERSION
from tidemask.training.distributed import rank_and_size
from tidemask.training.identity import differences_of, other_settings
from tidemask.training.settings import TrainingSettings


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
    differences = list(differences_of(existing, asked, ()))
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
