"""How the forward and backward pass run: with which head, compiled, activations recomputed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tidemask.errors import UserError
from tidemask.modeling.linear_cross_entropy import check_cut_cross_entropy, cut_cross_entropy
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.processes import without_stop_signals
from tidemask.training.settings import TrainingSettings
from tidemask.training.signals import Interrupted, StopRequest


def set_up_passes(
    model: SelectedPositionsLM, settings: TrainingSettings, device: torch.device
) -> None:
    """Let a model compute its passes as the settings ask; its weights stay as they are.

    Raises:
        UserError: something that a setting needs is not installed.
    """
    if settings.head == "cut_cross_entropy":
        check_cut_cross_entropy()
        model.head_loss = cut_cross_entropy
    if settings.gradient_checkpointing:
        _recompute_activations(model.language_model)
    if settings.compile:
        _compile(model, device)


def _compile(model: nn.Module, device: torch.device) -> None:
    """Compile the model's calls in place, once for every masking ratio.

    Names of weights and `forward` itself stay as they are. On a CPU dropout is left to the eager
    generator, as the compiler's own takes longer than all that it saves.
    """
    from torch._inductor.async_compile import AsyncCompile

    options = None
    if device.type == "cpu":
        _check_compiler()
        options = {"fallback_random": True}
    elif not torch.utils._triton.has_triton():
        raise UserError("training.compile=true needs Triton on a GPU. Install it, or set false.")
    with without_stop_signals():
        AsyncCompile.warm_pool()  # its processes, which have no handler, would die of them
    model.compile(options=options)


@contextmanager
def compilers_stop_with(stop_request: StopRequest) -> Iterator[None]:
    """Take the end of a compiler, which a signal to the whole job ended too, for the stop it is.

    Raises:
        Interrupted: instead of the error of a compilation, if a signal has come.
    """
    try:
        yield
    except RuntimeError as error:
        is_of_compiler = type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
        if stop_request.received is None or not is_of_compiler:
            raise
        raise Interrupted(stop_request.received) from error


def mark_changing(inputs: dict[str, Tensor]) -> None:
    """Tell the compiler what has another length in each step: what is selected."""
    for name in ("positions", "targets"):
        torch._dynamo.mark_dynamic(inputs[name], 0)


def _recompute_activations(model: Any) -> None:
    """Compute each layer again in the backward pass; transformers 5.17 has the older name alone."""
    how = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(how)
    else:
        model.gradient_checkpointing_enable(how)


def _check_compiler() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise UserError(
            "training.compile=true needs a C++ compiler on a CPU, and none was found. Install one "
            "(g++ or clang++), name it in the environment as CXX, or set false."
        ) from error
