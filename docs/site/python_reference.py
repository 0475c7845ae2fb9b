"""The page of the public names: each by its docstring, in the order of a user's way."""

from __future__ import annotations

GROUPS = {
    "The commands as functions": (
        "prepare", "prepare_again", "annotate", "inspect_corpus", "preview", "pretrain", "resume",
        "evaluate", "compare", "run_study", "study_status", "tune", "push",
    ),
    "What they return, and what they take": (
        "PretrainedRun", "RunDirectory", "JobResult", "Comparison", "Inspection", "RunCallbacks",
        "ProgressDisplay", "StopRequest", "Interrupted", "UserError",
    ),
    "Recipes and settings": (
        "load_recipe", "Recipe", "MaskingSettings", "TrainingSettings",
    ),
    "Masking": (
        "Masker", "Batch", "MaskedBatch", "StepKey", "Vocabulary", "ClassLoss", "class_loss_sums",
        "ClassStatistic", "class_statistic_sums", "TokenColumn", "word_starts_of",
    ),
    "In a program of your own": (
        "MaskingCollator", "StockTrainerMasking", "MaskedLMTrainer", "SelectedPositionsLM",
        "PreparedCorpus", "open_corpus", "BatchDataset", "ShuffledOrder",
    ),
}  # fmt: skip
"""Public names by the heading that they stand under."""


def python_reference() -> str:
    """A section for each group, with the directives that read the docstrings."""
    return "".join(
        f"## {heading}\n\n" + "".join(_directive(name) for name in names)
        for heading, names in GROUPS.items()
    )


def _directive(name: str) -> str:
    """Classes have their public members, functions their arguments."""
    kind = "autoclass" if name[0].isupper() else "autofunction"
    members = "   :members:\n" if kind == "autoclass" else ""
    return f"```{{eval-rst}}\n.. {kind}:: tidemask.{name}\n{members}```\n\n"
