"""What every candidate of the benchmark of masking masks: one batch in several forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.text import SyntheticLanguage, joined, synthetic_language, words_and_classes
from tidemask import Batch
from tidemask.token_classes import NO_CLASS, NO_GROUP, UPOS, TokenColumn

COLUMNS = (
    TokenColumn(name="kinds", kind="class", class_names=UPOS),
    TokenColumn(name="scores", kind="weight"),
    TokenColumn(name="phrases", kind="group"),
)
"""What the batches say of each token beside its class."""

_PHRASE_SHARE = 0.3
"""Of the words that belong to a phrase; phrases have three words."""


@dataclass(frozen=True)
class MaskingData:
    """One batch in the forms in which the candidates take it.

    Attributes:
        language: of the text.
        lists: features as a tokenizer gives them, with `offset_mapping`; Python lists.
        rows: features as a prepared data set holds them: numpy rows of small integers, and of
            `COLUMNS`.
        batch: the tensors that `Masker` takes; ids are int64.
    """

    language: SyntheticLanguage
    lists: list[dict[str, list[Any]]]
    rows: list[dict[str, Any]]
    batch: Batch

    @property
    def shape(self) -> tuple[int, int]:
        """Sequences and positions."""
        num_sequences, length = self.batch.input_ids.shape
        return num_sequences, length

    @property
    def num_tokens(self) -> int:
        """All positions, special tokens included."""
        return self.batch.input_ids.numel()

    def token_counts(self) -> Tensor:
        """How often each vocabulary id occurs, int64."""
        return torch.bincount(
            self.batch.input_ids.flatten(), minlength=self.language.vocabulary.size
        )


def masking_data(num_sequences: int, length: int, *, seed: int = 1) -> MaskingData:
    """A batch of sequences of one length without padding.

    Args:
        num_sequences: rows, at least 1.
        length: positions of each, the special tokens at its ends included, at least 3.
        seed: of the text.
    """
    language = synthetic_language()
    words, classes = words_and_classes(
        language, num_sequences * length, np.random.default_rng(seed)
    )
    parts = [slice(i * length, (i + 1) * length) for i in range(num_sequences)]
    encoded = language.tokenizer(
        [joined(words[part]) for part in parts],
        truncation=True,
        max_length=length,
        return_special_tokens_mask=True,
        return_offsets_mapping=True,
    )
    lists = [{name: encoded[name][i] for name in encoded} for i in range(num_sequences)]
    word_ids = np.array(
        [[-1 if w is None else w for w in encoded.word_ids(i)] for i in range(num_sequences)]
    )
    input_ids = np.array(encoded["input_ids"])
    assert input_ids.shape == (num_sequences, length), "enough words for every row"
    inside = word_ids >= 0
    starts = inside & (np.diff(word_ids, axis=1, prepend=-2) != 0)
    of_row = classes.reshape(num_sequences, length)
    token_class = np.take_along_axis(of_row, np.maximum(word_ids, 0), axis=1)
    token_class = np.where(inside, token_class, NO_CLASS).astype(np.uint8)
    assert len(language.tokenizer) <= np.iinfo(np.uint16).max, "ids fit uint16"
    columns: dict[str, np.ndarray] = {
        "kinds": token_class,
        "scores": _scores(word_ids, np.random.default_rng(seed)),
        "phrases": _phrases(word_ids, np.random.default_rng(seed)),
    }
    rows = [
        {
            "input_ids": input_ids[i].astype(np.uint16),
            "word_starts": starts[i].copy(),
            "token_class": token_class[i].copy(),
            "sample_id": i,
            **{name: values[i].copy() for name, values in columns.items()},
        }
        for i in range(num_sequences)
    ]
    ids = torch.from_numpy(input_ids.astype(np.int64))
    batch = Batch(
        input_ids=ids,
        maskable=~language.vocabulary.is_special[ids],
        sample_ids=torch.arange(num_sequences),
        word_starts=torch.from_numpy(starts),
        token_class=torch.from_numpy(token_class),
        columns={name: torch.from_numpy(values.copy()) for name, values in columns.items()},
    )
    return MaskingData(language, lists, rows, batch)


def _scores(word_ids: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """A weight for each word, from an exponential law, which those of TF-IDF are not far from."""
    of_words = rng.exponential(size=(len(word_ids), word_ids.max() + 1)) + 0.01
    weights = np.take_along_axis(of_words, np.maximum(word_ids, 0), axis=1)
    return np.where(word_ids >= 0, weights, 0.0).astype(np.float32)


def _phrases(word_ids: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int32]:
    """Three words in a row are a phrase, or none of them is in one."""
    phrase = np.maximum(word_ids, 0) // 3
    is_one = rng.random((len(word_ids), phrase.max() + 1)) < _PHRASE_SHARE
    inside = (word_ids >= 0) & np.take_along_axis(is_one, phrase, axis=1)
    return np.where(inside, phrase, NO_GROUP).astype(np.int32)
