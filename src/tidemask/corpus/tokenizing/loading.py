"""A tokenizer from a directory or the hub, and what may be wrong with it.

`transformers` is imported where it is needed: it takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tidemask.corpus.tokenizing.slow_tokenizers import fast_form
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError, one_line
from tidemask.hub import local_directory, why_not_downloaded
from tidemask.reading import MAX_TOKENIZER_BYTES, read_json
from tidemask.settings import shown
from tidemask.system_errors import raise_out_of_memory

_ADVICE = "Restore the file, or use another tokenizer."

MAX_VOCAB_SIZE = 1 << 22
"""Entries of a tokenizer; four times as many as the largest that was published for an encoder."""


def load_tokenizer(name: str | Path) -> CorpusTokenizer:
    """The tokenizer in a local directory, which a `Path` always is, or of a model on the hub.

    Raises:
        UserError: there is none, it is a slow one without a fast form, it has no mask or no pad
            token, a special token that its vocabulary lacks, or two tokens of one id.
    """
    tokenizer = _load(name)
    if not getattr(tokenizer, "is_fast", False):
        tokenizer = fast_form(tokenizer, name)
    longest = tokenizer.model_max_length
    if not isinstance(longest, int) or longest < 1:
        raise UserError(
            f"damaged tokenizer: {name}: model_max_length={shown(longest)} in its "
            "tokenizer_config.json. Expected a number of tokens. " + _ADVICE
        )
    inputs = tokenizer.model_input_names
    if "input_ids" not in inputs or not all(isinstance(name, str) for name in inputs):
        raise UserError(
            f"damaged tokenizer: {name}: model_input_names={shown(inputs)} in its "
            "tokenizer_config.json. Expected names, input_ids among them. " + _ADVICE
        )
    vocabulary = tokenizer.get_vocab()
    for kind, token in tokenizer.special_tokens_map.items():
        if isinstance(token, str) and token not in vocabulary:
            raise UserError(
                f"damaged tokenizer: {name}: {kind}={shown(token)} in its tokenizer_config.json. "
                "Expected a token of its vocabulary. " + _ADVICE
            )
    for kind in ("mask", "pad"):
        if getattr(tokenizer, f"{kind}_token_id") is None:
            raise UserError(
                f"tokenizer without {kind} token: {name}. Expected a {kind}_token in its "
                "tokenizer_config.json. Add one, or use the tokenizer of a masked language model."
            )
    loaded = CorpusTokenizer(tokenizer)
    try:
        size = loaded.vocab_size
    except ValueError as error:
        raise UserError(f"unusable vocabulary: {name}: {error}") from error
    if size > MAX_VOCAB_SIZE:
        raise UserError(
            f"vocabulary too large: {name} has an entry of id {size - 1}. Expected "
            f"ids below {MAX_VOCAB_SIZE}. Number its entries from 0, or use another."
        )
    return loaded


def _load(name: str | Path) -> Any:  # whatever class the directory names
    from transformers import AutoTokenizer

    from tidemask.pretrained import from_pretrained

    directory = name if isinstance(name, Path) else _named_directory(name)
    try:
        return from_pretrained(AutoTokenizer, directory or name)
    except UserError:
        raise
    except Exception as error:  # that of tokenizers is no narrower; others follow from a wrong type
        raise_out_of_memory(error)
        if directory is not None:
            _check_files(Path(directory))
        raise UserError(
            f"no tokenizer there: {name} ({why_not_downloaded(error) or one_line(error)}). "
            "Expected a directory with a tokenizer.json, or the name of a model on the hub. "
            "Check the spelling, or train one."
        ) from error


def _named_directory(name: str) -> Path | None:
    return local_directory(name, expected="a tokenizer: a directory with a tokenizer.json")


@dataclass(frozen=True)
class _Configuration:
    """What transformers takes for granted of a `tokenizer_config.json`."""

    tokenizer_class: str | None = None
    model_max_length: int | None = None
    model_input_names: list[str] = field(default_factory=list)
    added_tokens_decoder: dict[str, Any] | None = None


def _check_files(directory: Path) -> None:
    """Name the file of a tokenizer that is damaged, and what is wrong in it.

    Raises:
        UserError: one is.
    """
    configuration, backend = directory / "tokenizer_config.json", directory / "tokenizer.json"
    if configuration.is_file():
        read_json(
            configuration,
            _Configuration,
            max_bytes=MAX_TOKENIZER_BYTES,
            what="tokenizer configuration",
            advice=_ADVICE,
        )
    if backend.is_file():
        try:
            Tokenizer.from_file(str(backend))
        except Exception as error:  # tokenizers raises no narrower one
            raise UserError(
                f"damaged tokenizer: {backend}: {one_line(error, longest=100)}. {_ADVICE}"
            ) from error
