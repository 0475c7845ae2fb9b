"""The processes that train together: joining, leaving, and sums over all of them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import PartialState
from torch import Tensor

from tidemask.errors import UserError, one_line
from tidemask.modeling.launcher_settings import check_launcher_engine
from tidemask.processes import is_launched, launch_problem

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_LOST = re.compile(
    r"Connection (closed|reset|refused)|connection abort|Broken pipe|No route to host|"
    r"Timed out waiting|wait timed out|Socket Timeout|Application timeout caused pair closure|"
    r"Pair is not connected|Failed to recv, got 0 bytes"
)
"""What the errors of gloo and of its store contain when another process has ended or is cut off."""


def join_launched_processes() -> None:
    """Form one group with the processes that torchrun or `accelerate launch` started, if any.

    Raises:
        UserError: the environment does not say which process this is, or asks for another engine
            than DDP and FSDP2; or the others are not found.
    """
    check_launcher_engine()
    if problem := launch_problem(joins=True):
        raise UserError(problem)
    if not is_launched():
        return
    try:
        PartialState(cpu=not torch.cuda.is_available())
    except dist.DistError as error:
        place = f"MASTER_ADDR={os.environ['MASTER_ADDR']} MASTER_PORT={os.environ['MASTER_PORT']}"
        raise UserError(
            f"the other processes were not found: {place}, {one_line(error)}. Start all of them, "
            "at a place that is reached from each and free; torchrun chooses one."
        ) from error


def leave_launched_processes() -> None:
    """Dissolve the group, if there is one; under FSDP2 its threads stay (see `processes`).

    What was to be saved is saved by then. That another process ended before is a warning.
    """
    if dist.is_available() and dist.is_initialized():
        try:
            dist.barrier()
        except RuntimeError as error:
            if not is_loss_of_process(error):
                raise
            logger.warning(
                "Another process ended before this one, rank %d, had left. See its message; "
                "nothing was left to do.",
                dist.get_rank(),
            )
        PartialState().destroy_process_group()


def is_loss_of_process(error: RuntimeError) -> bool:
    """Whether an error of PyTorch says that another process of the group is gone."""
    return isinstance(error, dist.DistError) or _LOST.search(str(error)) is not None


def rank_and_size() -> tuple[int, int]:
    """This process and the number of processes; (0, 1) where nothing is distributed."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def all_sum(vector: Tensor) -> Tensor:
    """The sum of each rank's vector, the same on every rank; the input is not changed."""
    if rank_and_size()[1] == 1:
        return vector
    summed = vector.clone()
    if dist.get_backend() == "nccl":
        summed = summed.cuda()
    dist.all_reduce(summed)
    return summed.to(vector.device)


def on_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor of the host to the device, without waiting until it is there."""
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def is_same_on_every_rank(text: str) -> bool:
    """Whether every rank has the same text; every rank must call it."""
    num_ranks = rank_and_size()[1]
    if num_ranks == 1:
        return True
    texts: list[str] = [""] * num_ranks
    dist.all_gather_object(texts, text)
    return len(set(texts)) == 1


def on_first_rank(compute: Callable[[], _T]) -> _T:
    """Compute something on the first rank alone; every rank gets the result.

    Raises:
        UserError, OSError, MemoryError: on every rank, if the first raised it.
    """
    rank, num_ranks = rank_and_size()
    if num_ranks == 1:
        return compute()
    outcome: list[Any] = [None, None]
    if rank == 0:
        try:
            outcome[0] = compute()
        except (UserError, OSError, MemoryError) as error:
            outcome[1] = error
    dist.broadcast_object_list(outcome, src=0)
    if outcome[1] is not None:
        raise outcome[1]
    result: _T = outcome[0]
    return result


def on_every_rank(check: Callable[[], None]) -> None:
    """Check something on every rank; all go on, or none does.

    Raises:
        UserError: on every rank, if one raised it.
    """
    problem: UserError | None = None
    try:
        check()
    except UserError as error:
        problem = error
    failed = all_sum(torch.tensor([float(problem is not None)], dtype=torch.float64))
    if problem is not None:
        raise problem
    if float(failed):
        raise UserError("another process found a problem, and ends. See its message.")


def barrier() -> None:
    """Wait until every rank is here."""
    if rank_and_size()[1] > 1:
        dist.barrier()
