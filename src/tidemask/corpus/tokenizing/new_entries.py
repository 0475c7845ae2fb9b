"""Entries that a vocabulary lacks for a kind of text: those that shorten it most, or a user's list.

The most useful ones are found as byte-pair encoding finds them: the text is cut by the tokenizer
that is given, and the pair of neighbouring pieces within a word that is most frequent becomes one,
again and again (Sennrich et al. 2016, arXiv 1508.07909). `tokenizers` trains that, on texts in
which each piece is written as one character.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer, models, pre_tokenizers, trainers

from tidemask.corpus.tokenizing.space_marks import marks_of_space, model_pieces, space_within
from tidemask.corpus.words.boundaries import parts_at_words
from tidemask.errors import UserError
from tidemask.settings import shown

_FIRST_CHARACTER = 0x10000
"""The character that stands for the piece of id 0; above it there is no white space."""
MAX_PIECES = 0x110000 - _FIRST_CHARACTER
"""Ids that have a character."""
_MIN_FREQUENCY = 2


@dataclass(frozen=True)
class NewEntry:
    """An entry that a vocabulary lacks.

    Attributes:
        spelling: as the vocabulary has it, with the marks of its kind.
        size: of how many old entries it is made.
        parts: the spellings of the two entries that BPE merges to it, of which either may be new,
            too; `None` for other models.
    """

    spelling: str
    size: int
    parts: tuple[str, str] | None = None


class Joining:
    """How the spellings of two pieces make that of both.

    Args:
        backend: of a model of WordPiece, BPE or Unigram.
    """

    def __init__(self, backend: Tokenizer) -> None:
        self._prefix = getattr(backend.model, "continuing_subword_prefix", None) or ""

    def __call__(self, pieces: Iterable[str]) -> str:
        """The spelling of all pieces together."""
        first, *others = pieces
        return first + "".join(piece.removeprefix(self._prefix) for piece in others)


def useful_entries(
    backend: Tokenizer, texts: Iterable[str], number: int, left_out: Iterable[int]
) -> list[NewEntry]:
    """The entries that shorten the texts most, the best first.

    Args:
        backend: finds no special token in text, and neither cuts nor pads.
        texts: are cut by it.
        number: maximum number of entries.
        left_out: ids that are part of none, such as the unknown one.
    """
    spellings = {i: spelling for spelling, i in backend.get_vocab().items()}
    writer = _PieceWriter(backend, left_out)
    characters = [chr(_FIRST_CHARACTER + i) for i in sorted(spellings)]
    pairs = Tokenizer(models.BPE())
    pairs.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=len(characters) + number,
        min_frequency=_MIN_FREQUENCY,
        initial_alphabet=characters,
        show_progress=False,
    )
    pairs.train_from_iterator(writer.written(texts), trainer)
    joined, is_bpe = Joining(backend), isinstance(backend.model, models.BPE)

    def spelling(pieces: str) -> str:
        return joined(spellings[ord(character) - _FIRST_CHARACTER] for character in pieces)

    known = set(spellings.values())
    found: dict[str, NewEntry] = {}
    for first, second in json.loads(pairs.to_str())["model"]["merges"]:
        parts = (spelling(first), spelling(second)) if is_bpe else None
        entry = NewEntry(spelling(first + second), len(first + second), parts)
        if entry.spelling not in known:
            found.setdefault(entry.spelling, entry)
    return list(found.values())


class _PieceWriter:
    """Texts with one character for each piece, and a space between words."""

    def __init__(self, backend: Tokenizer, left_out: Iterable[int]) -> None:
        self._backend = backend
        vocabulary = backend.get_vocab()
        marks = marks_of_space(backend)
        self._begins = np.zeros(max(vocabulary.values()) + 1, np.bool_)
        self._begins[[i for piece, i in vocabulary.items() if piece[:1] in marks]] = True
        self._left_out = np.array(sorted(left_out), np.uint32)

    def written(self, texts: Iterable[str]) -> Iterator[str]:
        # One by one: a trainer reads this from its threads, one of which, if it waited for others
        # to encode a batch, could wait for the thread that waits for its next text.
        for text in texts:
            yield self._line(self._backend.encode(text, add_special_tokens=False), text)

    def _line(self, encoding: Encoding, text: str) -> str:
        ids = np.array(encoding.ids, np.uint32)
        words = np.array([-1 if word is None else word for word in encoding.word_ids], np.int64)
        is_left_out = np.isin(ids, self._left_out)
        line: NDArray[np.uint32] = np.full((len(ids), 2), ord(" "), np.uint32)
        line[:, 1] = np.where(is_left_out, np.uint32(ord(" ")), ids + np.uint32(_FIRST_CHARACTER))
        begins = np.append(True, words[1:] != words[:-1]) if len(ids) else words.astype(np.bool_)
        if len(parts := parts_at_words(text)) > 1:
            starts = np.array([start for start, _ in encoding.offsets])
            is_first = np.diff(starts, prepend=-1) > 0  # bytes of one letter have its place
            begins |= is_first & np.isin(starts, np.cumsum([*map(len, parts)]))
        is_kept = np.ones(line.shape, np.bool_)
        is_kept[:, 0] = begins | self._begins[ids]
        return line[is_kept].astype("<u4").tobytes().decode("utf-32-le")


def listed_entries(backend: Tokenizer, words: Mapping[str, int], place: str) -> list[NewEntry]:
    """The entries that make each of some words one token, as within a text.

    For BPE those are all on the way there, from the left.

    Args:
        backend: of the tokenizer that lacks them.
        words: one an entry, each with its line, for messages.
        place: where the words are from, for messages.

    Raises:
        UserError: something that the tokenizer takes for several words or for none, or cannot spell
            although its kind needs the letters.
    """
    space = space_within(backend)
    known = set(backend.get_vocab())
    found: dict[str, NewEntry] = {}
    for word, line in words.items():
        seen = model_pieces(backend, space + word)
        if len(seen) != 1:
            raise UserError(
                f"not one word: {place}, line {line}: {shown(word)}, which the tokenizer cuts "
                f"into {len(seen)}. Expected a word without space or punctuation. Remove it, or "
                "list its words."
            )
        for entry in _leading_to(backend, seen[0]):
            if entry.spelling not in known:
                found.setdefault(entry.spelling, entry)
        if isinstance(backend.model, models.BPE) and seen[0] not in known | found.keys():
            raise UserError(
                f"unknown letters: {place}, line {line}: {shown(word)}, which the tokenizer "
                "cannot spell. Expected its letters. Remove the word."
            )
    return list(found.values())


def _leading_to(backend: Tokenizer, spelling: str) -> Iterator[NewEntry]:
    pieces = [token.value for token in backend.model.tokenize(spelling)]
    if not isinstance(backend.model, models.BPE):
        yield NewEntry(spelling, len(pieces))
        return
    joined = Joining(backend)
    for size in range(2, len(pieces) + 1):
        parts = joined(pieces[: size - 1]), pieces[size - 1]
        yield NewEntry(joined(parts), size, parts)
