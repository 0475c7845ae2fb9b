"""The model under test: a masked language model on disk, with its tokenizer.

It may stand for its architecture with random weights: the row that every fine-tuned score is
compared with, for a fine-tuned random model is better than chance.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from tidemask.corpus.tokenizing.frame import Frame
from tidemask.corpus.tokenizing.letter_case import case_note
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.modeling.configuration import (
    FAILURES,
    check_dimensions,
    first_sentence,
    num_positions,
)
from tidemask.modeling.loading import (
    check_finite,
    check_sizes,
    encoder_is_absent,
    load_model,
    quietly,
)
from tidemask.modeling.wrapped_weights import how_to_resize, load_unwrapped
from tidemask.pretrained import from_config, from_pretrained
from tidemask.reading import MAX_INDEX_BYTES, read_json
from tidemask.system_errors import raise_out_of_memory

_INDEX = "*.index.json"
_WEIGHTS = ("*.safetensors", "*.bin", _INDEX)


@dataclass(frozen=True)
class _WeightIndex:
    """What an index of weights in several files says: the file of each weight."""

    weight_map: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ModelUnderTest:
    """A masked language model that is evaluated.

    Attributes:
        directory: config.json and weights, in the format of transformers.
        tokenizer_directory: its tokenizer.
        is_random: whether random weights replace its own.
        device: where it is evaluated.
        notes: what a reader of its scores should know, one sentence each; of what was loaded so
            far.
    """

    directory: Path
    tokenizer_directory: Path
    is_random: bool = False
    device: str = "cpu"
    notes: list[str] = field(default_factory=list, init=False, compare=False)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Its tokenizer, a fast one.

        Raises:
            UserError: there is none, or it has more ids than the model has.
        """
        tokenizer, size = self._loaded_tokenizer.tokenizer, self._loaded_tokenizer.vocab_size
        tokenizer.padding_side = "right"  # outputs are cut to the length of their example
        num_ids = int(self._config().vocab_size)
        if size > num_ids:
            model = self.without_weights(AutoModelForMaskedLM)
            raise UserError(
                f"tokenizer of another model, or with tokens that were added: "
                f"{self.tokenizer_directory} has {size} ids, {self.directory} has "
                f"vocab_size={num_ids}. Put the model's own tokenizer there. If tokens were added: "
                f"{how_to_resize(self.directory, size, model)}"
            )
        if note := case_note(tokenizer, str(self.tokenizer_directory)):
            self._note(note)
        return tokenizer

    @property
    def frame(self) -> Frame:
        """The special tokens that its tokenizer puts around texts."""
        return self._loaded_tokenizer.frame

    @property
    def tokenizer_fingerprint(self) -> str:
        """SHA-256 of what the tokenizer does, hexadecimal."""
        return self._loaded_tokenizer.fingerprint

    @cached_property
    def _loaded_tokenizer(self) -> CorpusTokenizer:
        return load_tokenizer(self.tokenizer_directory)

    @cached_property
    def max_length(self) -> int | None:
        """Longest sequence that the model takes, tokens; `None` if it sets no limit."""
        return num_positions(self.without_weights(AutoModelForMaskedLM))

    def without_weights(self, auto_class: Any) -> PreTrainedModel:
        """The model with some head on PyTorch's meta device, which takes no memory.

        Args:
            auto_class: such as `AutoModelForSequenceClassification`.

        Raises:
            UserError: there is no model, or transformers has no such head for its architecture.
        """
        with torch.device("meta"):
            return self._built(auto_class, self._config())

    @property
    def model_type(self) -> str:
        """Its architecture, by transformers' name.

        Raises:
            UserError: there is no model.
        """
        return str(self._config().model_type)

    def takes_token_types(self, auto_class: Any) -> bool:
        """Whether the model with some head tells two texts apart by token types.

        RoBERTa has one type only, and an id of 1 is outside its table; ModernBERT has no argument
        for them.
        """
        model = self.without_weights(auto_class)
        num_types = getattr(model.config, "type_vocab_size", 2)
        return num_types > 1 and "token_type_ids" in inspect.signature(model.forward).parameters

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of configuration, tokenizer and weights, hexadecimal; without those if random.

        Raises:
            UserError: there is no model or no tokenizer.
        """
        self._config()
        files = [self.directory / "config.json"]
        if not self.is_random:
            files += self._weight_files()
        digest = hashlib.sha256(self.tokenizer_fingerprint.encode())
        if self.frame.is_of_names:  # which the tokenizer's fingerprint does not know
            digest.update(repr(self.frame).encode())
        for path in files:
            digest.update(f"{os.path.relpath(path, self.directory)}\0".encode())
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
        return digest.hexdigest()

    @property
    def identity(self) -> dict[str, str]:
        """What a result says of the model that it was measured on, each as SHA-256, hexadecimal.

        `fingerprint`, and `special_tokens`: which ids its tokenizer gives to the mask token and the
        others, which the fingerprint does not know. Results of earlier versions lack these.

        Raises:
            UserError: as `fingerprint`.
        """
        special = json.dumps(self._loaded_tokenizer.named_special_ids, sort_keys=True)
        digest = hashlib.sha256(special.encode()).hexdigest()
        return {"fingerprint": self.fingerprint, "special_tokens": digest}

    def _weight_files(self) -> list[Path]:
        """The weights in the directory, and those in others that an index of it names."""
        files = sorted(path for kind in _WEIGHTS for path in self.directory.glob(kind))
        for index in sorted(self.directory.glob(_INDEX)):
            listed = read_json(
                index, _WeightIndex, max_bytes=MAX_INDEX_BYTES, what="index of weights"
            )
            named = sorted(set(listed.weight_map.values()))
            files += [self.directory / name for name in named if Path(name).parts[1:]]
        return [path for path in files if path.is_file()]

    def masked_lm(self, *, seed: int = 0) -> PreTrainedModel:
        """The model as it predicts masked tokens: in evaluation mode, float32, on the device.

        Args:
            seed: of the weights, if they are random.

        Raises:
            UserError: there is no model, or it cannot predict masked tokens.
        """
        if self.is_random:
            model = self._random(AutoModelForMaskedLM, self._config(), seed)
        else:
            model = load_model(self.directory, self._note)
        placed: PreTrainedModel = model.to(self.device)  # type: ignore[arg-type]
        placed.train(False)
        return placed

    def with_head(self, auto_class: Any, *, seed: int, **config: Any) -> PreTrainedModel:
        """The encoder with another head, to be fine-tuned: float32, on the device.

        The head's own weights are random, and with `is_random` the encoder's as well; the global
        generator is left as it was.

        Args:
            auto_class: such as `AutoModelForSequenceClassification`.
            seed: of the random weights.
            config: replaces values of the configuration, such as `num_labels`.

        Raises:
            UserError: there is no model, or transformers has no such head for its architecture.
        """
        settings = self._config(**config)
        if self.is_random:
            return self._random(auto_class, settings, seed).to(self.device)  # type: ignore[no-any-return, arg-type]
        try:
            with quietly(), torch.random.fork_rng():
                torch.manual_seed(seed)
                model, report, note = load_unwrapped(
                    auto_class,
                    self.directory,
                    config=settings,
                    dtype=torch.float32,
                    ignore_mismatched_sizes=True,  # refused below
                )
        except UserError:
            raise
        except FAILURES as error:
            raise_out_of_memory(error)
            raise self._unloadable(error) from error
        encoder = f"{model.base_model_prefix}."  # a head of another task is a fresh one here
        wrong = [found for found in report["mismatched_keys"] if found[0].startswith(encoder)]
        check_sizes(str(self.directory), wrong)
        if encoder_is_absent(model, report["missing_keys"]):
            raise UserError(
                f"no weights of this model: {self.directory} holds none that its configuration "
                f"({settings.model_type}) names. Expected weights and config.json of one model."
            )
        check_finite(model, str(self.directory))
        if note:
            self._note(note)
        return model.to(self.device)  # type: ignore[no-any-return]

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _random(self, auto_class: Any, config: Any, seed: int) -> PreTrainedModel:
        with quietly(), torch.random.fork_rng():
            torch.manual_seed(seed)
            return self._built(auto_class, config)

    def _built(self, auto_class: Any, config: Any) -> PreTrainedModel:
        try:
            with quietly():
                model: PreTrainedModel = from_config(auto_class, config).float()
        except UserError:
            raise
        except FAILURES as error:
            raise_out_of_memory(error)
            raise self._unloadable(error) from error
        return model

    def _config(self, **changes: Any) -> Any:  # whatever class the file names
        if not (self.directory / "config.json").is_file():
            raise UserError(f"no model: {self.directory}. Expected a directory with a config.json.")
        try:
            with quietly():
                config = from_pretrained(AutoConfig, self.directory, **changes)
                check_dimensions(config, str(self.directory))
                return config
        except UserError:
            raise
        except FAILURES as error:
            raise_out_of_memory(error)
            raise self._unloadable(error) from error

    def _unloadable(self, error: BaseException) -> UserError:
        return UserError(f"model not loadable: {self.directory}: {first_sentence(error)}")
