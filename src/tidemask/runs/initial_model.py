"""The model that a run starts from: built or loaded, and held against the corpus it is to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from tidemask.corpus.tokenizing.tokenizer import load_tokenizer
from tidemask.errors import UserError
from tidemask.modeling import (
    MODEL_SIZES,
    ModelSettings,
    SelectedPositionsLM,
    build_model,
    load_starting_weights,
    missing_positions,
)
from tidemask.runs.config import RunConfig
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.training.arguments import (
    WARM_START_LEARNING_RATE,
    TrainingSettings,
    usual_learning_rate,
)

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
)
"""A directory with any of these has a tokenizer."""

_ONLY_FLOAT32 = ("deberta",)
"""Architectures that fail under autocast: DeBERTa's first version, not its second and third."""

_NAMED = 3
"""Weights that a note names; the others are counted."""


@dataclass(frozen=True)
class Start:
    """Where training begins.

    Attributes:
        model: in float32, on the CPU.
        fingerprint: SHA-256, hexadecimal, of the configuration file that the model was built from,
            or of the configuration and the weights that it goes on from; `None` for a size.
        notes: what a user should know of it, one sentence each.
    """

    model: PreTrainedModel
    fingerprint: str | None
    notes: tuple[str, ...] = ()

    def refuse_other_than(self, fingerprint: str | None, settings: ModelSettings) -> None:
        """Make sure that this is the model that a run was made for.

        Raises:
            UserError: its configuration or its weights are others.
        """
        if self.fingerprint != fingerprint:
            raise UserError(
                f"starting model changed: {settings.name} has the fingerprint {self.fingerprint}, "
                f"the run was made for {fingerprint}. Restore it, or start a new run."
            )


def start_of(settings: ModelSettings, data: CorpusInputs, *, seed: int) -> Start:
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
        return _warm_start(settings.warm_start, settings.dropout, data, seed)
    manifest = data.corpus.manifest
    model = build_model(
        settings,
        tokenizer=data.tokenizer,
        vocab_size=manifest.vocab_size,
        sequence_length=manifest.sequence_length,
        seed=seed,
    )
    _check_length(settings.name, model, data)
    is_size = settings.size is not None
    return Start(model, None if is_size else _fingerprint(model.config, {}))


@dataclass(frozen=True)
class CheckedStart:
    """What a run's configuration says of the model that it starts from.

    Attributes:
        fingerprint: as in `Start`.
        learning_rate: the usual peak for it, for a run that is given none.
    """

    fingerprint: str | None
    learning_rate: float


def check_start(
    settings: ModelSettings, data: CorpusInputs, training: TrainingSettings
) -> CheckedStart:
    """Make sure that a run can start, before anything of it is written.

    A model of a size is not built for that: it fits any corpus.

    Raises:
        UserError: as `start_of` and `wrapped`; or the architecture does not run in the precision,
            or cannot compute its layers again.
    """
    if settings.size is not None:
        _separator(settings, data)
        return CheckedStart(None, _learning_rate(settings, MODEL_SIZES[settings.size].hidden))
    start = start_of(settings, data, seed=training.seed)
    wrapped(start.model, settings, data)
    precision = training.precision
    if training.gradient_checkpointing and not start.model.supports_gradient_checkpointing:
        raise UserError(
            f"layers that cannot be computed again: training.gradient_checkpointing=true and "
            f"{settings.name}, a {start.model.config.model_type}. Set it to false."
        )
    if precision != "float32" and start.model.config.model_type in _ONLY_FLOAT32:
        raise UserError(
            f"precision that the model does not run in: training.precision={precision} and "
            f"{settings.name}, a {start.model.config.model_type}, whose attention in transformers "
            "mixes types then and fails. Set training.precision=float32."
        )
    rate = _learning_rate(settings, int(start.model.config.hidden_size))
    return CheckedStart(start.fingerprint, rate)


def _learning_rate(settings: ModelSettings, hidden_size: int) -> float:
    """The usual peak for a model of a width, trained further or from scratch."""
    if settings.warm_start is not None:
        return WARM_START_LEARNING_RATE
    return usual_learning_rate(hidden_size)


def started_from(
    settings: ModelSettings, existing: RunConfig
) -> tuple[ModelSettings, CheckedStart]:
    """What a run that exists says of its start, for the settings of one that is asked for.

    What it started from may be gone: its checkpoints have all that it needs.

    Args:
        settings: asked for.
        existing: of the run.
    """
    changes = {}
    for name in ("config", "warm_start"):
        asked, begun = getattr(settings, name), getattr(existing.model, name)
        if asked is not None and str(Path(asked).expanduser().resolve()) == begun:
            changes[name] = begun
    hidden_size = MODEL_SIZES[settings.size].hidden if settings.size is not None else 0
    rate = _learning_rate(settings, hidden_size)
    known = existing.training.learning_rate
    if settings.config is not None and known != "auto":  # its width may not be known any more
        rate = known
    return replace(settings, **changes), CheckedStart(existing.model_fingerprint, rate)


def wrapped(
    model: PreTrainedModel, settings: ModelSettings, data: CorpusInputs
) -> SelectedPositionsLM:
    """The module that is trained and measured, with documents together or apart.

    Raises:
        UserError: documents cannot be kept apart, by this model or with this tokenizer.
    """
    return SelectedPositionsLM(model, separator_id=_separator(settings, data))


def resolved(settings: ModelSettings) -> ModelSettings:
    """The same with absolute paths, so that a run may be continued from another directory."""
    found = {
        name: str(Path(value).expanduser().resolve())
        for name in ("config", "warm_start")
        if (value := getattr(settings, name)) is not None and Path(value).expanduser().exists()
    }
    return replace(settings, **found)  # type: ignore[arg-type]  # mypy sees str for every field


def check_vocabulary(name: str, model: PreTrainedModel, data: CorpusInputs) -> str | None:
    """Make sure that a model reads the ids of a corpus as they were meant.

    A model may have more ids than its tokenizer (often a multiple of 64): the others are never read
    or drawn, only predicted against.

    Args:
        name: a directory, or the name of a model on the hub.
        model: the model from there.
        data: the corpus.

    Returns:
        What could not be checked, one sentence; `None` if everything was.

    Raises:
        UserError: the tokenizers differ, or the model has fewer ids than the corpus.
    """
    embeddings: Any = model.get_input_embeddings()
    num_ids = int(embeddings.weight.shape[0])
    directory = Path(name).expanduser()
    is_bare = directory.is_dir() and not any((directory / f).is_file() for f in _TOKENIZER_FILES)
    if is_bare:
        fits = num_ids == data.vocabulary.size
    else:
        own = load_tokenizer(name).fingerprint
        fits = own == data.corpus.manifest.tokenizer_fingerprint
        fits = fits and num_ids >= data.vocabulary.size
    if not fits:
        raise UserError(
            f"model does not fit the corpus: {name} (vocab_size={num_ids}) and "
            f"{data.corpus.root} (vocab_size={data.vocabulary.size}) have different "
            f"tokenizers. Prepare the text with --tokenizer {name}."
        )
    if is_bare:
        return f"{name} has no tokenizer; that the corpus was made with its own was not checked."
    return None


def _warm_start(name: str, dropout: float | None, data: CorpusInputs, seed: int) -> Start:
    weights = load_starting_weights(name, dropout=dropout, seed=seed)
    unchecked = check_vocabulary(name, weights.model, data)
    _check_length(name, weights.model, data)
    notes = [unchecked] if unchecked else []
    if weights.absent:
        notes.append(
            f"{name} has no weights for {_listed(weights.absent)}; they start from random ones."
        )
    fingerprint = _fingerprint(weights.model.config, weights.model.state_dict())
    return Start(weights.model, fingerprint, tuple(notes))


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _check_length(name: str, model: PreTrainedModel, data: CorpusInputs) -> None:
    length = data.corpus.manifest.sequence_length
    missing = missing_positions(model, length)
    if missing:
        raise UserError(
            f"rows too long for the model: sequence_length={length} of {data.corpus.root}, and "
            f"{name} has {length - missing} positions. "
            f"Prepare the text with --sequence-length {length - missing} or less."
        )


def _separator(settings: ModelSettings, data: CorpusInputs) -> int | None:
    if settings.documents == "together":
        return None
    if data.separator_id is None:
        raise UserError(
            f"documents cannot be kept apart: the tokenizer of {data.corpus.root} has no SEP "
            "or EOS token that is not its unknown token too, so its rows do not show where "
            "documents end. Set model.documents=together."
        )
    return data.separator_id


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
