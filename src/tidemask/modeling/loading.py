"""Models that exist: our own checkpoints, and the weights that further pre-training starts from.

Weights come as float32 in whatever type they were saved. No code of a model's author ever runs:
`pretrained.py` sees to that, and of pickled files only tensors are read.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from tidemask.errors import UserError, shortened
from tidemask.hub import local_directory, quiet_retries, why_not_downloaded
from tidemask.modeling.configuration import (
    FAILURES,
    check_dimensions,
    check_masked_lm,
    first_sentence,
    set_dropout,
)
from tidemask.modeling.wrapped_weights import load_unwrapped
from tidemask.pretrained import from_pretrained
from tidemask.progress import NoteCallback, ignore
from tidemask.system_errors import raise_out_of_memory


@contextmanager
def quietly() -> Iterator[None]:
    """Silence the progress bars and reports of transformers; what matters is in our own errors."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with quiet_retries():
            yield
    finally:
        transformers_logging.set_verbosity(before)


@dataclass(frozen=True)
class StartingWeights:
    """A model that is trained further.

    Attributes:
        model: in float32.
        absent: names of the weights that were not saved with it, and are freshly initialised.
        note: on the names of its weights, one sentence.
    """

    model: PreTrainedModel
    absent: tuple[str, ...]
    note: str | None = None


def load_model(directory: Path, on_note: NoteCallback = ignore) -> PreTrainedModel:
    """A masked language model from a local directory in the format of transformers.

    Args:
        directory: config.json and weights.
        on_note: called with what a user should know of the names of its weights.

    Raises:
        UserError: there is no loadable model, it has no weights that predict masked tokens, or one
            that is not finite.
    """
    if not (directory / "config.json").is_file():
        raise UserError(f"no model: {directory}. Expected a directory with a config.json.")
    try:
        with quietly():
            config = from_pretrained(AutoConfig, directory)
            check_dimensions(config, str(directory))
            model, report, note = load_unwrapped(
                AutoModelForMaskedLM,
                directory,
                config=config,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # so that the report names them; refused below
            )
    except UserError:
        raise
    except FAILURES as error:
        raise_out_of_memory(error)
        raise UserError(f"model not loadable: {directory}: {first_sentence(error)}") from error
    check_sizes(str(directory), report["mismatched_keys"])
    if absent := sorted(report["missing_keys"]):
        raise UserError(
            f"no head for masked tokens: {directory} has no weights for {shortened(absent, 1)}, "
            "which predict them. "
            "Expected a masked language model. Name one, or train its head with `tidemask pretrain "
            "model.warm_start=...`."
        )
    check_finite(model, str(directory))
    _copy_out_of_file(model)
    if note:
        on_note(note)
    found: PreTrainedModel = model
    return found


def load_starting_weights(
    name: str, *, dropout: float | None, attention_dropout: float | None = None, seed: int
) -> StartingWeights:
    """A masked language model from a local directory or from the hub, for further pre-training.

    Args:
        name: a directory; else the name of a model on the hub, or in its local cache.
        dropout: replaces that of the model's configuration, unless `None`.
        attention_dropout: replaces that of the attention's probabilities, likewise.
        seed: of the weights that were not saved with it; the global generator is left as it was.

    Raises:
        UserError: there is no such model, it is not a masked language model, it needs code of its
            own, its files are damaged, none of its weights fits its configuration, or one is not
            finite.
    """
    expected = "a directory with a config.json"
    directory = local_directory(name, setting="model.warm_start", expected=expected)
    place = str(directory or name)
    try:
        with quietly(), torch.random.fork_rng():
            torch.manual_seed(seed)
            config = from_pretrained(AutoConfig, place)
            check_masked_lm(config, name)
            set_dropout(config, dropout, attention_dropout)
            model, report, note = load_unwrapped(
                AutoModelForMaskedLM,
                place,
                config=config,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # so that the report names them; refused below
            )
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(
            f"model not loadable: {name}: its weights are a pickle with more than tensors in it, "
            "which could run any code. Expected model.safetensors. Convert it where you trust it."
        ) from error
    except FAILURES as error:
        raise_out_of_memory(error)
        not_here = "" if directory else " (no directory here)"
        reason = None if directory else why_not_downloaded(error)
        raise UserError(
            f"model not loadable: model.warm_start={name}{not_here}: "
            f"{f'{reason}.' if reason else first_sentence(error)} Expected a directory of "
            "transformers, or the name of a masked language model on the hub."
        ) from error
    check_sizes(name, report["mismatched_keys"])
    absent = tuple(sorted(report["missing_keys"]))
    if encoder_is_absent(model, absent):
        raise UserError(
            f"no weights of this model: {name} holds none that its configuration "
            f"({config.model_type}) names. Expected weights and config.json of one model."
        )
    check_finite(model, name)
    _copy_out_of_file(model)
    return StartingWeights(model, absent, note)


def _copy_out_of_file(model: PreTrainedModel) -> None:
    """Copy the weights out of the file that they are mapped from.

    A mapped file keeps its space on the disk after it is deleted, such as the checkpoint that a run
    was continued from, and a process that overwrites it changes weights in use.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


def check_finite(model: PreTrainedModel, place: str) -> None:
    """Refuse a model with an infinite weight or NaN, whose every number would be wrong.

    Args:
        model: as it was loaded.
        place: directory or name, for the message.

    Raises:
        UserError: names the first such parameter.
    """
    for name, weight in model.named_parameters():
        num_wrong = weight.numel() - int(torch.isfinite(weight).sum())
        if num_wrong:
            raise UserError(
                f"weights that are not finite: {place}: {name} has {num_wrong:,} of "
                f"{weight.numel():,} values that are infinite or NaN. Its training diverged, or "
                "the file is damaged. Take an earlier checkpoint, or another model."
            )


def check_sizes(place: str, mismatched: Collection[tuple[str, Any, Any]]) -> None:
    """Refuse weights of other shapes than the configuration gives.

    Args:
        place: directory or name, for the message.
        mismatched: name of each, the shape that it has, and that of the configuration.

    Raises:
        UserError: names the first of them.
    """
    if mismatched:
        weight, saved, expected = min(mismatched, key=lambda found: found[0])
        raise UserError(
            f"weights of another model: {place} holds {weight} of shape {tuple(saved)}, its "
            f"configuration gives {tuple(expected)}. Expected weights and config.json of one model."
        )


def encoder_is_absent(model: PreTrainedModel, absent: Collection[str]) -> bool:
    """Whether none of the encoder's weights were found, by the names of those that were not."""
    prefix = f"{model.base_model_prefix}."
    names = [name for name, _ in model.named_parameters() if name.startswith(prefix)]
    return bool(names) and set(names) <= set(absent)
