"""Tasks that read a prepared corpus: the held-out text of a run, or of any corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tidemask.corpus.store.corpus import open_corpus, verify_corpus
from tidemask.errors import UserError
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.settings import ModelSettings
from tidemask.progress import ProgressCallback
from tidemask.run_record import HELD_OUT_TASK, MEAN_LOSS, OWN_LOSS, RunDirectory
from tidemask.runs.config import read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.initial_model import InitialModel, load_initial_model
from tidemask.runs.model_fit import check_vocabulary, training_module
from tidemask.runs.own_masking import own_masking_of
from tidemask.runs.settings_check import check_run_settings
from tidemask.runs.started_on import corpus_of, with_columns
from tidemask.tasks.held_out.maskings import Masking
from tidemask.tasks.held_out.settings import HeldOutSettings
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.table import TaskSettings
from tidemask.tasks.task import Measured, Task
from tidemask.tasks.zero_shot.pseudo_perplexity import (
    PSEUDO_PERPLEXITY,
    PseudoPerplexitySettings,
    pseudo_perplexity_metrics,
)


@dataclass(frozen=True, kw_only=True)
class HeldOutText:
    """The held-out split of a prepared corpus, and how models read it.

    Attributes:
        corpus: directory of the corpus.
        model: settings that say whether the documents of a row are kept apart.
        run: the run on it, whose policy is a measure too; `None` for models from elsewhere, whose
            tokenizers are compared with that of the corpus.
    """

    corpus: Path
    model: ModelSettings
    run: RunDirectory | None = None

    @cached_property
    def data(self) -> CorpusInputs:
        """The corpus with its tokenizer.

        Raises:
            UserError: it is missing or damaged, has changed, or has no held-out text; or the run
                was trained with other settings than its run.yaml has.
        """
        if self.run is None:
            corpus = open_corpus(self.corpus)
        else:
            check_run_settings(self.run)
            corpus = corpus_of(read_run_config(self.run.config))
        verify_corpus(corpus)
        if len(corpus.held_out) == 0:
            raise UserError(
                f"no held-out text: {corpus.root} was prepared without. "
                "Name a prepared corpus that has some as `data` (--data)."
            )
        return CorpusInputs.of(corpus)

    def own_masking(self) -> tuple[CorpusInputs, Masking | None, tuple[str, ...]]:
        """The corpus with the columns that the policy of the run reads, and its final masks.

        Returns:
            No masks for models from elsewhere, and where they are not known or a column is not what
            it was; then also why, one sentence.
        """
        if self.run is None:
            return self.data, None, ()
        try:
            data = with_columns(self.data, read_run_config(self.run.config))
        except UserError as error:
            return self.data, None, (f"{OWN_LOSS} is not measured: {error}",)
        own = own_masking_of(self.run, data)
        if own is None:
            return data, None, (
                f"{OWN_LOSS} is not measured: the weights of the policy at its end are in the "
                "last checkpoint of the run, which is not there.",
            )  # fmt: skip
        return data, own, ()

    def module_of(
        self, model_under_test: ModelUnderTest
    ) -> tuple[SelectedPositionsLM, tuple[str, ...]]:
        """A model as it reads the corpus, and what a reader of its scores should know of it.

        That which a run started from is, as in the run, given the vocabulary of the corpus.

        Raises:
            UserError: it cannot be loaded, or cannot keep documents apart.
        """
        if not self._is_start(model_under_test):
            return training_module(model_under_test.masked_lm(), self.model, self.data), ()
        model = self._start.model.to(model_under_test.device)  # type: ignore[arg-type]
        model.train(False)
        return training_module(model, self.model, self.data), self._start.notes

    def _is_start(self, model_under_test: ModelUnderTest) -> bool:
        start = self.model.warm_start
        is_there = start is not None and model_under_test.directory == Path(start)
        return self.run is not None and is_there and not model_under_test.is_random

    @cached_property
    def _start(self) -> InitialModel:
        assert self.run is not None, "callers ask whether it is that of a run"
        seed = read_run_config(self.run.config).training.seed
        return load_initial_model(self.model, self.data, seed=seed)

    def notes_on(self, model_under_test: ModelUnderTest) -> tuple[str, ...]:
        """Check that a model fits the corpus; returns what could not be checked, a sentence each.

        Raises:
            UserError: its tokenizer is not that of the corpus, or it is too short for its rows.
        """
        length = self.data.corpus.manifest.sequence_length
        if model_under_test.max_length is not None and model_under_test.max_length < length:
            raise UserError(
                f"rows too long for the model: sequence_length={length} of {self.corpus}, and "
                f"{model_under_test.directory} has {model_under_test.max_length} positions. "
                "Prepare the text with a sequence_length (--sequence-length) of "
                f"{model_under_test.max_length} or less."
            )
        if self.run is not None:
            return ()
        if model_under_test.is_random:
            expected = self.data.corpus.manifest.tokenizer_fingerprint
            if model_under_test.tokenizer_fingerprint != expected:
                raise UserError(
                    f"model does not fit the corpus: {model_under_test.tokenizer_directory} and "
                    f"{self.corpus} have different tokenizers."
                )
            _ = model_under_test.tokenizer  # refuses more ids than the model has
            return ()
        unchecked = check_vocabulary(
            str(model_under_test.directory), model_under_test.masked_lm(), self.data
        )
        return (unchecked,) if unchecked else ()


class HeldOutTask:
    """Held-out loss under fixed maskings on the whole split; see `tasks/held_out/evaluator.py`."""

    name = HELD_OUT_TASK
    main_metric = MEAN_LOSS

    def __init__(self, text: HeldOutText, settings: HeldOutSettings) -> None:
        self._text, self._settings = text, settings

    def describe(self, model_type: str) -> Mapping[str, Any]:  # noqa: ARG002
        """Number of sequences and draws, and the fingerprint of the corpus."""
        return self._text.data.held_out_evaluator(self._settings).describe()

    def measure(self, model_under_test: ModelUnderTest, on_progress: ProgressCallback) -> Measured:
        """Held-out loss of a model.

        Raises:
            UserError: its tokenizer is not that of the corpus, or a loss is not finite.
        """
        unchecked = self._text.notes_on(model_under_test)
        model, of_model = self._text.module_of(model_under_test)
        data, own, of_own = self._text.own_masking()
        notes = (*unchecked, *of_model, *of_own)
        measured = data.held_out_evaluator(self._settings).final(model, on_progress, own)
        return replace(measured, notes=(*notes, *measured.notes))


class HeldOutPerplexityTask:
    """Pseudo-perplexity on a sample of the split; see `tasks/zero_shot/pseudo_perplexity.py`."""

    name = PSEUDO_PERPLEXITY
    main_metric = "pseudo_perplexity"

    def __init__(self, text: HeldOutText, settings: PseudoPerplexitySettings) -> None:
        self._text, self._settings = text, settings

    def describe(self, model_type: str) -> Mapping[str, Any]:  # noqa: ARG002
        """The sample, and the fingerprint of the corpus."""
        model = self._text.model
        settings = {**asdict(self._settings), "apart": model.documents == "apart"}
        if self._text.run is not None and model.new_embeddings is not None:
            settings["vocabulary"] = "corpus"  # earlier versions measured the start with its own
        return {
            "settings": settings,
            "data": {"fingerprint": self._text.data.corpus.manifest.fingerprint},
        }

    def measure(self, model_under_test: ModelUnderTest, on_progress: ProgressCallback) -> Measured:
        """Pseudo-perplexity of a model.

        Raises:
            UserError: its tokenizer is not that of the corpus, or the loss is not finite.
        """
        data = self._text.data
        unchecked = self._text.notes_on(model_under_test)
        model, of_model = self._text.module_of(model_under_test)
        metrics = pseudo_perplexity_metrics(
            model, data.held_out_set(), data.vocabulary.mask_id, self._settings, on_progress
        )
        return Measured(metrics, (*unchecked, *of_model))


CORPUS_TASKS: Mapping[str, Callable[[HeldOutText, HeldOutSettings, TaskSettings], Task]] = {
    HELD_OUT_TASK: lambda text, held_out, _: HeldOutTask(text, held_out),
    PSEUDO_PERPLEXITY: lambda text, _, settings: HeldOutPerplexityTask(
        text, settings.pseudo_perplexity
    ),
}
"""What makes each task, by its name."""
