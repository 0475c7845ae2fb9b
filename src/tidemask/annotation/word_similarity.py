"""How similar words are to anchors of a field under a masked language model, as weights.

For Difference-Masking (Wilf et al., EMNLP 2023), whose anchors are the words that set a field
apart. A word or anchor alone between the special tokens of a sequence has an embedding, the mean of
the last hidden states of its tokens. The similarity of a word is its largest cosine with an anchor,
and its weight is the rank of that among the words of its document, from `1 / W` for the least
similar of `W` words to 1 for the most similar; equal ones share the mean of their ranks. The
authors' code has the same ranks, not divided by `W`, and draws tokens without replacement in
proportion to them. It takes the output of BERT's pooler, which masked language models do not have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tidemask.annotation.document_words import DocumentWords
from tidemask.annotation.listed_phrases import read_phrases
from tidemask.annotation.reference_model import BATCH_POSITIONS, ReferenceModel
from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.settings import shown
from tidemask.token_classes import ColumnKind

PREFIX = "similarity:"
"""What the attribute begins with; the path of the list of anchors follows."""

_DECIMALS = 5
"""Cosines that are equal so far are of equal rank, whatever was computed beside them."""

Ids = tuple[int, ...]


@dataclass(frozen=True)
class WordSimilarity:
    """Anchors, and a model that says how similar words are to them.

    Attributes:
        model: it.
        anchors: ids of the tokens of each; some have several spellings.
        fingerprint: of the model's files and of the anchors.
    """

    model: ReferenceModel
    anchors: tuple[Ids, ...]
    fingerprint: str
    kind: ColumnKind = "weight"
    class_names: tuple[str, ...] = ()
    reads_texts: bool = False
    max_workers: int | None = 1
    _similarity: dict[int, float] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, request: SourceRequest) -> WordSimilarity:
        """Look at the model and read the anchors, a word or phrase on each line.

        Raises:
            UserError: there is no such model or list, another kind is asked for, or the tokenizer
                has no entries for some letters of an anchor.
        """
        request.kind_among("weight")
        path = given_path((request.attribute or "").removeprefix(PREFIX), "attribute")
        tokenizer = load_tokenizer(request.corpus.tokenizer_directory)
        anchors: dict[Ids, None] = {}
        for phrase in read_phrases(path, "group", label="", on_note=request.on_note)[1]:
            # Some tokenizers have other entries for a word after a space.
            for tokens in tokenizer.encoder().encode([phrase.text, f" {phrase.text}"]):
                if not len(tokens.ids) or tokenizer.unknown_id in tokens.ids:
                    raise UserError(
                        f"unusable anchor: {shown(phrase.text)} of {path} has letters that the "
                        "tokenizer of the corpus has no entries for. Expected words of its text."
                    )
                anchors[tuple(tokens.ids.tolist())] = None
        model = ReferenceModel.of(request)
        digest = hashlib.sha256(repr(sorted(anchors)).encode()).hexdigest()[:16]
        return cls(model, tuple(anchors), f"similarity 1, {model.digest}, {digest}")

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[Any]]:
        """The weight of each token: that of its word."""
        words = DocumentWords.of(documents)
        similarity = self._similarities(words, np.concatenate([each.ids for each in documents]))
        bounds = np.searchsorted(words.document, np.arange(1, len(documents)))
        weights = [_rank_shares(of_document) for of_document in np.split(similarity, bounds)]
        return words.of_tokens(np.concatenate(weights))

    def _similarities(self, words: DocumentWords, ids: NDArray[Any]) -> NDArray[np.float64]:
        """The similarity of each word [W]; each different word is embedded once."""
        keys, first, inverse = np.unique(words.keys, return_index=True, return_inverse=True)
        places = zip(words.starts[first].tolist(), words.sizes[first].tolist(), strict=True)
        new = {
            key: tuple(ids[start : start + size].tolist())
            for key, (start, size) in zip(keys.tolist(), places, strict=True)
            if key not in self._similarity
        }
        cosines = self._embedded(new.values()) @ self._embedded_anchors.T
        largest = cosines.max(1).values.double().cpu().numpy().round(_DECIMALS)
        self._similarity.update(zip(new, largest.tolist(), strict=True))
        return np.array([self._similarity[key] for key in keys.tolist()])[inverse]

    @cached_property
    def _embedded_anchors(self) -> Tensor:
        return self._embedded(self.anchors)

    @torch.inference_mode()
    def _embedded(self, words: Iterable[Ids]) -> Tensor:
        """The embeddings of words, each of length 1, [W, H]; those of one size together."""
        model, room = self.model, self.model.room
        cut = [word[:room] for word in words]
        network = model.language_model
        found = torch.zeros(len(cut), network.config.hidden_size, device=network.device)
        sizes = np.array([len(word) for word in cut])
        for size in np.unique(sizes).tolist():
            places = np.flatnonzero(sizes == size)
            for chunk in np.array_split(places, -(-len(places) * size // BATCH_POSITIONS)):
                rows = [[*model.before, *cut[place], *model.after] for place in chunk]
                hidden = network.base_model(torch.tensor(rows, device=network.device))[0].float()
                of_words = hidden[:, len(model.before) : len(model.before) + size].mean(1)
                found[torch.from_numpy(chunk)] = torch.nn.functional.normalize(of_words, dim=1)
        return found

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_embedded_anchors"}
        return {**state, "_similarity": {}}


def _rank_shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value among them, 1 for the smallest, over their number."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    shares: NDArray[np.float64] = mean_ranks[inverse] / len(values)
    return shares
