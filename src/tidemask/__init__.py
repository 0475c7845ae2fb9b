"""Masked-language-model pre-training whose masking changes over training.

How much is masked (the ratio, on a schedule) and what is masked (weights by how hard each kind of
word still is) are functions of progress. `prepare`, `pretrain`, `resume`, `evaluate`, `compare`,
`preview` and `push` are the commands of the same names. The public names are those of `__all__`;
each is loaded when it is first used, so that importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemask.annotation.annotate import annotate as annotate
    from tidemask.batches.collator import MaskingCollator as MaskingCollator
    from tidemask.batches.stream import BatchDataset as BatchDataset
    from tidemask.batches.stream import ShuffledOrder as ShuffledOrder
    from tidemask.corpus.again import prepare_again as prepare_again
    from tidemask.corpus.prepare import prepare as prepare
    from tidemask.corpus.store.corpus import PreparedCorpus as PreparedCorpus
    from tidemask.corpus.store.corpus import open_corpus as open_corpus
    from tidemask.corpus.tokenizing.word_starts import word_starts_of as word_starts_of
    from tidemask.errors import UserError as UserError
    from tidemask.evaluation.evaluate import evaluate as evaluate
    from tidemask.evaluation.jobs import JobResult as JobResult
    from tidemask.inspection.inspect import Inspection as Inspection
    from tidemask.inspection.inspect import inspect_corpus as inspect_corpus
    from tidemask.masking.batch import Batch as Batch
    from tidemask.masking.batch import MaskedBatch as MaskedBatch
    from tidemask.masking.class_loss import ClassLoss as ClassLoss
    from tidemask.masking.class_loss import class_loss_sums as class_loss_sums
    from tidemask.masking.class_statistic import ClassStatistic as ClassStatistic
    from tidemask.masking.masker import Masker as Masker
    from tidemask.masking.noise import StepKey as StepKey
    from tidemask.masking.policy import MaskingSettings as MaskingSettings
    from tidemask.masking.statistic_sums import class_statistic_sums as class_statistic_sums
    from tidemask.masking.vocabulary import Vocabulary as Vocabulary
    from tidemask.modeling.selected_positions import SelectedPositionsLM as SelectedPositionsLM
    from tidemask.progress.display import ProgressDisplay as ProgressDisplay
    from tidemask.report.compare import Comparison as Comparison
    from tidemask.run_record import RunDirectory as RunDirectory
    from tidemask.runs.callbacks import RunCallbacks as RunCallbacks
    from tidemask.runs.config import Recipe as Recipe
    from tidemask.runs.config import load_recipe as load_recipe
    from tidemask.runs.pretraining import PretrainedRun as PretrainedRun
    from tidemask.runs.pretraining import pretrain as pretrain
    from tidemask.runs.pretraining import resume as resume
    from tidemask.runs.preview import preview as preview
    from tidemask.runs.push import push as push
    from tidemask.studies.comparison import compare as compare
    from tidemask.studies.study import run_study as run_study
    from tidemask.studies.study import study_status as study_status
    from tidemask.token_classes import TokenColumn as TokenColumn
    from tidemask.training.settings import TrainingSettings as TrainingSettings
    from tidemask.training.signals import Interrupted as Interrupted
    from tidemask.training.signals import StopRequest as StopRequest
    from tidemask.training.stock_trainer import StockTrainerMasking as StockTrainerMasking
    from tidemask.training.trainer import MaskedLMTrainer as MaskedLMTrainer
    from tidemask.tuning.tune import tune as tune

__version__ = "0.1.0"
"""The one place of the version; `pyproject.toml` reads it here."""

_HOMES = {
    "Batch": "tidemask.masking.batch",
    "BatchDataset": "tidemask.batches.stream",
    "ClassLoss": "tidemask.masking.class_loss",
    "ClassStatistic": "tidemask.masking.class_statistic",
    "Comparison": "tidemask.report.compare",
    "Inspection": "tidemask.inspection.inspect",
    "Interrupted": "tidemask.training.signals",
    "JobResult": "tidemask.evaluation.jobs",
    "MaskedBatch": "tidemask.masking.batch",
    "MaskedLMTrainer": "tidemask.training.trainer",
    "Masker": "tidemask.masking.masker",
    "MaskingCollator": "tidemask.batches.collator",
    "MaskingSettings": "tidemask.masking.policy",
    "PreparedCorpus": "tidemask.corpus.store.corpus",
    "PretrainedRun": "tidemask.runs.pretraining",
    "ProgressDisplay": "tidemask.progress.display",
    "Recipe": "tidemask.runs.config",
    "RunCallbacks": "tidemask.runs.callbacks",
    "RunDirectory": "tidemask.run_record",
    "SelectedPositionsLM": "tidemask.modeling.selected_positions",
    "ShuffledOrder": "tidemask.batches.stream",
    "StepKey": "tidemask.masking.noise",
    "StockTrainerMasking": "tidemask.training.stock_trainer",
    "StopRequest": "tidemask.training.signals",
    "TokenColumn": "tidemask.token_classes",
    "TrainingSettings": "tidemask.training.settings",
    "UserError": "tidemask.errors",
    "Vocabulary": "tidemask.masking.vocabulary",
    "annotate": "tidemask.annotation.annotate",
    "class_loss_sums": "tidemask.masking.class_loss",
    "class_statistic_sums": "tidemask.masking.statistic_sums",
    "compare": "tidemask.studies.comparison",
    "evaluate": "tidemask.evaluation.evaluate",
    "inspect_corpus": "tidemask.inspection.inspect",
    "load_recipe": "tidemask.runs.config",
    "open_corpus": "tidemask.corpus.store.corpus",
    "prepare": "tidemask.corpus.prepare",
    "prepare_again": "tidemask.corpus.again",
    "pretrain": "tidemask.runs.pretraining",
    "preview": "tidemask.runs.preview",
    "push": "tidemask.runs.push",
    "resume": "tidemask.runs.pretraining",
    "run_study": "tidemask.studies.study",
    "study_status": "tidemask.studies.study",
    "tune": "tidemask.tuning.tune",
    "word_starts_of": "tidemask.corpus.tokenizing.word_starts",
}
"""The module of each public name; the imports for type checkers above are the same."""

__all__ = sorted(_HOMES)  # type checkers re-export what is imported `as` itself


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})  # notebooks complete the names that are not loaded yet
