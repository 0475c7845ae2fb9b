"""Ending a training that was asked to stop: every rank after the same step, everything saved."""

from __future__ import annotations

import signal
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from tidemask.processes import STOP_SIGNALS
from tidemask.training.async_copy import AsyncCopy
from tidemask.training.distributed import all_sum, on_device, rank_and_size
from tidemask.training.signals import Interrupted, StopRequest


def agreed_signal(stop_request: StopRequest) -> signal.Signals | None:
    """The signal that any rank has received, the same on every rank; `None` if there is none.

    Every rank must call it at the same points. Of several signals
    SIGINT takes precedence.
    """
    if rank_and_size()[1] == 1:
        return stop_request.received
    return _counted(all_sum(_votes(stop_request)))


def leave_if_asked(stop_request: StopRequest) -> None:
    """End what is under way if any rank was asked to stop; every rank must call it alike.

    Raises:
        Interrupted: one was.
    """
    asked = agreed_signal(stop_request)
    if asked is not None:
        raise Interrupted(asked, is_agreed=True)


class GracefulStopCallback(TrainerCallback):
    """Saves a checkpoint and stops after the step in which any rank was asked to.

    Attributes:
        stopped_by: the signal; `None` as long as nothing was asked.
    """

    def __init__(self, stop_request: StopRequest) -> None:
        self._stop_request = stop_request
        self._votes: AsyncCopy | None = None
        self.stopped_by: signal.Signals | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Request a checkpoint and the end; whether the step is logged is not changed.

        Several ranks stop a step later than one would: they count their votes of the step before,
        which needs no wait.
        """
        if rank_and_size()[1] == 1:
            self.stopped_by = self._stop_request.received
        else:
            cast = self._votes
            self._votes = AsyncCopy(all_sum(_votes(self._stop_request, args.device)))
            self.stopped_by = _counted(cast.wait()) if cast is not None else None
        if self.stopped_by is not None:
            control.should_save = control.should_training_stop = True
        return control

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Stop at the checkpoint that was being saved when the signal came."""
        self.stopped_by = agreed_signal(self._stop_request)
        if self.stopped_by is not None:
            control.should_training_stop = True
        return control


def _votes(stop_request: StopRequest, device: torch.device | str = "cpu") -> Tensor:
    """For each of `STOP_SIGNALS`, 1 if this process has received it."""
    received = [float(stop_request.received is number) for number in STOP_SIGNALS]
    return on_device(torch.tensor(received, dtype=torch.float64), device)


def _counted(votes: Tensor) -> signal.Signals | None:
    counts = zip(STOP_SIGNALS, votes.tolist(), strict=True)
    return next((number for number, count in counts if count > 0), None)
