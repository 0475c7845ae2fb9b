"""Tasks that read a prepared corpus: the held-out text of a run, or of any corpus."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tidemask.corpus.store import open_corpus
from tidemask.errors import UserError
from tidemask.evaluation.held_out import HeldOutSettings
from tidemask.evaluation.subject import Subject
from tidemask.evaluation.task import Measured, OnProgress
from tidemask.material import Material, Observer, check_corpus
from tidemask.measuring import HELD_OUT_TASK, final_metrics_of, held_out_description
from tidemask.modeling import ModelSettings
from tidemask.run_record import held_out_loss
from tidemask.starting import check_vocabulary, wrapped


class HeldOutTask:
    """Held-out loss at fixed maskings; see `evaluation/held_out.py`.

    Args:
        corpus: a prepared corpus.
        settings: how much of its held-out split is read.
        model: whether documents are kept apart.
        fingerprint: of the corpus, where the models come from a run on it; models from elsewhere
            (`None`) are held against it.
    """

    name = HELD_OUT_TASK
    main_metric = held_out_loss(15)

    def __init__(
        self,
        corpus: Path,
        settings: HeldOutSettings,
        model: ModelSettings,
        *,
        fingerprint: str | None = None,
    ) -> None:
        self._corpus, self._settings, self._model = corpus, settings, model
        self._fingerprint = fingerprint

    @cached_property
    def material(self) -> Material:
        """The corpus with its tokenizer.

        Raises:
            UserError: it is missing or damaged, or has no held-out text.
        """
        corpus = open_corpus(self._corpus)
        if self._fingerprint is not None:
            check_corpus(corpus, self._fingerprint)
        if len(corpus.held_out) == 0:
            raise UserError(
                f"no held-out text: {corpus.root} was prepared without. "
                "Name a prepared corpus that has some with --data."
            )
        return Material.of(corpus)

    def describe(self) -> Mapping[str, Any]:
        """How much is read, and the fingerprint of the corpus."""
        return held_out_description(self._settings, self.material)

    def measure(self, subject: Subject, on_progress: OnProgress) -> Measured:
        """Held-out loss of a model on the whole split.

        Raises:
            UserError: its tokenizer is not that of the corpus, or a loss is not finite.
        """
        model = subject.masked_lm()
        notes = []
        if self._fingerprint is None and not subject.is_random:
            unchecked = check_vocabulary(str(subject.directory), model, self.material)
            notes += [unchecked] if unchecked else []
        observer = Observer(on_progress=on_progress)
        measured = wrapped(model, self._model, self.material)
        return Measured(
            final_metrics_of(measured, self.material, self._settings, observer), tuple(notes)
        )
