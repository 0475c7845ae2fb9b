"""Ending a training that was asked to stop: every rank after the same step, everything saved."""

from __future__ import annotations

import signal
from typing import Any

import torch
from transformers import TrainerCallback

from tidemask.training.distributed import all_sum, rank_and_size
from tidemask.training.interruption import STOP_SIGNALS, Interrupted, Interruption


def agreed_signal(interruption: Interruption) -> signal.Signals | None:
    """The signal that any rank has received, the same on every rank; `None` if there is none.

    Every rank must ask at the same points. Alone, a process asks only itself. Of several signals
    SIGINT counts most.
    """
    if rank_and_size()[1] == 1:
        return interruption.received
    votes = [float(interruption.received is number) for number in STOP_SIGNALS]
    counted = all_sum(torch.tensor(votes, dtype=torch.float64)).tolist()
    return next((n for n, count in zip(STOP_SIGNALS, counted, strict=True) if count > 0), None)


def leave_if_asked(interruption: Interruption) -> None:
    """End what is under way if any rank was asked to stop; every rank must call it alike.

    Raises:
        Interrupted: one was.
    """
    asked = agreed_signal(interruption)
    if asked is not None:
        raise Interrupted(asked)


class StopWhenAsked(TrainerCallback):
    """Saves a checkpoint and stops after the step in which any rank was asked to.

    Attributes:
        stopped_by: the signal; `None` as long as nothing was asked.
    """

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self.stopped_by: signal.Signals | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Save and stop; whether the step is logged is not touched."""
        if self._asked():
            control.should_save = control.should_training_stop = True
        return control

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Stop at the checkpoint that was being saved when the signal came."""
        if self._asked():
            control.should_training_stop = True
        return control

    def _asked(self) -> bool:
        self.stopped_by = agreed_signal(self._interruption)
        return self.stopped_by is not None
