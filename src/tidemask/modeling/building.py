"""Models to train from scratch: of a size by name, or of a configuration file."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tidemask.errors import UserError
from tidemask.files.paths import check_plain_file, given_path
from tidemask.modeling.configuration import (
    FAILURES,
    check_masked_lm,
    first_sentence,
    missing_positions,
    set_dropout,
)
from tidemask.modeling.settings import MODEL_SIZES, ModelSettings
from tidemask.modeling.special_ids import RECORDED_BY_ALL, record_special_ids, special_ids
from tidemask.pretrained import from_config, from_pretrained
from tidemask.system_errors import raise_out_of_memory


def build_model(
    settings: ModelSettings,
    *,
    tokenizer: PreTrainedTokenizerBase,
    vocab_size: int,
    sequence_length: int,
    seed: int,
) -> PreTrainedModel:
    """A freshly initialised masked language model; the global generator is left as it was.

    Args:
        settings: size or configuration file, and dropout.
        tokenizer: whose special ids the configuration records.
        vocab_size: number of ids.
        sequence_length: longest sequence, tokens; a model of a size has at least 512 positions.
        seed: of the initial weights.

    Raises:
        UserError: the configuration file is missing, damaged, or of no masked language model that
            can be built from it.
    """
    if settings.size is not None:
        return _from_config(_size_config(settings, tokenizer, vocab_size, sequence_length), seed)
    path = given_path(str(settings.config), "model.config")
    config = _read_config(path)
    config.vocab_size = vocab_size
    record_special_ids(config, special_ids(tokenizer))
    set_dropout(config, settings.dropout, settings.attention_dropout)
    try:
        model = _with_padding_id(config, int(tokenizer.pad_token_id), seed)
        missing = missing_positions(model, sequence_length)
        if missing:
            config.max_position_embeddings += missing
            model = _from_config(config, seed)
    except UserError:
        raise
    except FAILURES as error:
        raise_out_of_memory(error)
        raise UserError(
            f"no model of this configuration: {path}: {first_sentence(error)} "
            "Expected the configuration of a masked language model."
        ) from error
    return model


def _with_padding_id(config: PreTrainedConfig, padding_id: int, seed: int) -> PreTrainedModel:
    """A model of a configuration, with more positions where the padding id is beyond them.

    RoBERTa's relatives reserve the positions up to it, and are not built without: that of a
    tokenizer with `pad_token = eos_token` may be the last id of a large vocabulary.
    """
    try:
        return _from_config(config, seed)
    except AssertionError:
        config.max_position_embeddings += padding_id + 1
        return _from_config(config, seed)


def _from_config(config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: PreTrainedModel = from_config(AutoModelForMaskedLM, config, dtype=torch.float32)
    return model


def _read_config(path: Path) -> PreTrainedConfig:
    file = path / "config.json" if path.is_dir() else path
    check_plain_file(file)
    if not file.is_file():
        raise UserError(
            f"no such configuration: model.config={path}. Expected a config.json of transformers, "
            "or a directory with one. Check the spelling."
        )
    try:
        config: PreTrainedConfig = from_pretrained(AutoConfig, file)
    except UserError:
        raise
    except FAILURES as error:
        raise_out_of_memory(error)
        raise UserError(
            f"configuration not readable: {file}: {first_sentence(error)} "
            "Expected a config.json as transformers writes it."
        ) from error
    check_masked_lm(config, str(file))
    return config


def _size_config(
    settings: ModelSettings,
    tokenizer: PreTrainedTokenizerBase,
    vocab_size: int,
    sequence_length: int,
) -> PreTrainedConfig:
    shape = MODEL_SIZES[str(settings.size)]
    # RoBERTa numbers its positions from the padding id + 1.
    reserved = int(tokenizer.pad_token_id) + 1 if shape.architecture == "roberta" else 0
    config = AutoConfig.for_model(
        shape.architecture,
        vocab_size=vocab_size,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        **shape.extra,
        max_position_embeddings=max(512, sequence_length) + reserved,
        **{name: getattr(tokenizer, name, None) for name in RECORDED_BY_ALL},
    )
    set_dropout(config, settings.dropout, settings.attention_dropout)
    return config
