"""Tagged sentences as inputs of a token classifier, and its outputs as tags again.

The label stands at the first subword of each word, and nowhere else (Devlin et al., 2019, section
5.3). Words are encoded each for itself, as if a space went before, because the tokenizer cannot be
asked to find the words of a treebank in running text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from tidemask.errors import UserError
from tidemask.tasks.tagging.sentences import TaggedSentence
from tidemask.tasks.tagging.windows import Window, windows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of a token that is not scored."""

Example = dict[str, list[int]]
_WANT_A_SPACE = {"ByteLevel", "Metaspace"}
"""Pre-tokenizers that tell a word's beginning by the space before it."""


@dataclass(frozen=True)
class WordTokenizer:
    """The subwords of words that are given one by one.

    Attributes:
        backend: encodes; letters that spell a special token are ordinary text to it.
        before: ids of the special tokens before a sentence, [CLS] for example.
        after: ids of those after it.
        pad_id: id of the padding.
        needs_space: whether a word begins with the space before it, as in byte-level BPE.
    """

    backend: Tokenizer
    before: list[int]
    after: list[int]
    pad_id: int
    needs_space: bool

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> WordTokenizer:
        """A copy of a fast tokenizer, which stays as it is.

        Raises:
            UserError: the tokenizer is not one of the `tokenizers` library.
        """
        original = getattr(tokenizer, "backend_tokenizer", None)
        if original is None:
            raise UserError(
                f"not a fast tokenizer: {type(tokenizer).__name__} of {tokenizer.name_or_path}. "
                "Tagging needs one with a tokenizer.json. Convert it with transformers."
            )
        backend = Tokenizer.from_str(original.to_str())
        backend.no_padding()
        backend.no_truncation()
        backend.encode_special_tokens = True
        before, after = _frame(backend)
        pad = tokenizer.pad_token_id
        return cls(
            backend,
            before=before,
            after=after,
            pad_id=pad if isinstance(pad, int) else 0,
            needs_space=_wants_a_space(json.loads(original.to_str())["pre_tokenizer"]),
        )

    def subwords(self, sentences: Sequence[Sequence[str]]) -> list[list[list[int]]]:
        """Ids of each word of each sentence; a word may have none."""
        space = " " if self.needs_space else ""
        texts = [[space + word for word in sentence] for sentence in sentences]
        encodings = self.backend.encode_batch(texts, is_pretokenized=True, add_special_tokens=False)
        ids: list[list[list[int]]] = [[[] for _ in sentence] for sentence in sentences]
        for words, encoding in zip(ids, encodings, strict=True):
            pairs = zip(encoding.word_ids, encoding.ids, strict=True)
            for word, group in groupby(pairs, key=lambda pair: pair[0]):
                words[word].extend(token for _, token in group)
        return ids


def _frame(backend: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids of the special tokens before and after a sentence."""
    for word in ("a", *backend.get_vocab()):
        framed = backend.encode([word], is_pretokenized=True)
        own = [i for i, special in enumerate(framed.special_tokens_mask) if not special]
        if own:
            return framed.ids[: own[0]], framed.ids[own[-1] + 1 :]
    return [], []


def _wants_a_space(pre_tokenizer: dict[str, Any] | None) -> bool:
    if not pre_tokenizer:
        return False
    parts = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    return any(part["type"] in _WANT_A_SPACE for part in parts)


class TaggingFeatures(Sequence[Example]):
    """One example per sentence, or per window of a sentence that is too long.

    Attributes:
        num_windowed: sentences that were read in windows.
        num_cut: words that alone are longer than a window, and were cut.
        num_empty: words without any token, which no model can tag.
    """

    def __init__(
        self,
        sentences: Sequence[TaggedSentence],
        tags: Sequence[str],
        tokenizer: WordTokenizer,
        max_length: int,
    ) -> None:
        """Encodes.

        Args:
            sentences: of one split.
            tags: all tags, in the order of the model's outputs.
            tokenizer: of the model.
            max_length: tokens of an example, special tokens among them.

        Raises:
            UserError: `max_length` leaves no room for a word.
        """
        self.num_windowed = self.num_cut = self.num_empty = 0
        self._sentences = sentences
        self._examples: list[Example] = []
        self._places: list[tuple[int, int, int, int]] = []  # sentence, word, example, token
        self._tokenizer = tokenizer
        self._capacity = max_length - len(tokenizer.before) - len(tokenizer.after)
        if self._capacity < 1:
            raise UserError(
                f"max_length={max_length}. Expected room for a word beside "
                f"{max_length - self._capacity} special tokens. Choose a larger one."
            )
        number_of = {tag: number for number, tag in enumerate(tags)}
        subwords = tokenizer.subwords([sentence.words for sentence in sentences])
        for number, (sentence, ids) in enumerate(zip(sentences, subwords, strict=True)):
            labels = [number_of[tag] for tag in sentence.tags]
            self._add(number, ids, labels)

    def __len__(self) -> int:
        return len(self._examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        return self._examples[index]

    def _add(self, sentence: int, ids: list[list[int]], labels: list[int]) -> None:
        kept = [word for word, tokens in enumerate(ids) if tokens]
        lengths = [len(ids[word]) for word in kept]
        self.num_empty += len(ids) - len(kept)
        self.num_cut += sum(length > self._capacity for length in lengths)
        sentence_windows = windows(lengths, self._capacity)
        self.num_windowed += len(sentence_windows) > 1
        for window in sentence_windows:
            self._add_window(sentence, kept, ids, labels, window)

    def _add_window(
        self,
        sentence: int,
        kept: list[int],
        ids: list[list[int]],
        labels: list[int],
        window: Window,
    ) -> None:
        inputs = list(self._tokenizer.before)
        targets = [IGNORED] * len(inputs)
        for position in range(window.start, window.stop):
            word = kept[position]
            tokens = ids[word][: self._capacity]
            is_labelled = window.label_start <= position < window.label_stop
            if is_labelled:
                self._places.append((sentence, word, len(self._examples), len(inputs)))
            targets += [labels[word] if is_labelled else IGNORED, *[IGNORED] * (len(tokens) - 1)]
            inputs += tokens
        inputs += self._tokenizer.after
        targets += [IGNORED] * len(self._tokenizer.after)
        self._examples.append({"input_ids": inputs, "labels": targets})

    def predicted_tags(
        self, logits: Sequence[NDArray[np.floating[Any]]], tags: Sequence[str], fallback: str
    ) -> list[list[str]]:
        """The best tag of each word, sentence by sentence.

        Args:
            logits: of each example, shape [L, tags] with L its length or more.
            tags: in the order of the outputs.
            fallback: tag of a word without any token.
        """
        predicted = [[fallback] * len(sentence.words) for sentence in self._sentences]
        best = [values.argmax(-1) for values in logits]
        for sentence, word, example, token in self._places:
            predicted[sentence][word] = tags[best[example][token]]
        return predicted


@dataclass(frozen=True)
class TaggingCollator:
    """Examples to a batch, padded on the right to the longest; labels only where there are some.

    Attributes:
        pad_id: id of the padding.
    """

    pad_id: int

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask` and `labels`, each int64 of shape [B, L]."""
        length = max(len(example["input_ids"]) for example in examples)

        def padded(rows: list[list[int]], filler: int) -> Tensor:
            return torch.tensor([row + [filler] * (length - len(row)) for row in rows])

        inputs = [example["input_ids"] for example in examples]
        batch = {
            "input_ids": padded(inputs, self.pad_id),
            "attention_mask": padded([[1] * len(row) for row in inputs], 0),
        }
        if "labels" in examples[0]:
            batch["labels"] = padded([example["labels"] for example in examples], IGNORED)
        return batch
