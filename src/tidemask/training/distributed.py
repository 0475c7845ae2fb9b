"""Sums over micro-batches and ranks.

A step's loss is a sum and a normaliser, and both are sums over everything that the step saw. They
are collected in one float64 vector and reduced over ranks once.

Dimension: `K` classes.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from accelerate import PartialState
from torch import Tensor


def join_launched_processes() -> None:
    """Form one group with the processes that torchrun or `accelerate launch` started, if any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        PartialState(cpu=not torch.cuda.is_available())


def leave_launched_processes() -> None:
    """Dissolve the group, if there is one: its threads must end before the interpreter does."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        PartialState().destroy_process_group()


def rank_and_size() -> tuple[int, int]:
    """This process and the number of processes; (0, 1) where nothing is distributed."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def all_sum(vector: Tensor) -> Tensor:
    """The sum of each rank's vector, the same on every rank; the input is not changed."""
    if rank_and_size()[1] == 1:
        return vector
    on_device = vector.clone()
    if dist.get_backend() == "nccl":
        on_device = on_device.cuda()
    dist.all_reduce(on_device)
    return on_device.to(vector.device)


def barrier() -> None:
    """Wait until every rank is here."""
    if rank_and_size()[1] > 1:
        dist.barrier()


class StepSums:
    """What the losses and masks of one optimizer step add up to.

    Args:
        num_classes: `K`; tokens without class are counted beside.
    """

    _SCALARS = ("loss", "normaliser", "selected", "maskable", "tokens")

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._vector = torch.zeros(len(self._SCALARS) + 2 * (num_classes + 1), dtype=torch.float64)

    def add_counts(
        self, *, normaliser: Tensor, selected: Tensor, maskable: Tensor, tokens: int
    ) -> None:
        """Count the positions of one micro-batch."""
        counts = [float(normaliser), float(selected), float(maskable), float(tokens)]
        self._vector[1:5] += torch.tensor(counts, dtype=torch.float64)

    def add_losses(self, loss: Tensor, token_loss: Tensor, classes: Tensor) -> None:
        """Take in the losses of one micro-batch.

        Args:
            loss: weighted sum over its selected positions, nats.
            token_loss: cross-entropy of each selected position, nats, before any weight.
            classes: class of each selected position in [0, K], `K` for none.
        """
        size = self.num_classes + 1
        begin = len(self._SCALARS)
        sums = torch.zeros(size, dtype=torch.float64, device=classes.device)
        sums.index_add_(0, classes, token_loss.double())
        counts = torch.bincount(classes, minlength=size)
        self._vector[0] += loss.double().cpu()
        self._vector[begin : begin + size] += sums.cpu()
        self._vector[begin + size :] += counts.cpu()

    def reduced(self) -> StepSums:
        """The sums over all ranks."""
        result = StepSums(self.num_classes)
        result._vector = all_sum(self._vector)
        return result

    def scalar(self, name: str) -> float:
        """`loss`, `normaliser`, `selected`, `maskable` or `tokens`."""
        return float(self._vector[self._SCALARS.index(name)])

    def class_loss(self) -> Tensor:
        """Summed cross-entropy per class, nats, float64 [K]."""
        begin = len(self._SCALARS)
        return self._vector[begin : begin + self.num_classes]

    def class_count(self) -> Tensor:
        """Selected tokens per class, float64 [K]."""
        begin = len(self._SCALARS) + self.num_classes + 1
        return self._vector[begin : begin + self.num_classes]
