"""Masked-language-model pre-training whose masking changes over training.

How much is masked (the ratio, on a schedule) and what is masked (weights by how hard each kind of
word still is) are functions of progress. The public names are those of `__all__`; each is loaded
when it is first used, so that importing the package is quick and a report needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemask.batch import Batch, MaskedBatch
    from tidemask.config import Recipe, load_recipe
    from tidemask.errors import UserError
    from tidemask.masking.class_loss import ClassLoss
    from tidemask.masking.corruption import Vocabulary
    from tidemask.masking.masker import Masker, MaskingSettings
    from tidemask.noise import StepKey
    from tidemask.training.trainer import MaskedLMTrainer

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "ClassLoss",
    "MaskedBatch",
    "MaskedLMTrainer",
    "Masker",
    "MaskingSettings",
    "Recipe",
    "StepKey",
    "UserError",
    "Vocabulary",
    "load_recipe",
]

_HOMES = {
    "Batch": "tidemask.batch",
    "ClassLoss": "tidemask.masking.class_loss",
    "MaskedBatch": "tidemask.batch",
    "MaskedLMTrainer": "tidemask.training.trainer",
    "Masker": "tidemask.masking.masker",
    "MaskingSettings": "tidemask.masking.masker",
    "Recipe": "tidemask.config",
    "StepKey": "tidemask.noise",
    "UserError": "tidemask.errors",
    "Vocabulary": "tidemask.masking.corruption",
    "load_recipe": "tidemask.config",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
