"""Texts as the tokens that are scored: within their special tokens, with the ends of their words.

A text is encoded as the model's tokenizer encodes it, within its frame, but for two things: nothing
is padded or cut here, and letters that spell a special token, "[MASK]" say, are ordinary text. What
is scored is the text: no token of the frame, whatever its name. Special tokens of the user's own,
"[ANON]" say, are read and not scored, since no model is trained to predict them.

A word is what the pre-tokenizer separates, split further at white space. That is the word of Kauf
and Ivanova, "A Better Way to Do Masked Language Model Scoring" (2023, arXiv 2305.10588), as
minicons 0.3.39 finds it, wherever a pre-tokenizer splits at white space. Where it does not, as in a
Unigram tokenizer without `split`, minicons takes a text for one word and masks all of it to the
right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from transformers import PreTrainedTokenizerBase

from tidemask.corpus.tokenizing.frame import Frame
from tidemask.corpus.tokenizing.ordinary_text import ReservedIds, declared_ids, plain_backend
from tidemask.corpus.tokenizing.space_marks import claimed_spans, mark_table
from tidemask.errors import UserError

Ids = NDArray[np.int32]

_TEXTS_AT_ONCE = 4096


@dataclass(frozen=True)
class TextTokens:
    """One text, or one window of it, as a model reads it.

    Attributes:
        ids: vocabulary ids with the special tokens around them, int32 [L].
        first: place of the text's first token in `ids`.
        word_ends: for each token of the text, place in `ids` after the last token of its word,
            int32 [T].
        is_scored: whether each is scored, as all but special ones are, bool [T].
        num_left_out: tokens of the text that were cut off.
    """

    ids: Ids
    first: int
    word_ends: Ids
    is_scored: NDArray[np.bool_]
    num_left_out: int = 0

    @property
    def places(self) -> Ids:
        """Where in `ids` the tokens that are scored are, int32 [N]."""
        return (self.first + np.flatnonzero(self.is_scored)).astype(np.int32)

    @property
    def targets(self) -> Ids:
        """Ids of the tokens that are scored, int32 [N]."""
        return self.ids[self.places]

    @property
    def scored_word_ends(self) -> Ids:
        """For each token that is scored, place in `ids` after the last of its word, int32 [N]."""
        return self.word_ends[self.is_scored]

    def __len__(self) -> int:
        """Tokens that are scored: those of the text, special ones not counted."""
        return int(self.is_scored.sum())

    def windows(self, max_length: int | None) -> Iterator[TextTokens]:
        """Consecutive windows of at most `max_length` tokens, special tokens included in each.

        A window ends where a word does, unless one word fills it. A text without a token is one
        window. `None` sets no limit.

        Raises:
            UserError: the special tokens alone fill `max_length`.
        """
        capacity = self._capacity(max_length)
        begin, size = 0, len(self.word_ends)
        while True:
            end = min(size, begin + capacity)
            if end < size:
                ends = self.word_ends[begin:end] - self.first
                reached = ends[ends <= end]
                end = int(reached[-1]) if len(reached) else end
            yield self._window(begin, end)
            begin = end
            if begin >= size:
                return

    def cut(self, max_length: int | None) -> TextTokens:
        """The beginning that is at most `max_length` tokens, special ones included.

        Raises:
            UserError: the special tokens alone fill `max_length`.
        """
        size = len(self.word_ends)
        end = min(size, self._capacity(max_length))
        return self._window(0, end, size - end)

    def _capacity(self, max_length: int | None) -> int:
        num_special = len(self.ids) - len(self.word_ends)
        if max_length is not None and max_length <= num_special:
            raise UserError(
                f"model too short: max_length={max_length}. Expected more than the {num_special} "
                "special tokens of a text."
            )
        return len(self.word_ends) if max_length is None else max_length - num_special

    def _window(self, begin: int, end: int, num_left_out: int = 0) -> TextTokens:
        size = len(self.word_ends)
        if end - begin == size:
            return self
        inside = self.ids[self.first + begin : self.first + end]
        ids = np.concatenate([self.ids[: self.first], inside, self.ids[self.first + size :]])
        ends = np.minimum(self.word_ends[begin:end], self.first + end) - begin
        is_scored = self.is_scored[begin:end]
        return TextTokens(ids, self.first, ends.astype(np.int32), is_scored, num_left_out)


class ScoringTokenizer:
    """Encodes texts for scoring.

    Args:
        tokenizer: a fast one, with a mask token.

    Raises:
        UserError: it is not fast, or has no mask token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(
                f"not a fast tokenizer: {type(tokenizer).__name__}. Expected one with a "
                "tokenizer.json. Convert it, or use another."
            )
        if tokenizer.mask_token_id is None:
            raise UserError(
                "tokenizer without mask token. Expected that of a masked language model."
            )
        self.mask_id = int(tokenizer.mask_token_id)
        self.frame = Frame.of(tokenizer)
        self._before, self._after = (
            np.array(ids, np.int32) for ids in (self.frame.before, self.frame.after)
        )
        self._reserved = ReservedIds.of(tokenizer, self.frame.ids)
        declared = declared_ids(tokenizer, self.frame.ids)
        self._declared = np.array(sorted(declared), np.int32)
        self._backend = plain_backend(tokenizer, declared)
        self._marks = mark_table(self._backend)

    def encode(self, texts: Sequence[str]) -> list[TextTokens]:
        """Each text within its frame, uncut.

        Raises:
            UserError: a text spells a special token, and the tokenizer has no unknown token.
        """
        encoded: list[TextTokens] = []
        for begin in range(0, len(texts), _TEXTS_AT_ONCE):
            batch = list(texts[begin : begin + _TEXTS_AT_ONCE])
            plain = self._backend.encode_batch(batch, add_special_tokens=False)
            encoded += map(self._tokens, batch, plain)
        return encoded

    def _tokens(self, text: str, encoding: Encoding) -> TextTokens:
        inside = self._reserved.text_ids(text, encoding).astype(np.int32)
        offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
        starts, _ = claimed_spans(text, offsets[:, 0], offsets[:, 1], self._marks[inside])
        first = len(self._before)
        ids = np.concatenate([self._before, inside, self._after])
        ends = first + _word_ends(text, starts, encoding.word_ids)
        return TextTokens(ids, first, ends, ~np.isin(inside, self._declared))


def is_mostly_unknown(token_ids: Sequence[int] | Ids, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer has no entry for more than half of a text, so that its scores say little.

    Args:
        token_ids: of the text, special tokens around it left out.
        tokenizer: that gave them.
    """
    num_unknown = int(np.sum(np.asarray(token_ids) == tokenizer.unk_token_id))
    return 2 * num_unknown > len(token_ids)


def check_largest_id(largest: int, vocab_size: int) -> None:
    """Refuse ids that a model does not have.

    Raises:
        UserError: `largest` is not below `vocab_size`.
    """
    if largest >= vocab_size:
        raise UserError(
            f"tokenizer of another model: it gave the id {largest}, and the model has "
            f"vocab_size={vocab_size}. Use the model's own tokenizer."
        )


def _word_ends(text: str, starts: Ids, word_ids: Sequence[int | None]) -> Ids:
    """Number of tokens up to the end of each token's word."""
    # Neighbouring tokens are of one word if both the pre-tokenizer and white space say so. A token
    # that the pre-tokenizer gives to no word is a word of its own: it gets a number of its own, -1
    # and below.
    pretokens = np.array(
        [-1 - i if word is None else word for i, word in enumerate(word_ids)], np.int32
    )
    ordinals = _space_separated_words(text)[starts]
    differs = (pretokens[1:] != pretokens[:-1]) | (ordinals[1:] != ordinals[:-1])
    ends = np.append(np.flatnonzero(differs) + 1, len(starts))
    ends_of = ends[np.searchsorted(ends, np.arange(len(starts)), side="right")]
    return ends_of.astype(np.int32)


def _space_separated_words(text: str) -> NDArray[np.int64]:
    """Number of the word between white space that each character is in or comes before, from 1."""
    # A token may begin with the space before its word, as those of byte-level BPE do: white space
    # counts to the word after it. One entry more serves tokens that begin at the end of the text.
    is_space = np.fromiter(map(str.isspace, text), np.bool_, len(text))
    begins = ~is_space & np.append(True, is_space[:-1])
    begun = np.cumsum(begins)
    return np.append(np.where(is_space, begun + 1, begun), begun[-1:] + 1)
