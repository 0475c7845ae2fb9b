"""Settings of finished runs, and of those that get more steps."""

from __future__ import annotations

from tidemask.runs.config import CorpusReference, Recipe, RunConfig

FLAT = (
    "training.lr_schedule=constant",
    "training.lr_warmup_steps=2",
    "training.keep_checkpoints=0",
)
"""No schedule depends on the number of steps."""

LONGER = "training.max_steps=8"


def recorded_config(recipe: Recipe, corpus: str = "corpus") -> RunConfig:
    """What the run.yaml of a run of a recipe holds."""
    return RunConfig(
        recipe="bert",
        corpus=CorpusReference(path=corpus, fingerprint="f"),
        masking=recipe.masking,
        model=recipe.model,
        training=recipe.training,
        evaluation=recipe.evaluation,
    )
