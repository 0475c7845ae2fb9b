"""A Trainer whose checkpoints look the same under plain data parallelism and under FSDP2.

So a run may continue on another number of processes and with another engine. What Accelerate has
cut into shards is gathered, and which of the two really runs is reported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor
from transformers import Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from tidemask.errors import UserError
from tidemask.modeling.launcher_settings import launcher_notes, without_launcher_settings
from tidemask.modeling.loading import load_model
from tidemask.training.distributed import rank_and_size
from tidemask.training.settings import Sharding

_INNER = "language_model."
"""What the names of weights begin with in the module that is trained."""


class ShardingTrainer(Trainer):
    """A Trainer whose checkpoints hold whole weights and a whole optimizer state, never shards."""

    def create_accelerator_and_postprocess(self) -> None:
        """Let FSDP2 run on the CPU too, where Accelerate would silently leave it out.

        Raises:
            UserError: `accelerate launch` asks for the first FSDP.
        """
        with without_launcher_settings():
            super().create_accelerator_and_postprocess()
        state: Any = self.accelerator.state
        if self.args.fsdp and not self.is_fsdp_enabled:
            state.fsdp_plugin = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args)
            state.distributed_type = DistributedType.FSDP
            self.is_fsdp_enabled = True
        if self.is_fsdp_enabled and state.fsdp_plugin.fsdp_version != 2:
            raise UserError(
                f"sharding that tidemask does not know: fsdp_version="
                f"{state.fsdp_plugin.fsdp_version}. Expected 2 in the configuration of "
                "`accelerate launch`, or training.sharding=fsdp2."
            )

    def engine(self) -> str:
        """What runs, in a few words: `DDP on 2 processes (gloo)`."""
        num_ranks = rank_and_size()[1]
        if num_ranks == 1:
            return "one process"
        kind = "FSDP2" if self.is_fsdp_enabled else "DDP"
        return f"{kind} on {num_ranks} processes ({dist.get_backend()})"

    def engine_notes(self, sharding: Sharding) -> list[str]:
        """What a user should know of the engine, one sentence each; none of a plain process."""
        num_ranks = rank_and_size()[1]
        notes = [f"Training runs as {self.engine()}."] if num_ranks > 1 else []
        notes += launcher_notes()
        if self.is_fsdp_enabled:
            return notes
        if sharding != "none":
            notes.append(
                f"training.sharding={sharding} has no effect on one process: nothing is sharded."
            )
        elif os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
            notes.append(
                "`accelerate launch` asked for FSDP, which it does not run here: nothing is "
                "sharded. training.sharding=fsdp2 shards on the CPU too."
            )
        return notes

    # ---- state ----

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the model; every rank must call it."""
        self._save(output_dir)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Save the inner model and the tokenizer; no pickled arguments."""
        gathered = self._gathered_weights()
        if output_dir is not None and self.args.should_save:
            wrapped: Any = self.accelerator.unwrap_model(self.model)
            weights = gathered and {n.removeprefix(_INNER): w for n, w in gathered.items()}
            wrapped.language_model.save_pretrained(output_dir, state_dict=weights)
            tokenizer: Any = self.processing_class
            tokenizer.save_pretrained(output_dir)

    def _gathered_weights(self) -> dict[str, Tensor] | None:
        """All weights on the first rank, none on others; `None` where each rank holds them.

        Every rank must call it. A weight that two layers share stands under its first name alone.
        """
        if not self.is_fsdp_enabled:
            return None
        module = self._module()
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights: Any = get_model_state_dict(module, options=options)
        every_name = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        repeated = every_name - {name for name, _ in module.named_parameters()}
        return {name: weight for name, weight in weights.items() if name not in repeated}

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        """Load the saved weights into the model, into its shards where it has some."""
        saved = load_model(Path(resume_from_checkpoint)).state_dict()
        weights = {_INNER + name: weight for name, weight in saved.items()}
        if self.is_fsdp_enabled:
            options = StateDictOptions(full_state_dict=True)
            set_model_state_dict(self._module(), weights, options=options)
        else:
            self._module().load_state_dict(weights)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state: Any = get_optimizer_state_dict(self._module(), self._optimizer(), options=options)
        if self.args.should_save:
            names = [name for group in state["param_groups"] for name in group["params"]]
            numbered = _renamed(state, {name: number for number, name in enumerate(names)})
            torch.save(numbered, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(self._scheduler().state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if self.is_fsdp_enabled and checkpoint is not None:
            self._load_into_shards(Path(checkpoint))
        else:
            super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            self._follow_schedule()

    def _follow_schedule(self) -> None:
        """Set the learning rate to that of the schedule at this step.

        In a run that goes on at its own checkpoint the optimizer holds it already. In one with more
        steps than the run of the checkpoint the schedule is another.
        """
        schedule = self._scheduler()
        curves = zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
        rates = [peak * curve(schedule.last_epoch) for peak, curve in curves]
        for group, rate in zip(self._optimizer().param_groups, rates, strict=True):
            group["lr"] = rate
        schedule._last_lr = rates

    def _load_into_shards(self, directory: Path) -> None:
        saved = torch.load(directory / OPTIMIZER_NAME, map_location="cpu", weights_only=True)
        names = {parameter: name for name, parameter in self._module().named_parameters()}
        groups = self._optimizer().param_groups
        order = (names[parameter] for group in groups for parameter in group["params"])
        set_optimizer_state_dict(
            self._module(),
            self._optimizer(),
            _renamed(saved, dict(enumerate(order))),
            options=StateDictOptions(full_state_dict=True),
        )
        scheduler = torch.load(directory / SCHEDULER_NAME, weights_only=True)
        self._scheduler().load_state_dict(scheduler)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)  # type: ignore[no-untyped-call]
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def _module(self) -> nn.Module:
        module: nn.Module = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        return module

    def _scheduler(self) -> Any:
        return self.lr_scheduler

    def _optimizer(self) -> torch.optim.Optimizer:
        wrapped: Any = self.optimizer
        optimizer: torch.optim.Optimizer = getattr(wrapped, "optimizer", wrapped)
        return optimizer


def _renamed(state: dict[str, Any], keys: Mapping[Any, Any]) -> dict[str, Any]:
    """The state of an optimizer with other keys for its parameters.

    An optimizer saves the numbers of its parameters, torch's functions for shards use their names.
    """
    return {
        "state": {keys[key]: values for key, values in state["state"].items()},
        "param_groups": [
            {**group, "params": [keys[key] for key in group["params"]]}
            for group in state["param_groups"]
        ],
    }
