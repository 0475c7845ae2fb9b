"""What the training process learns of classes, their losses or a statistic, and workers read."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tidemask.batches.step_clock import in_shared_memory
from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.class_statistic import ClassStatistic
from tidemask.settings import check_integer

_MAX_LAG = 1 << 20
"""A place in shared memory is kept for each step of the lag."""


class SharedLosses:
    """Cumulative losses per class, or a statistic; updated in training and read by workers.

    Args:
        class_loss: of the training process; a worker's copy is as old as the worker.
        lag_steps: a batch is masked with the losses of this many steps before its own, or with
            the nearest that are known.
    """

    def __init__(self, class_loss: ClassLoss | ClassStatistic, *, lag_steps: int = 0) -> None:
        self.class_loss = class_loss
        self.lag_steps = lag_steps = check_integer(
            "loss_lag_steps", lag_steps, minimum=0, below=_MAX_LAG
        )
        # A ring: the losses after `s` steps are in row `s mod (lag + 1)`, and `_steps` holds the
        # `s` of each row, -1 for an empty one. The losses after 0 steps are all unseen.
        shape = (lag_steps + 1, len(class_loss.class_names))
        unseen = torch.full(shape, torch.nan, dtype=torch.float64)
        self._values = in_shared_memory(unseen)
        self._steps = in_shared_memory(torch.full((lag_steps + 1,), -1))
        self._steps[0] = 0

    def update(self, loss_sum: Tensor, count: Tensor, *, step: int) -> None:
        """Take in an optimizer step, as `ClassLoss.update`, for the batches of those after it."""
        self.class_loss.update(loss_sum, count, step=step)
        self._keep(self.class_loss.value(), step + 1)

    def _keep(self, values: Tensor, steps_done: int) -> None:
        place = steps_done % len(self._steps)
        self._values[place] = values
        self._steps[place] = steps_done

    def read(self, step: int) -> Tensor:
        """A copy of the losses with which a batch of `step` is masked, float64."""
        wanted = max(0, step - self.lag_steps)
        known = [steps for steps in self._steps.tolist() if steps >= 0]
        nearest = max((s for s in known if s <= wanted), default=min(known))
        return self._values[nearest % len(self._steps)].clone()

    def with_lag(self, lag_steps: int) -> SharedLosses:
        """The same losses with another lag, in new memory."""
        others = SharedLosses(self.class_loss, lag_steps=lag_steps)
        others.load_state_dict(self.state_dict())
        return others

    def state_dict(self) -> dict[str, Any]:
        """The class losses, and the values that workers read by steps done; null where unseen."""
        recent = {
            str(steps): [None if math.isnan(x) else x for x in self._values[place].tolist()]
            for place, steps in enumerate(self._steps.tolist())
            if steps >= 0
        }
        return {"class_loss": self.class_loss.state_dict(), "recent_losses": recent}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state; of more losses than the lag needs, the last are kept.

        Raises:
            ValueError: the state was saved for other classes.
        """
        saved: Any = state["class_loss"]
        self.class_loss.load_state_dict(saved)
        self._steps.fill_(-1)
        recent = state["recent_losses"]
        for steps in sorted(map(int, recent)):
            values = [math.nan if x is None else x for x in recent[str(steps)]]
            self._keep(torch.tensor(values, dtype=torch.float64), steps)
