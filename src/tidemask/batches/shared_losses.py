"""Class losses that the training process writes and loader workers read."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tidemask.batches.step_clock import in_shared_memory


class SharedLosses:
    """Cumulative losses per class, written by the training process and read by workers.

    Args:
        num_classes: number of classes.
        lag_steps: a batch is masked with the losses of this many steps before its own, or with
            the nearest that are known.
    """

    def __init__(self, num_classes: int, *, lag_steps: int = 0) -> None:
        if lag_steps < 0:
            raise ValueError(f"loss_lag_steps={lag_steps}. Expected at least 0.")
        self.lag_steps = lag_steps
        # A ring: the losses after `s` steps are in row `s mod (lag + 1)`, and `_steps` holds the
        # `s` of each row, -1 for an empty one. The losses after 0 steps are all unseen.
        unseen = torch.full((lag_steps + 1, num_classes), torch.nan, dtype=torch.float64)
        self._values = in_shared_memory(unseen)
        self._steps = in_shared_memory(torch.full((lag_steps + 1,), -1))
        self._steps[0] = 0

    def write(self, values: Tensor, steps_done: int) -> None:
        """Keep the losses after a number of steps, nats, NaN where unseen."""
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
        others = SharedLosses(self._values.shape[1], lag_steps=lag_steps)
        others.load_state(self.state())
        return others

    def state(self) -> dict[str, list[float | None]]:
        """The losses kept, by steps done; null where unseen."""
        return {
            str(steps): [None if math.isnan(x) else x for x in self._values[place].tolist()]
            for place, steps in enumerate(self._steps.tolist())
            if steps >= 0
        }

    def load_state(self, state: dict[str, list[float | None]]) -> None:
        """Continue from a saved state; of more losses than the lag needs, the last are kept."""
        self._steps.fill_(-1)
        for steps in sorted(map(int, state)):
            values = [math.nan if x is None else x for x in state[str(steps)]]
            self.write(torch.tensor(values, dtype=torch.float64), steps)
