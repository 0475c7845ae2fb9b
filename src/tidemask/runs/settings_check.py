"""Whether the run.yaml of a run is whole, and says what the run was trained with."""

from __future__ import annotations

from typing import Any

from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.config import RunConfig, read_run_config
from tidemask.runs.policy_contents import without_places
from tidemask.training.checkpoint_state import read_state
from tidemask.training.identity import identity_of, other_settings


def run_identity(config: RunConfig) -> dict[str, Any]:
    """What must not change when a run continues; every checkpoint holds it."""
    settings = identity_of(
        masking=without_places(config.masking),
        model=config.model,
        training=config.training,
        evaluation=config.evaluation,
    )
    corpus: dict[str, Any] = {"fingerprint": config.corpus.fingerprint}
    if config.corpus.columns:  # checkpoints of earlier versions do not know them
        corpus["columns"] = config.corpus.columns
    return {**settings, "model_fingerprint": config.model_fingerprint, "corpus": corpus}


def check_run_settings(run: RunDirectory) -> None:
    """Read run.yaml as `resume` does, and compare it with the settings in the newest checkpoint.

    A run without a readable checkpoint has nothing to compare it with.

    Raises:
        UserError: this is not a run directory; a section of run.yaml is missing, a key unknown or
            a value wrong; or the run was trained with other settings.
    """
    run.read_config()
    identity = run_identity(read_run_config(run.config))
    for _, checkpoint in reversed(run.checkpoints()):
        try:
            saved = read_state(checkpoint).identity
        except (PermissionError, UserError):
            continue
        # Another version of the noise draws other masks, which is no matter once they are drawn.
        if problem := other_settings(saved, {**identity, "noise": saved.get("noise")}):
            raise UserError(
                f"settings of another run: {run.config}: {checkpoint.name} {problem}. "
                "Restore run.yaml."
            )
        return
