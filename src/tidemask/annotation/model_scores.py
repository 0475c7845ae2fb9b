"""Surprisal or entropy of each token under a masked language model, as a source of weights.

A document is cut into windows of equal size that the model has positions for. In each the words are
divided, by a keyed draw, into `NUM_PASSES` parts of equal number; each part is masked, all tokens
of its words at once, while the others are seen, and the tokens of the part are scored together. So
a token costs `NUM_PASSES` forward passes of a position instead of one for each token, and is
predicted with one word in `NUM_PASSES` masked.

The windows of one size of all documents of a block run together, so that nothing is padded and no
architecture needs an attention mask. What runs together is the same however often the work was
interrupted, and so are the scores, to the bit on one machine.

The surprisal of a token is `-ln q(token)`, the entropy `-sum of q ln q` over the vocabulary, both
in nats, where `q` is what the model predicts at the masked token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tidemask.annotation.document_words import mixed_bits
from tidemask.annotation.reference_model import BATCH_POSITIONS, MAX_WINDOW, ReferenceModel
from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.errors import UserError, did_you_mean
from tidemask.modeling.selected_positions import HeadOutput, SelectedPositionsLM
from tidemask.token_classes import ColumnKind

NUM_PASSES = 7
"""Parts that the words of a window are divided into: one word in seven, 14 %, is masked."""

ATTRIBUTES: dict[str, HeadOutput] = {"surprisal": "loss", "entropy": "entropy"}
"""What a column takes, and what the model returns for it."""


class _Window(NamedTuple):
    """Some tokens of a document, [N] each."""

    ids: NDArray[np.unsignedinteger[Any]]
    passes: NDArray[np.int64]  # in which each token is masked
    scores: NDArray[np.float32]  # a view of those of the document, to be written


def _size(window: _Window) -> int:
    return len(window.ids)


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
        named = f"model 2, {model.digest}, {attribute}, {NUM_PASSES}, {MAX_WINDOW}"
        return cls(model, attribute, named)

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[np.float32]]:
        """The score of each token."""
        scores = [np.zeros(len(document), np.float32) for document in documents]
        windows = [
            _Window(
                document.ids[begin:end],
                pass_of_tokens(document, begin, end),
                of_document[begin:end],
            )
            for document, of_document in zip(documents, scores, strict=True)
            for begin, end in self._bounds(len(document))
        ]
        for batch in self._batches(windows):
            self._score(batch)
        return scores

    def _bounds(self, num_tokens: int) -> Iterator[tuple[int, int]]:
        """Begin and end of as few windows as hold all tokens, as equal in size as can be."""
        number = -(-num_tokens // self.model.room)
        yield from pairwise(num_tokens * i // number for i in range(number + 1) if number)

    def _batches(self, windows: Iterable[_Window]) -> Iterator[list[_Window]]:
        """Windows of one size, of which the passes have at most `BATCH_POSITIONS` together."""
        specials = len(self.model.before) + len(self.model.after)
        for size, alike in groupby(sorted(windows, key=_size), key=_size):
            positions = min(NUM_PASSES, size) * (size + specials)
            step, members = max(1, BATCH_POSITIONS // positions), list(alike)
            yield from (members[i : i + step] for i in range(0, len(members), step))

    @torch.inference_mode()
    def _score(self, windows: Sequence[_Window]) -> None:
        """Write the scores of windows of one size, each token's from the pass that masks it."""
        num_passes = np.array([window.passes.max() + 1 for window in windows])
        passes = np.stack([window.passes for window in windows])  # [W, N]
        passes += (np.cumsum(num_passes) - num_passes)[:, None]  # those of all windows counted
        ids = np.stack([window.ids for window in windows]).astype(np.int64)  # [W, N]
        edges = (self.model.before, self.model.after)
        before, after = (np.tile(np.array(some, np.int64), (len(ids), 1)) for some in edges)
        inputs = np.repeat(np.hstack([before, ids, after]), num_passes, axis=0)
        places = np.arange(ids.shape[1]) + before.shape[1]
        inputs[passes, places] = self.model.mask_id
        device = self.model.language_model.device
        scores = self._scorer(
            torch.from_numpy(inputs).to(device),
            torch.from_numpy(passes * inputs.shape[1] + places).flatten().to(device),
            torch.from_numpy(ids).flatten().to(device),
            output=ATTRIBUTES[self.attribute],
        )
        found = scores.float().clamp(min=0).cpu().numpy().reshape(ids.shape)
        for window, of_window in zip(windows, found, strict=True):
            window.scores[:] = of_window

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
