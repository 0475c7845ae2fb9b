"""The model that a run starts from: built or loaded, and checked before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from tidemask.errors import UserError, shortened
from tidemask.modeling.building import build_model
from tidemask.modeling.loading import load_starting_weights
from tidemask.modeling.precision import fails_in_bf16, resolved_precision, usual_device
from tidemask.modeling.settings import MODEL_SIZES, ModelSettings, Precision
from tidemask.runs.config import RunConfig
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.model_fit import check_length, separator_of, training_module
from tidemask.runs.vocabulary_fit import fit_vocabulary
from tidemask.training.distributed import on_first_rank
from tidemask.training.learning_rate import WARM_START_LEARNING_RATE, usual_learning_rate
from tidemask.training.settings import TrainingSettings

_NAMED = 3
"""Weights that a note names; the others are counted."""


@dataclass(frozen=True)
class InitialModel:
    """The model that training begins with.

    Attributes:
        model: in float32, on the CPU.
        fingerprint: SHA-256, hexadecimal, of the configuration file that the model was built from,
            or of the configuration and the weights that it goes on from; `None` for a size.
        notes: what a user should know of it, one sentence each.
    """

    model: PreTrainedModel
    fingerprint: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What follows from the model that a run starts from, and from where it runs.

    Attributes:
        fingerprint: as in `InitialModel`.
        learning_rate: the peak that is usual for the model, for settings that say `auto`.
        precision: the one that is quick here, likewise.
    """

    fingerprint: str | None
    learning_rate: float
    precision: Precision


def load_initial_model(settings: ModelSettings, data: CorpusInputs, *, seed: int) -> InitialModel:
    """The model that training begins with; the global generator is left as it was.

    Args:
        settings: which model.
        data: the corpus, for which the model is built or which it must fit.
        seed: of what is not loaded.

    Raises:
        UserError: it cannot be built or loaded, does not fit the corpus' tokenizer or the length of
            its rows, or cannot keep documents apart although the settings ask for it.
    """
    if settings.warm_start is not None:
        return _warm_start(settings.warm_start, settings, data, seed)
    manifest = data.corpus.manifest
    model = build_model(
        settings,
        tokenizer=data.tokenizer,
        vocab_size=manifest.vocab_size,
        sequence_length=manifest.sequence_length,
        seed=seed,
    )
    check_length(settings.name, model, data)
    is_size = settings.size is not None
    return InitialModel(model, None if is_size else _fingerprint(model.config, {}))


def plan_initial_model(
    settings: ModelSettings, data: CorpusInputs, training: TrainingSettings
) -> Plan:
    """Make sure that a run can start, before anything of it is written.

    A model of a size is not built for that: it fits any corpus.

    Raises:
        UserError: as `load_initial_model` and `training_module`; or the architecture does not run
            in the precision, or cannot compute its layers again.
    """
    if settings.size is not None:
        separator_of(settings, data)
        shape = MODEL_SIZES[settings.size]
        precision = _precision(training, shape.architecture)
        return Plan(None, _learning_rate(settings, shape.hidden), precision)
    initial = load_initial_model(settings, data, seed=training.seed)
    training_module(initial.model, settings, data)
    model_type = str(initial.model.config.model_type)
    architecture = f"{settings.name}, a {model_type}"
    if training.gradient_checkpointing and not initial.model.supports_gradient_checkpointing:
        raise UserError(
            "layers that cannot be computed again: training.gradient_checkpointing=true and "
            f"{architecture}. Set it to false."
        )
    precision = _precision(training, model_type)
    length = data.corpus.manifest.sequence_length
    if precision != "float32" and fails_in_bf16(initial.model.config, length):
        raise UserError(
            f"precision that the model does not run in: training.precision={precision} "
            f"and {architecture}, whose attention in transformers mixes types then and fails. "
            "Set training.precision=float32."
        )
    rate = _learning_rate(settings, int(initial.model.config.hidden_size))
    return Plan(initial.fingerprint, rate, precision)


def _learning_rate(settings: ModelSettings, hidden_size: int) -> float:
    """The usual peak for a model of a width, trained further or from scratch."""
    if settings.warm_start is not None:
        return WARM_START_LEARNING_RATE
    return usual_learning_rate(hidden_size)


def _precision(training: TrainingSettings, model_type: str) -> Precision:
    """What the first rank would choose: all train in one precision."""
    return on_first_rank(lambda: resolved_precision(training.precision, usual_device(), model_type))


def recorded_plan(settings: ModelSettings, existing: RunConfig) -> Plan:
    """The plan of a command that asks for a run that exists.

    The files that it started from may be gone: its checkpoints have all that it needs. It goes on
    in its own precision, wherever that is.
    """
    recorded = existing.training
    precision: Precision = "float32" if recorded.precision == "auto" else recorded.precision
    known = recorded.learning_rate
    if settings.config is None or known == "auto":  # of a file, the width may not be known any more
        known = _learning_rate(settings, MODEL_SIZES[settings.size].hidden if settings.size else 0)
    return Plan(existing.model_fingerprint, known, precision)


def _warm_start(name: str, settings: ModelSettings, data: CorpusInputs, seed: int) -> InitialModel:
    weights = load_starting_weights(
        name,
        dropout=settings.dropout,
        attention_dropout=settings.attention_dropout,
        seed=seed,
    )
    fingerprint = _fingerprint(weights.model.config, weights.model.state_dict())
    model, on_vocabulary = fit_vocabulary(name, weights.model, data, settings.new_embeddings)
    check_length(name, model, data)
    notes = [note for note in (weights.note, on_vocabulary) if note]
    if weights.absent:
        notes.append(
            f"{name} has no weights for {shortened(weights.absent, _NAMED)}; they start from "
            "random ones."
        )
    return InitialModel(model, fingerprint, tuple(notes))


def check_recorded_model(config: RunConfig, fingerprint: str | None) -> None:
    """Make sure that a starting model is the one that a run was made for.

    Raises:
        UserError: it has another fingerprint.
    """
    if fingerprint != config.model_fingerprint:
        raise UserError(
            f"starting model changed: {config.model.name} has the fingerprint "
            f"{fingerprint}, the run was made for {config.model_fingerprint}. "
            "Restore it, or start a new run."
        )


def check_recorded_weights(config: RunConfig) -> None:
    """Make sure that the weights a run started from are there still.

    Runs of earlier versions may not say what they were.

    Raises:
        UserError: there are others now, or none.
    """
    model = config.model
    if model.warm_start is None or config.model_fingerprint is None:
        return
    weights = load_starting_weights(
        model.warm_start,
        dropout=model.dropout,
        attention_dropout=model.attention_dropout,
        seed=config.training.seed,
    ).model
    check_recorded_model(config, _fingerprint(weights.config, weights.state_dict()))


def _fingerprint(config: PreTrainedConfig, weights: Mapping[str, Tensor]) -> str:
    """Over what determines the model, not over where it was or which library saved it."""
    digest = hashlib.sha256()
    fields = config.to_dict()
    for name in ("transformers_version", "_name_or_path", "dtype", "architectures"):
        fields.pop(name, None)
    digest.update(json.dumps(fields, sort_keys=True, default=str).encode())
    for name, weight in sorted(weights.items()):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().contiguous().numpy().data)
    return digest.hexdigest()
