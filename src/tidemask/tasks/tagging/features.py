"""Tagged sentences as inputs of a token classifier, and its outputs as tags of words.

Only the first subword of each word has a label (Devlin et al., 2019, section 5.3). Every word is
encoded on its own, because a tokenizer may split running text into other words than a treebank
does, but as it would be there: the first as a text begins, the others as within a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tidemask.corpus.tokenizing.frame import Frame
from tidemask.corpus.tokenizing.ordinary_text import ReservedIds, declared_ids, plain_backend
from tidemask.corpus.tokenizing.space_marks import space_within
from tidemask.errors import UserError
from tidemask.tasks.predicting import Feature
from tidemask.tasks.tagging.sentences import TaggedSentence
from tidemask.tasks.tagging.windows import SentenceWindow, sentence_windows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of a token that is not scored."""


@dataclass(frozen=True)
class WordTokenizer:
    """The subwords of words that are given one by one.

    Attributes:
        backend: encodes; letters that spell a special token are ordinary text to it, unless a user
            declared that token.
        reserved: ids that a word never has.
        frame: the special tokens around a sentence.
        space: what stands before every word but the first when it is encoded; see `space_within`.
    """

    backend: Tokenizer
    reserved: ReservedIds
    frame: Frame
    space: str

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> WordTokenizer:
        """A copy of a fast tokenizer, which is not changed."""
        frame = Frame.of(tokenizer)
        backend = plain_backend(tokenizer, declared_ids(tokenizer, frame.ids))
        reserved = ReservedIds.of(tokenizer, frame.ids)
        return cls(backend, reserved, frame, space_within(backend))

    def subwords(self, sentences: Sequence[Sequence[str]]) -> list[list[list[int]]]:
        """Ids of each word of each sentence; a word may have none.

        Raises:
            UserError: a word spells a special token, and the tokenizer has no unknown one.
        """
        # One call encodes all words, which is fast. Every id comes with the number of its word, and
        # those of one word are adjacent.
        texts = [[*words[:1], *(self.space + word for word in words[1:])] for words in sentences]
        encodings = self.backend.encode_batch(texts, is_pretokenized=True, add_special_tokens=False)
        ids: list[list[list[int]]] = [[[] for _ in sentence] for sentence in sentences]
        for sentence, words, encoding in zip(sentences, ids, encodings, strict=True):
            text_ids = self.reserved.text_ids(" ".join(sentence), encoding).tolist()
            pairs = zip(encoding.word_ids, text_ids, strict=True)
            for word, group in groupby(pairs, key=lambda pair: pair[0]):
                words[word].extend(token for _, token in group)
        return ids


class TaggingFeatures(Sequence[Feature]):
    """One feature per sentence, or per window of a sentence that is too long.

    Attributes:
        num_windowed: sentences that are read in several windows.
        num_cut: words that alone are longer than a window, and are cut.
        num_empty: words without any token, which a model cannot tag.
    """

    def __init__(
        self,
        sentences: Sequence[TaggedSentence],
        tags: Sequence[str],
        tokenizer: WordTokenizer,
        max_length: int,
    ) -> None:
        """Encode all sentences.

        Args:
            sentences: of one split.
            tags: all tags, in the order of the model's outputs.
            tokenizer: of the model.
            max_length: tokens of a feature, special ones included.

        Raises:
            UserError: `max_length` leaves no room for a word.
        """
        self.num_windowed = self.num_cut = self.num_empty = 0
        self._sentences = sentences
        self._features: list[Feature] = []
        self._places: list[tuple[int, int, int, int]] = []  # sentence, word, feature, token
        self._tokenizer = tokenizer
        self._capacity = max_length - tokenizer.frame.num_special
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
        return len(self._features)

    @overload
    def __getitem__(self, index: int) -> Feature: ...

    @overload
    def __getitem__(self, index: slice) -> list[Feature]: ...

    def __getitem__(self, index: int | slice) -> Feature | list[Feature]:
        return self._features[index]

    def _add(self, sentence: int, ids: list[list[int]], labels: list[int]) -> None:
        # Words without a token have no place in a window, so positions in a window count the kept
        # words, and `kept` leads back to the words of the sentence.
        kept = [word for word, tokens in enumerate(ids) if tokens]
        lengths = [len(ids[word]) for word in kept]
        self.num_empty += len(ids) - len(kept)
        self.num_cut += sum(length > self._capacity for length in lengths)
        windows = sentence_windows(lengths, self._capacity)
        self.num_windowed += len(windows) > 1
        for window in windows:
            self._add_window(sentence, kept, ids, labels, window)

    def _add_window(
        self,
        sentence: int,
        kept: list[int],
        ids: list[list[int]],
        labels: list[int],
        window: SentenceWindow,
    ) -> None:
        # The model reads every word of the window. A word that is labelled here has its label and
        # its place at its first subword; so each word is learned and tagged exactly once.
        frame = self._tokenizer.frame
        inputs = list(frame.before)
        targets = [IGNORED] * len(inputs)
        for position in range(window.start, window.stop):
            word = kept[position]
            tokens = ids[word][: self._capacity]
            is_labelled = window.label_start <= position < window.label_stop
            if is_labelled:
                self._places.append((sentence, word, len(self._features), len(inputs)))
            targets += [labels[word] if is_labelled else IGNORED, *[IGNORED] * (len(tokens) - 1)]
            inputs += tokens
        inputs += frame.after
        targets += [IGNORED] * len(frame.after)
        self._features.append({"input_ids": inputs, "labels": targets})

    def predicted_tags(
        self, logits: Sequence[NDArray[np.floating[Any]]], tags: Sequence[str], fallback: str
    ) -> list[list[str]]:
        """The best tag of each word, sentence by sentence.

        Args:
            logits: of each feature, shape [L, tags] with L its length or more.
            tags: in the order of the outputs.
            fallback: tag of a word without any token.
        """
        predicted = [[fallback] * len(sentence.words) for sentence in self._sentences]
        best = [values.argmax(-1) for values in logits]
        for sentence, word, feature, token in self._places:
            predicted[sentence][word] = tags[best[feature][token]]
        return predicted
