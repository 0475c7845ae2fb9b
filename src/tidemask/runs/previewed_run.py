"""What a run knew near a step of it, for a preview of the masks that follow from it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.masking.batch import Batch
from tidemask.masking.masker import Masker
from tidemask.modeling.loading import load_model
from tidemask.run_record import RATIO, RunDirectory
from tidemask.runs.config import RunConfig, read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.logged_losses import learned_in, logged_losses, logged_near
from tidemask.runs.model_fit import check_length, check_vocabulary, training_module
from tidemask.training.checkpoint_state import STATE_FILE, read_state
from tidemask.training.position_scoring import PositionScoring


class PreviewedRun:
    """A run, asked for what the masks of a policy depend on: losses, scores, a chosen ratio.

    What it logged is taken from the line nearest to a step, what it did not log from the nearest
    checkpoint.

    Args:
        run: the run's directory.
        masker: of the policy that is shown.
        data: the corpus that is shown.

    Raises:
        UserError: there is no such run.
    """

    def __init__(self, run: str | Path, masker: Masker, data: CorpusInputs) -> None:
        self._run = RunDirectory(given_path(run, "run"))
        self._masker = masker
        self._data = data
        self._config: RunConfig = read_run_config(self._run.config)
        self._scoring: dict[Path, PositionScoring] = {}

    def class_loss(self, progress: float) -> Tensor | None:
        """What was learned of classes or of vocabulary entries, as the masker takes it.

        Raises:
            UserError: the run logged or saved none of it.
        """
        if not self._masker.settings.learns_entries:
            return logged_losses(self._run.root, self._masker, progress)
        followed, theirs = self._masker.settings.learning, self._config.masking.learning
        if not self._config.masking.learns_entries or (
            getattr(followed, "statistic", None) != getattr(theirs, "statistic", None)
        ):
            raise UserError(
                f"nothing learned of vocabulary entries: the weights of {self._run.root} do not "
                "follow what these do. Name a run of the same weighting, or none (--run)."
            )
        saved = [place for place in self._run.checkpoints() if (place[1] / STATE_FILE).is_file()]
        checkpoint = self._nearest(saved, progress, "what is learned of vocabulary entries")
        try:
            return learned_in(read_state(checkpoint), self._masker)
        except ValueError as error:
            raise UserError(
                f"run of another vocabulary: {checkpoint} has other entries than "
                f"{self._data.corpus.root}. Name a run on this corpus (--run)."
            ) from error

    def ratio(self, progress: float) -> float | None:
        """The ratio that the run chose, where it follows measurements; else `None`.

        Raises:
            UserError: the run logged nothing.
        """
        if not self._masker.settings.follows_measurements:
            return None
        found = logged_near(self._run, progress).get(RATIO)
        return None if found is None else float(found)

    def scores(self, batch: Batch, *, progress: float, step: int) -> Tensor | None:
        """What the run's model says of each position, where the masks of the step follow it.

        Raises:
            UserError: there is no model of the run, or it does not fit the corpus.
        """
        content = self._masker.settings.scoring
        if content is None or not self._masker.needs_scores(progress=progress, step=step):
            return None
        places = self._run.checkpoints()
        if self._run.is_finished:
            places = [*places, (self._config.training.num_steps, self._run.model)]
        directory = self._nearest(places, progress, "a model that could score positions")
        if directory not in self._scoring:
            model = load_model(directory)
            check_vocabulary(str(directory), model, self._data)
            check_length(str(directory), model, self._data)
            module = training_module(model, self._config.model, self._data)
            self._scoring[directory] = PositionScoring(
                lambda: module, score=content.score, vocab_size=self._masker.vocabulary.size
            )
        with torch.autocast("cpu", enabled=False):
            return self._scoring[directory](batch)

    def _nearest(self, places: list[tuple[int, Path]], progress: float, what: str) -> Path:
        """The checkpoint, or the final model, nearest to a progress; of two, the later."""
        if not places:
            raise UserError(
                f"no checkpoint: {self._run.root} has none, and {what} is in checkpoints alone. "
                "Wait for one, or leave out `run` (--run)."
            )
        num_steps = self._config.training.num_steps
        return min(reversed(places), key=lambda place: abs(place[0] / num_steps - progress))[1]
