"""Writes checkpoints that are complete or absent, together on all ranks.

In which order a checkpoint is written is here; what it is on the disk, in `checkpoint_files.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from tidemask.errors import UserError, command_line
from tidemask.run_record import RunDirectory, force_metrics
from tidemask.system_errors import refusal_of_writing
from tidemask.training.checkpoint_files import prune, publish, seal, staging_directory
from tidemask.training.distributed import all_sum, rank_and_size
from tidemask.training.settings import TrainingSettings


class CheckpointWriter:
    """Stages each checkpoint, renames it when every part is there, and deletes old ones.

    Args:
        run: whose checkpoints are written.
        settings: when checkpoints are planned and how many are kept.
    """

    def __init__(self, run: RunDirectory, settings: TrainingSettings) -> None:
        self._run = run
        self._settings = settings

    def write(self, step: int, parts: Sequence[Callable[[str], None]]) -> None:
        """Write the checkpoint after `step` optimizer steps; every rank must call it.

        Args:
            step: optimizer steps done.
            parts: each is called with the staging directory, on every rank. A part may gather from
                all ranks before it writes, never after: a rank that could not write is not there
                to take part.

        Raises:
            UserError: on every rank, if any rank could not write; nothing of it is left then.
        """
        staged = staging_directory(self._run, step)
        for part in (self._begin, *parts, lambda _: self._finish(staged, step)):
            self._together(part, staged)
        self.prune(step)

    def prune(self, step: int) -> None:
        """Delete, on the first rank, the checkpoints up to `step` that need not be kept."""
        if self._is_first_rank:
            keep = self._settings.keep_checkpoints
            prune(self._run, step=step, keep=keep, is_planned=self._is_planned)

    def _together(self, part: Callable[[str], None], staged: Path) -> None:
        """Write a part; all ranks go on when all have written it, or none does."""
        problem: Exception | None = None
        try:
            part(str(staged))
        except Exception as error:  # each library has its own for a full disk
            problem = error
        failed = all_sum(torch.tensor([float(problem is not None)], dtype=torch.float64))
        if float(failed) == 0.0:
            return
        place = staged.with_name(staged.stem.removeprefix("."))
        refused = refusal_of_writing(problem, staged, place) if problem else None
        if self._is_first_rank:
            shutil.rmtree(staged, ignore_errors=True)
        saved = self._run.checkpoints()
        from_where = f"goes on from {saved[-1][1].name}" if saved else "begins with the first step"
        how = f"then continue with `{command_line('resume', self._run.root)}`, which {from_where}."
        if problem is None:
            raise UserError(
                f"checkpoint not saved: {place}: see the message of another process, {how}"
            )
        if refused is None:
            raise problem
        raise UserError(f"checkpoint not saved: {refused}, {how}") from problem

    @property
    def _is_first_rank(self) -> bool:
        """Asked when it is needed: a writer may be made before the process group."""
        return rank_and_size()[0] == 0

    def _begin(self, staged: str) -> None:
        if self._is_first_rank:
            shutil.rmtree(staged, ignore_errors=True)
            Path(staged).mkdir()

    def _finish(self, staged: Path, step: int) -> None:
        if self._is_first_rank:
            force_metrics(self._run.metrics)
            seal(staged, step)
            publish(staged, self._run, step)

    def _is_planned(self, step: int) -> bool:
        return step % self._settings.save_steps == 0 or step == self._settings.num_steps
