"""Masked-language-model pre-training whose masking changes over training.

How much is masked (the ratio, on a schedule) and what is masked (weights by how hard each kind of
word still is) are functions of progress. The public names are those of `__all__`; each is loaded
when it is first used, so that importing the package is quick and a report needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemask.batches.collator import MaskingCollator
    from tidemask.corpus.tokenizing.word_starts import word_starts_of
    from tidemask.errors import UserError
    from tidemask.masking.batch import Batch, MaskedBatch
    from tidemask.masking.class_loss import ClassLoss, class_loss_sums
    from tidemask.masking.corruption import Vocabulary
    from tidemask.masking.masker import Masker
    from tidemask.masking.noise import StepKey
    from tidemask.masking.policy import MaskingSettings
    from tidemask.runs.config import Recipe, load_recipe
    from tidemask.training.stock_trainer import StockTrainerMasking
    from tidemask.training.trainer import MaskedLMTrainer

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "ClassLoss",
    "MaskedBatch",
    "MaskedLMTrainer",
    "Masker",
    "MaskingCollator",
    "MaskingSettings",
    "Recipe",
    "StepKey",
    "StockTrainerMasking",
    "UserError",
    "Vocabulary",
    "class_loss_sums",
    "load_recipe",
    "word_starts_of",
]

_HOMES = {
    "Batch": "tidemask.masking.batch",
    "ClassLoss": "tidemask.masking.class_loss",
    "MaskedBatch": "tidemask.masking.batch",
    "MaskedLMTrainer": "tidemask.training.trainer",
    "Masker": "tidemask.masking.masker",
    "MaskingCollator": "tidemask.batches.collator",
    "MaskingSettings": "tidemask.masking.policy",
    "Recipe": "tidemask.runs.config",
    "StepKey": "tidemask.masking.noise",
    "StockTrainerMasking": "tidemask.training.stock_trainer",
    "UserError": "tidemask.errors",
    "Vocabulary": "tidemask.masking.corruption",
    "class_loss_sums": "tidemask.masking.class_loss",
    "load_recipe": "tidemask.runs.config",
    "word_starts_of": "tidemask.corpus.tokenizing.word_starts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
