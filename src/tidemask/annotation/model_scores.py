"""Surprisal or entropy of each token under a masked language model, as a source of weights.

A document is cut into windows of equal size that the model has positions for. In each the words are
divided, by a keyed draw, into `NUM_PASSES` parts of equal number; each part is masked, all tokens
of its words at once, while the others are seen, and the tokens of the part are scored together. So
a token costs `NUM_PASSES` forward passes of a position instead of one for each token, and is
predicted with one word in `NUM_PASSES` masked.

The surprisal of a token is `-ln q(token)`, the entropy `-sum of q ln q` over the vocabulary, both
in nats, where `q` is what the model predicts at the masked token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tidemask.annotation.document_words import mixed_bits
from tidemask.annotation.reference_model import MAX_WINDOW, ReferenceModel
from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.errors import UserError, did_you_mean
from tidemask.modeling.selected_positions import HeadOutput, SelectedPositionsLM
from tidemask.token_classes import ColumnKind

NUM_PASSES = 7
"""Parts that the words of a window are divided into: one word in seven, 14 %, is masked."""

ATTRIBUTES: dict[str, HeadOutput] = {"surprisal": "loss", "entropy": "entropy"}
"""What a column takes, and what the model returns for it."""


@dataclass(frozen=True)
class ModelScores:
    """A model that scores the tokens of a corpus.

    Attributes:
        model: it.
        attribute: of `ATTRIBUTES`.
        fingerprint: of the model's files and of how it is used.
    """

    model: ReferenceModel
    attribute: str
    fingerprint: str
    kind: ColumnKind = "weight"
    class_names: tuple[str, ...] = ()
    reads_texts: bool = False
    max_workers: int | None = 1

    @classmethod
    def of(cls, request: SourceRequest) -> ModelScores:
        """Look at the model; it is loaded when values are first asked for.

        Raises:
            UserError: there is no such model or attribute, another kind is asked for, or the model
                has other vocabulary entries than the corpus.
        """
        request.kind_among("weight")
        attribute = "surprisal" if request.attribute is None else request.attribute
        if attribute not in ATTRIBUTES:
            raise UserError(
                f"unknown attribute: {attribute!r}. Expected one of {', '.join(ATTRIBUTES)}, "
                f"similarity:FILE.{did_you_mean(attribute, ATTRIBUTES)}"
            )
        model = ReferenceModel.of(request)
        named = f"model 1, {model.digest}, {attribute}, {NUM_PASSES}, {MAX_WINDOW}"
        return cls(model, attribute, named)

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[np.float32]]:
        """The score of each token."""
        return [self._scores(document) for document in documents]

    def _scores(self, document: DocumentTokens) -> NDArray[np.float32]:
        scores = np.zeros(len(document), np.float32)
        for begin, end in self._windows(len(document)):
            passes = pass_of_tokens(document, begin, end)
            scores[begin:end] = self._scores_of_window(document.ids[begin:end], passes)
        return scores

    def _windows(self, num_tokens: int) -> Iterator[tuple[int, int]]:
        """Begin and end of as few windows as hold all tokens, as equal in size as can be."""
        number = -(-num_tokens // self.model.room)
        yield from pairwise(num_tokens * i // number for i in range(number + 1) if number)

    @torch.inference_mode()
    def _scores_of_window(
        self, ids: NDArray[Any], passes: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The scores of the tokens of a window, each from the pass in which it is masked."""
        model = self.model
        row = np.concatenate([model.before, ids, model.after]).astype(np.int64)
        inputs = np.tile(row, (int(passes.max()) + 1, 1))
        places = np.arange(len(ids)) + len(model.before)
        inputs[passes, places] = model.mask_id
        device = model.language_model.device
        scores = self._scorer(
            torch.from_numpy(inputs).to(device),
            torch.from_numpy(passes * len(row) + places).to(device),
            torch.from_numpy(ids.astype(np.int64)).to(device),
            output=ATTRIBUTES[self.attribute],
        )
        found: NDArray[np.float32] = scores.float().clamp(min=0).cpu().numpy()
        return found

    @cached_property
    def _scorer(self) -> SelectedPositionsLM:
        return SelectedPositionsLM(self.model.language_model).eval()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_scorer"}


def pass_of_tokens(document: DocumentTokens, begin: int, end: int) -> NDArray[np.int64]:
    """The pass in which each token of a window is masked; the tokens of a word share theirs.

    It depends on the number of the document and on the place of the window in it alone. Each pass
    has as many words as any other, or one more.
    """
    is_start = document.word_starts[begin:end].copy()
    is_start[0] = True
    word = np.cumsum(is_start) - 1
    keys = np.arange(begin, begin + int(word[-1]) + 1).astype(np.uint64)
    draws = mixed_bits(keys | np.uint64(document.number) << np.uint64(32))
    of_words = np.empty(len(draws), np.int64)
    of_words[np.argsort(draws)] = np.arange(len(draws)) % NUM_PASSES
    of_tokens: NDArray[np.int64] = of_words[word]
    return of_tokens
