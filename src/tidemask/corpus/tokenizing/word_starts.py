"""Which tokens begin a word, for any fast tokenizer, from its offsets.

Words are those of Unicode, or of a list that is given, wherever the tokenizer cuts; see
`tidemask.corpus.words`. The words of the tokenizer itself are there for comparison: then a token
begins a word when the pre-tokenizer says so, when white space precedes it, or when its first
character and the last one of the token before differ in being alphanumeric, so that a SentencePiece
"mat." is two words. Combining marks and joiners count as the character that they belong to, and a
token that begins within a character, as bytes of an emoji do, never begins a word.

Two borders of the pre-tokenizer are none of the text's, and count only if the characters agree: one
beside a combining mark or joiner, where GPT-2's pattern cuts every word of Hindi, and one beside a
token that was added to the vocabulary (`add_tokens`), which is cut out before any word is found.
Ideographs stay words beside them, where the pre-tokenizer says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.tokenizing.characters import (
    ALPHANUMERIC,
    JOINING,
    OTHER,
    SPACE,
    are_ideographs,
    kinds_of,
)
from tidemask.corpus.tokenizing.space_marks import USUAL_MARKS, claimed_spans, mark_kinds
from tidemask.corpus.words.boundaries import unicode_words
from tidemask.corpus.words.starts import token_starts


def word_starts_of(
    encoding: Any, texts: str | Sequence[str | Sequence[str]]
) -> list[NDArray[np.bool_]]:
    """Whether each token begins a word, for every text that a fast tokenizer encoded.

    It is a column for `datasets.Dataset.map`: what preparation records where no tagger finds the
    words. Words are those of Unicode (`unicode_words`): letters with their marks and joiners,
    `don't` and `1,000.50`, words of the dictionary in Chinese, Japanese and Thai, and each mark of
    punctuation. A token that spans several joins them. Of text that was given word by word
    (`is_split_into_words=True`) the words are those. Special tokens and padding count as words of
    their own.

    Args:
        encoding: what a fast Hugging Face tokenizer returned for `texts`.
        texts: the texts, or the one text; a text that was given word by word as its words, or
            joined.

    Returns:
        One bool array per text, as long as its `input_ids`.

    Raises:
        ValueError: the tokenizer is not a fast one, or encoded another number of texts, or pairs,
            or other texts than these.

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> backend = Tokenizer(models.WordPiece({"[UNK]": 0, "tide": 1, "##s": 2, "turn": 3}))
        >>> backend.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
        >>> encoding = tokenizer("tides turn")
        >>> encoding.tokens()
        ['tide', '##s', 'turn']
        >>> [starts] = word_starts_of(encoding, "tides turn")
        >>> starts.tolist()
        [True, False, True]
    """
    texts = [texts] if isinstance(texts, str) else texts
    encodings = getattr(encoding, "encodings", None)
    if encodings is None:
        raise ValueError(
            f"a {type(encoding).__name__} without encodings. Expected the output of a fast "
            "tokenizer, as it returned it."
        )
    if len(encodings) != len(texts):
        raise ValueError(
            f"{len(texts)} texts for {len(encodings)} encodings. Expected one each; encode "
            "without return_overflowing_tokens, and give the words of one text as a list in a list."
        )
    if any(1 in encoded.sequence_ids for encoded in encodings):
        raise ValueError("pairs of texts were encoded. Expected one text per sequence.")
    return [
        _with_special_tokens(number, *pair)
        for number, pair in enumerate(zip(encodings, texts, strict=True))
    ]


def added_ids(tokenizer: Any) -> tuple[int, ...]:
    """Ids of the ordinary tokens that were added to the vocabulary of a fast tokenizer."""
    added = tokenizer.added_tokens_decoder.items()
    special = tokenizer.all_special_ids
    return tuple(i for i, token in added if not token.special and i not in special)


def _with_special_tokens(
    number: int, encoding: Any, text: str | Sequence[str]
) -> NDArray[np.bool_]:
    """The starts of one `tokenizers.Encoding`, true at special tokens and padding."""
    inside = np.array([word is not None for word in encoding.word_ids], dtype=np.bool_)
    word_ids = np.array([word for word in encoding.word_ids if word is not None], dtype=np.int32)
    offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)[inside]
    tokens = [token for token, is_text in zip(encoding.tokens, inside, strict=True) if is_text]
    starts = np.ones(len(inside), dtype=np.bool_)
    if not len(tokens):
        return starts
    if not isinstance(text, str) or _is_word_by_word(text, offsets, word_ids):
        if not isinstance(text, str):
            begins = np.cumsum([0, *map(len, text)])[np.minimum(word_ids, len(text))]
            _check_text(number, "".join(text), tokens, offsets + begins[:, None])
        starts[inside] = np.append(True, word_ids[1:] != word_ids[:-1])
        return starts
    _check_text(number, text, tokens, offsets)
    marks = mark_kinds(tokens, USUAL_MARKS.difference(text))
    spans = claimed_spans(text, offsets[:, 0], offsets[:, 1], marks)
    starts[inside] = token_starts(text, unicode_words(text), *spans, word_ids)
    return starts


def _is_word_by_word(text: str, offsets: NDArray[np.int32], word_ids: NDArray[np.int32]) -> bool:
    """Whether a text was given word by word: then offsets restart in each word."""
    is_first = np.append(True, word_ids[1:] != word_ids[:-1])
    restarts = is_first.sum() > 1 and not offsets[is_first, 0].any()
    # A character that a normaliser makes several words of begins them all, too, but is the text.
    return bool(restarts) and int(offsets.max()) < len(text.strip())


def _check_text(number: int, text: str, tokens: Sequence[str], offsets: NDArray[np.int32]) -> None:
    """Refuse a text that is not the one whose tokens are given.

    A normaliser may change letters, so half of the tokens of ASCII letters may differ.

    Raises:
        ValueError: offsets are beyond the text, or more than half of the tokens are not there.
    """
    pairs = [
        (token.strip("Ġ▁#"), text[begin:end].strip())
        for token, (begin, end) in zip(tokens, offsets.tolist(), strict=True)
    ]
    spelled = [(a, b) for a, b in pairs if a.isascii() and a.isalpha() and len(a) == len(b)]
    differing = [(a, b) for a, b in spelled if a.lower() != b.lower()]
    if int(offsets.max()) > len(text) or 2 * len(differing) > len(spelled):
        token, found = differing[0] if differing else pairs[-1]
        raise ValueError(
            f"text {number} is not the one that was encoded: its token {token!r} stands for "
            f"{found!r}. Expected the texts in the order in which they were encoded."
        )


def find_word_starts(
    text: str,
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    word_ids: NDArray[np.int32],
    is_added: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Whether each token begins a word of the tokenizer; the first always does.

    Args:
        text: the text that was encoded.
        starts: offset of each token's first character, shape [N].
        ends: offset after each token's last character, shape [N].
        word_ids: the pre-tokenizer's number of each token's word, shape [N].
        is_added: whether each is an ordinary token that was added to the vocabulary, shape [N];
            `None` if none is.
    """
    if not len(starts):
        return np.empty(0, np.bool_)
    characters = _Characters(text)
    kinds = characters.kinds
    is_space = kinds == SPACE
    num_spaces = np.concatenate([[0], np.cumsum(is_space)])
    # Offsets may include the white space before a word (SentencePiece, byte-level BPE), so a token
    # is compared from its first visible character on. A token without one is blank: it begins a
    # word only after a token that is not.
    first_visible = _next_false(is_space)[starts]
    is_blank = first_visible >= ends
    before, after = np.maximum(ends[:-1] - 1, 0), first_visible[1:]

    differs = kinds[after] != kinds[before]
    spaced = num_spaces[after] > num_spaces[ends[:-1]]
    by_characters = (differs | spaced) & ~is_blank[:-1]
    by_tokenizer = (word_ids[1:] != word_ids[:-1]) | (is_blank[1:] & ~is_blank[:-1])
    is_cut_out = np.zeros(len(before), np.bool_)
    if is_added is not None:
        is_letter = kinds[after] == ALPHANUMERIC
        is_cut_out = ((is_added[1:] | is_added[:-1]) & is_letter) | (is_added[1:] & is_blank[:-1])
    is_joined = characters.are_joined(before, after, is_cut_out)
    by_tokenizer &= ~is_joined | (is_blank[1:] & ~is_cut_out)
    is_start = np.ones(len(starts), np.bool_)
    is_start[1:] = by_tokenizer | by_characters
    # Bytes of one character have its offsets in common: a word starts where no earlier token is.
    is_start[1:] &= starts[1:] >= np.maximum.accumulate(ends)[:-1]
    return is_start


class _Characters:
    """The characters of a text, and one more at the end.

    Attributes:
        kinds: of each character; a joining one has the kind of its base.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        kinds = np.append(kinds_of(text), np.uint8(OTHER))
        self._is_joining = kinds == JOINING
        self._bases = np.where(self._is_joining, 0, np.arange(len(kinds)))
        self._bases = np.maximum.accumulate(self._bases)
        self.kinds: NDArray[np.uint8] = kinds[self._bases]

    def are_joined(
        self, before: NDArray[np.int32], after: NDArray[np.int64], is_cut_out: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Whether a pre-tokenizer's border between two characters is none of the text's.

        Args:
            before: places of the characters before it, shape [N - 1].
            after: places of those after it, shape [N - 1].
            is_cut_out: whether it is there because of an added token, shape [N - 1].
        """
        is_letter = self.kinds[after] == ALPHANUMERIC
        joined: NDArray[np.bool_] = (
            is_cut_out | self._is_joining[after] | (self._is_joining[before] & is_letter)
        )
        if joined.any():
            is_ideograph = np.append(are_ideographs(self._text), False)[self._bases]
            begins_character = self._bases[after] != self._bases[before]
            joined = joined & ~(begins_character & (is_ideograph[before] | is_ideograph[after]))
        return joined


def _next_false(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the first false flag at or after each; the last flag must be false."""
    places = np.where(flags, len(flags) - 1, np.arange(len(flags)))
    return np.minimum.accumulate(places[::-1])[::-1]
