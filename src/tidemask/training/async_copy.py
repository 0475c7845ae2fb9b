"""A copy from the device to the host that nothing waits for yet."""

from __future__ import annotations

import torch
from torch import Tensor


class AsyncCopy:
    """Copies a tensor to the host without waiting; on a CPU it is there already.

    Reading a number back from a GPU makes the host wait until everything queued before it is done,
    and the GPU then wait for the host. The copy is queued instead, and read a step later.

    Args:
        value: must not be changed afterwards.
    """

    def __init__(self, value: Tensor) -> None:
        self._arrived: torch.cuda.Event | None = None
        self._host = value
        if value.is_cuda:
            self._host = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            self._host.copy_(value, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record()

    def wait(self) -> Tensor:
        """The copy, on the CPU."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._host
