"""What the processes of a run share: plain data parallelism, or parameters in shards (FSDP2).

Accelerate wraps the model; here are the arguments that it gets. What is saved of a model in shards
is in `sharding_trainer.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from tidemask.errors import UserError, command_line
from tidemask.processes import is_launched
from tidemask.run_record import RunDirectory
from tidemask.training.distributed import is_loss_of_process, rank_and_size
from tidemask.training.settings import Sharding
from tidemask.training.signals import Interrupted, StopRequest


def sharding_arguments(sharding: Sharding) -> dict[str, Any]:
    """Arguments of the Trainer for a kind of sharding; none on a single process.

    Launched processes may not have formed their group yet: the Trainer's arguments do.
    """
    if sharding == "none" or not (is_launched() or rank_and_size()[1] > 1):
        return {}
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "state_dict_type": "FULL_STATE_DICT",
        },
    }


def mark_layers(model: Any) -> None:
    """Mark the layers of a model that Accelerate shards one by one: the repeated ones."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    layers = [
        layer for layers in lists for layer in layers if any(True for _ in layer.parameters())
    ]
    model._no_split_modules = sorted({type(layer).__name__ for layer in layers})


@contextmanager
def naming_lost_processes(run: RunDirectory, stop_request: StopRequest) -> Iterator[None]:
    """Turn the end of another process of the run into one line.

    Raises:
        Interrupted: another process is gone, and this one was asked to stop as well.
        UserError: another process is gone.
    """
    try:
        yield
    except RuntimeError as error:
        if rank_and_size()[1] == 1 or not is_loss_of_process(error):
            raise
        if stop_request.received is not None:
            raise Interrupted(stop_request.received) from error
        again = "give the command again"
        if run.config.is_file():
            again = f"continue with `{command_line('resume', run.root)}`"
        raise UserError(
            f"another process of {run.root} ended, so rank {rank_and_size()[0]} cannot go on. See "
            f"its message; then {again}."
        ) from error


def local_part(tensor: Tensor) -> Tensor:
    """This process's shard of a parameter, or the whole where it is not cut."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
