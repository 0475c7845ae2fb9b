"""A tokenizer as preparation uses it, and texts to ids, character offsets and word starts.

Worker processes encode with `tokenizers` alone, without `transformers`. Loading is in `loading.py`,
training in `training.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from tidemask.corpus.tokenizing.frame import Frame
from tidemask.corpus.tokenizing.ordinary_text import (
    NAMED_TOKENS,
    ReservedIds,
    declared_ids,
    plain_backend,
)
from tidemask.corpus.tokenizing.space_marks import claimed_spans, mark_table
from tidemask.corpus.tokenizing.word_starts import added_ids, find_word_starts
from tidemask.corpus.words.joined_texts import JoinedTexts, WordsOfText
from tidemask.corpus.words.spans import Words, bounds_of
from tidemask.corpus.words.starts import token_starts
from tidemask.errors import UserError
from tidemask.token_ids import num_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class EncodedText:
    """The tokens of one text, without special tokens.

    Attributes:
        ids: vocabulary ids, shape [N].
        starts: offset of each token's first character, as Python indexes `str`, shape [N].
        ends: offset after each token's last character, shape [N].
        word_starts: whether each token is its word's first, shape [N].
    """

    ids: NDArray[np.uint32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    word_starts: NDArray[np.bool_]


@dataclass(frozen=True)
class PlainTextEncoder:
    """Encodes texts without special tokens; cheap to pickle for another process.

    Attributes:
        serialised: the `tokenizers` backend as JSON.
        reserved: ids that text never has.
        added: ids of the ordinary tokens that were added to the vocabulary.
        declared: ids of the special tokens that text may have.
    """

    serialised: str
    reserved: ReservedIds
    added: tuple[int, ...] = ()
    declared: tuple[int, ...] = ()

    def encode(
        self, texts: Sequence[str], words: Sequence[Words] | WordsOfText | None = None
    ) -> list[EncodedText]:
        """The tokens of each text; what a text becomes does not depend on the others.

        Args:
            texts: to be encoded.
            words: of each text, or what finds them in a text, where none goes on after the end of a
                line; `None` for the words of the tokenizer.

        Raises:
            UserError: the tokenizer has no unknown token for letters that spell a special one.
        """
        backend, marks = _backend(self.serialised)
        encodings = backend.encode_batch(list(texts), add_special_tokens=False)
        if words is not None:
            return self._with_words(JoinedTexts(texts), encodings, words, marks)
        return [
            self._with_own_words(text, encoding, marks)
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def _with_own_words(
        self, text: str, encoding: Encoding, marks: NDArray[np.uint8]
    ) -> EncodedText:
        ids = self.reserved.text_ids(text, encoding)
        starts, ends = claimed_spans(text, *bounds_of(encoding.offsets), marks[ids])
        is_added = np.isin(ids, self.added) if self.added else None
        begins = find_word_starts(text, starts, ends, _pieces([encoding]), is_added)
        return EncodedText(ids, starts, ends, begins)

    def _with_words(
        self,
        joined: JoinedTexts,
        encodings: Sequence[Encoding],
        words: Sequence[Words] | WordsOfText,
        marks: NDArray[np.uint8],
    ) -> list[EncodedText]:
        """As of one text: short ones by themselves take many times as long."""
        ids = self.reserved.ids_of_texts(joined.texts, encodings)
        bounds = bounds_of(list(chain.from_iterable(e.offsets for e in encodings)))
        begins = joined.begins.repeat(sizes := [*map(len, encodings)])
        starts, ends = (part + begins for part in bounds)
        spans = claimed_spans(joined.text, starts, ends, marks[ids])
        of_all = words(joined.text) if callable(words) else joined.words(words)
        word_starts = token_starts(joined.text, of_all, *spans, _pieces(encodings))
        starts, ends = (part - begins for part in spans)
        cuts = list(accumulate(sizes, initial=0))
        word_starts[[a for a, b in pairwise(cuts) if a < b]] = True
        return [
            EncodedText(ids[a:b], starts[a:b], ends[a:b], word_starts[a:b])
            for a, b in pairwise(cuts)
        ]


def _pieces(encodings: Iterable[Encoding]) -> NDArray[np.int32]:
    """The pre-tokenizer's number of each token's piece of its text; -1 if it has none."""
    numbers = chain.from_iterable(encoding.word_ids for encoding in encodings)
    return np.fromiter((-1 if number is None else number for number in numbers), np.int32)


@lru_cache(maxsize=1)
def _backend(serialised: str) -> tuple[Tokenizer, NDArray[np.uint8]]:
    """The backend in use in this process, and its tokens' marks of a space.

    Reading its JSON takes longer than a small batch.
    """
    backend = Tokenizer.from_str(serialised)
    backend.encode_special_tokens = True
    return backend, mark_table(backend)


@dataclass(frozen=True)
class CorpusTokenizer:
    """A fast tokenizer with mask and pad token, as preparation uses it."""

    tokenizer: PreTrainedTokenizerBase

    @property
    def vocab_size(self) -> int:
        """One more than the largest id, added tokens included.

        Raises:
            ValueError: two tokens have one id.
        """
        return num_ids(self.tokenizer.get_vocab())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the serialised backend, hexadecimal; it names the ids that a text gets.

        It does not know which of them are special: that is `named_special_ids`.
        """
        return hashlib.sha256(plain_backend(self.tokenizer).to_str().encode()).hexdigest()

    @property
    def named_special_ids(self) -> dict[str, list[int]]:
        """The ids of each special token by its name, such as `mask_token`, and of all together."""
        ids = [(name, getattr(self.tokenizer, f"{name}_token_id")) for name in NAMED_TOKENS]
        named = {f"{name}_token": [int(i)] for name, i in ids if i is not None}
        return {**named, "special tokens": self.special_ids}

    @property
    def pad_id(self) -> int:
        """Id of the padding token."""
        return int(self.tokenizer.pad_token_id)

    @property
    def unknown_id(self) -> int | None:
        """Id of the unknown token; `None` if there is none."""
        unknown = self.tokenizer.unk_token_id
        return None if unknown is None else int(unknown)

    @cached_property
    def frame(self) -> Frame:
        """The special tokens around a text."""
        return Frame.of(self.tokenizer)

    @property
    def begin_id(self) -> int | None:
        """Id that begins a row; `None` if none does.

        Raises:
            UserError: several ids stand before a text.
        """
        return _only(self.frame.before, "before")

    @property
    def end_id(self) -> int | None:
        """Id that ends a row; `None` if none does.

        Raises:
            UserError: several ids stand after a text.
        """
        return _only(self.frame.after, "after")

    @property
    def separator_id(self) -> int | None:
        """Id that, after a row's first position, stands only where a document ends.

        `None` if no id ends documents, or if it is the unknown one too, which text may have.
        """
        end = self.frame.document_end
        return None if end == self.unknown_id else end

    @property
    def special_ids(self) -> list[int]:
        """Ids that are never text: the named special tokens, and all of the frame."""
        return sorted({*self.tokenizer.all_special_ids, *self.frame.ids})

    @property
    def declared_ids(self) -> frozenset[int]:
        """Ids of the special tokens that text may have, such as a user's "[ANON]"."""
        return declared_ids(self.tokenizer, self.frame.ids)

    def encoder(self) -> PlainTextEncoder:
        """What turns texts into tokens, here or in another process."""
        return PlainTextEncoder(
            str(plain_backend(self.tokenizer, self.declared_ids).to_str()),
            ReservedIds.of(self.tokenizer, self.frame.ids),
            added_ids(self.tokenizer),
            tuple(sorted(self.declared_ids)),
        )

    def save(self, directory: Path) -> None:
        """Write it so that `AutoTokenizer.from_pretrained(directory)` gives it again."""
        self.tokenizer.save_pretrained(str(directory))


def _only(ids: tuple[int, ...], where: str) -> int | None:
    if len(ids) > 1:
        raise UserError(
            f"several special tokens {where} a text: the tokenizer puts the ids "
            f"{', '.join(map(str, ids))} there. Expected one at most at each end of a row. Change "
            "the post_processor of its tokenizer.json."
        )
    return ids[0] if ids else None
