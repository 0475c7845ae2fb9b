"""A masked language model that says something of a corpus' tokens: found, checked and loaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from tidemask.annotation.source import SourceRequest
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.modeling.configuration import num_positions
from tidemask.modeling.loading import load_model

MAX_WINDOW = 512
"""Positions of a window at most, special tokens among them."""
BATCH_POSITIONS = 1 << 12
"""Positions of a forward pass of several windows or words at most."""


@dataclass(frozen=True)
class ReferenceModel:
    """A model with the vocabulary entries of a corpus; its weights are loaded when first needed.

    Attributes:
        directory: of the model.
        mask_id: of the mask token.
        before: ids before the tokens of a window.
        after: ids after them.
        digest: SHA-256 of its files, shortened.
    """

    directory: Path
    mask_id: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    digest: str

    @classmethod
    def of(cls, request: SourceRequest) -> ReferenceModel:
        """The model whose directory, or whose run, is the argument.

        Raises:
            UserError: there is no such model, or it has other vocabulary entries than the corpus.
        """
        directory = given_path(request.argument, "source")
        if (directory / "model" / "config.json").is_file():  # of a run
            directory = directory / "model"
        if not (directory / "config.json").is_file():
            raise UserError(
                f"no model: {directory} has no config.json. Expected the directory of a masked "
                "language model, or of a run that has finished."
            )
        tokenizer = load_tokenizer(request.corpus.tokenizer_directory)
        _check_same_entries(directory, tokenizer, request)
        ends = (tokenizer.begin_id, tokenizer.end_id)
        before, after = (() if one is None else (one,) for one in ends)
        mask_id = int(tokenizer.tokenizer.mask_token_id)
        return cls(directory, mask_id, before, after, _files_hash(directory))

    @cached_property
    def language_model(self) -> Any:  # a model of transformers, which is not imported here
        """The model itself, on the GPU if there is one, without dropout."""
        model = load_model(self.directory).eval()  # type: ignore[no-untyped-call]
        return model.to("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def room(self) -> int:
        """Tokens of text that a window has at most."""
        most = min(num_positions(self.language_model) or MAX_WINDOW, MAX_WINDOW)
        return most - len(self.before) - len(self.after)

    def __getstate__(self) -> dict[str, Any]:
        made_here = ("language_model", "room")
        return {name: value for name, value in vars(self).items() if name not in made_here}


def _check_same_entries(
    directory: Path, of_corpus: CorpusTokenizer, request: SourceRequest
) -> None:
    of_model = load_tokenizer(directory)
    if of_model.tokenizer.get_vocab() != of_corpus.tokenizer.get_vocab():
        raise UserError(
            f"model of another vocabulary: {directory} has a tokenizer with other entries than "
            f"{request.corpus.root}. Expected the same tokenizer. Prepare the corpus with "
            f"--tokenizer {directory}, or name a model that was trained on it."
        )


def _files_hash(directory: Path) -> str:
    """SHA-256 of the configuration and the weights, hexadecimal, shortened."""
    digest = hashlib.sha256()
    weights = sorted([*directory.glob("*.safetensors"), *directory.glob("*.bin")])
    for path in [directory / "config.json", *weights]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
