"""The Trainer whose checkpoints are complete or absent.

What is saved and in which order is here; what a checkpoint is on the disk, in `resume.py`.
"""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from tidemask.errors import UserError, one_line
from tidemask.modeling import load_model
from tidemask.run_record import RunDirectory, force_metrics
from tidemask.training.arguments import TrainingSettings
from tidemask.training.checkpoint_files import (
    prune,
    publish,
    read_state,
    room_on,
    seal,
    staging_directory,
    write_state,
)
from tidemask.training.distributed import all_sum
from tidemask.training.sharding import ShardingTrainer

_INNER = "language_model."
"""What the names of weights begin with in the module that is trained."""


class CheckpointedTrainer(ShardingTrainer):
    """Saves and loads everything that continues a run."""

    run: RunDirectory
    settings: TrainingSettings
    tokenizer: PreTrainedTokenizerBase

    @abstractmethod
    def own_state(self) -> dict[str, Any]:
        """What continues a run besides weights, optimizer and generators, as plain numbers."""

    @abstractmethod
    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `own_state` gave."""

    @abstractmethod
    def refuse_diverged_weights(self) -> None:
        """Check that every weight is finite, before they are saved."""

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        self.refuse_diverged_weights()
        staged = staging_directory(self.run, self.state.global_step)
        for part in (
            self._begin_checkpoint,
            self._write_weights,
            self._write_optimizer,
            self._write_generators,
            self._finish_checkpoint,
        ):
            self._together(part, staged)
        if self.args.should_save:
            self.prune_checkpoints()

    def prune_checkpoints(self) -> None:
        """Delete the checkpoints that need not be kept."""
        prune(self.run, keep=self.settings.keep_checkpoints, is_planned=self._plans_checkpoint)

    def _together(self, part: Callable[[Path], None], staged: Path) -> None:
        """Do a part of saving; all ranks go on when all have done it, or none does.

        A part may gather from all ranks before it writes, never after: a rank that could not write
        is not there to take part.
        """
        problem: Exception | None = None
        try:
            part(staged)
        except Exception as error:  # each library has its own for a full disk
            problem = error
        failed = all_sum(torch.tensor([float(problem is not None)], dtype=torch.float64))
        if float(failed) == 0.0:
            return
        if self.args.should_save:
            shutil.rmtree(staged, ignore_errors=True)
        saved = self.run.checkpoints()
        last = f"The last one is {saved[-1][1].name}" if saved else "There is none yet"
        raise UserError(
            f"checkpoint not saved: {staged}: {_reason(problem)}. {room_on(self.run.root)} {last}. "
            f"Make room, then continue with `tidemask resume {self.run.root}`."
        ) from problem

    def _begin_checkpoint(self, staged: Path) -> None:
        if self.args.should_save:
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir()

    def _write_weights(self, staged: Path) -> None:
        self.save_model(str(staged))

    def _write_optimizer(self, staged: Path) -> None:
        self._save_optimizer_and_scheduler(str(staged))

    def _write_generators(self, staged: Path) -> None:
        self._save_scaler(str(staged))
        self._save_rng_state(str(staged))

    def _finish_checkpoint(self, staged: Path) -> None:
        step = self.state.global_step
        if self.args.should_save:
            self.state.save_to_json(str(staged / "trainer_state.json"))
            write_state(staged, self.own_state())
            force_metrics(self.run.metrics)
            seal(staged, step)
            publish(staged, self.run, step)

    def _plans_checkpoint(self, step: int) -> bool:
        return step % self.settings.save_steps == 0 or step == self.settings.max_steps

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Save the inner model and the tokenizer; no pickled arguments."""
        gathered = self.gathered_weights()
        if output_dir is not None and self.args.should_save:
            wrapped: Any = self.accelerator.unwrap_model(self.model)
            weights = gathered and {n.removeprefix(_INNER): w for n, w in gathered.items()}
            wrapped.language_model.save_pretrained(output_dir, state_dict=weights)
            self.tokenizer.save_pretrained(output_dir)

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        path = Path(resume_from_checkpoint)
        weights = load_model(path).state_dict()
        self.take_weights({_INNER + name: weight for name, weight in weights.items()})
        self.load_own_state(read_state(path))


def _reason(problem: Exception | None) -> str:
    if problem is None:
        return "another process could not write its part"
    return one_line(problem)
