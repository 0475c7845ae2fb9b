"""What a run was trained under: the settings that count, its batch, and where it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemask.report.results.arms import ComparedArm
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.flat_settings import flat_settings
from tidemask.run_record import (
    BATCH_SETTINGS,
    CHANGEABLE_SETTINGS,
    UNPLANNED_LENGTHS,
    WRITING_SETTINGS,
)

SEED = "training.seed"

_NOT_COMPARED = frozenset(
    f"training.{name}"
    for name in CHANGEABLE_SETTINGS | WRITING_SETTINGS | BATCH_SETTINGS | UNPLANNED_LENGTHS
) | {SEED}
"""Settings that change no result, those of the batch, which are compared by their product, and the
seed, which differs by design."""


def is_compared(path: str) -> bool:
    """Whether a setting beside the masking should be the same in all arms."""
    return path.startswith(("model.", "training.")) and path not in _NOT_COMPARED


def policy_of(run: ComparedRun) -> tuple[object, ...]:
    """All that runs of one policy have in common; whatever else differs is seed or corpus."""
    settings: Mapping[str, str] = flat_settings(run.config)
    counted = [
        (path, text)
        for path, text in settings.items()
        if is_compared(path) or path.startswith("masking.")
    ]
    return run.recipe, tuple(sorted(counted)), batch(run), starting_model(run), beginning(run)


def starting_model(run: ComparedRun) -> str | None:
    """The fingerprint of what a run began from; `None` for a size, and where it is not known."""
    fingerprint = run.setting("model_fingerprint")
    return None if fingerprint is None else str(fingerprint)


def beginning(run: ComparedRun) -> str:
    """Where a run begins, in words; which run was before it differs by its seed."""
    step = run.setting("continued_from.step")
    return "its own first step" if step is None else f"step {step} of a run before it"


def batch(run: ComparedRun) -> str | None:
    """Sequences per step of all processes together.

    A run that goes on with other processes keeps the batch of those it was made for.
    """
    sizes = [run.setting(f"training.{name}") for name in sorted(BATCH_SETTINGS)]
    if not all(isinstance(size, int) for size in sizes):
        return None
    return str(sizes[0] * sizes[1] * (run.environment.get("processes") or 1))


def held_out_settings(run: ComparedRun) -> str | None:
    """How the held-out loss of a run was measured; `None` if it was not."""
    if run.held_out.checkpoint is None:
        return None
    settings = flat_settings(run.held_out.settings)
    return ", ".join(f"{path}={text}" for path, text in settings.items())


def why_no_times(arms: Sequence[ComparedArm]) -> str | None:
    """Why times cannot be compared; `None` where each run had its machine to itself, or is alone.

    A run that shares its machine takes longer, and how much longer depends on the others.
    """
    runs = [run for arm in arms for run in arm.runs]
    if len(runs) == 1 or all(run.had_machine_alone for run in runs):
        return None
    if any(run.had_machine_alone is False for run in runs):
        return "Not shown: runs shared their machine, so that times depend on what else it did."
    return "Not shown: whether each run had its machine to itself is not known."
