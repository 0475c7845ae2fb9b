"""How a tokenizer marks the space before a word, and the text that each token claims.

Byte-level BPE writes a space as `Ġ`, SentencePiece as `▁`; others split at it and write nothing. A
normaliser or a pre-tokenizer of any kind may do it, so the tokenizer is asked, with short texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tidemask.corpus.tokenizing.characters import JOINING, kinds_of
from tidemask.corpus.words.white_space import is_white_space

Offsets = NDArray[np.int32]

USUAL_MARKS = frozenset("Ġ▁")
"""The marks of nearly all tokenizers, for where there is none to ask."""

_NO_MARK, _MARKED, _MARK_ONLY = range(3)


def marks_of_space(backend: Tokenizer) -> frozenset[str]:
    """The characters that a space within a text becomes; none if a tokenizer splits at it.

    Example:
        >>> from tokenizers import Tokenizer, models, normalizers
        >>> backend = Tokenizer(models.BPE())
        >>> backend.normalizer = normalizers.Replace(" ", "▁")
        >>> sorted(marks_of_space(backend))
        ['▁']
    """
    added = Counter("".join(model_pieces(backend, "a b"))) - Counter(
        "".join(model_pieces(backend, "ab"))
    )
    return frozenset(character for character in added if not character.isspace())


def space_within(backend: Tokenizer) -> str:
    """What to put before a word that is encoded on its own, so that it is as within a text.

    That is a space where a tokenizer marks the one that it is given, and nothing where it marks
    every text that it is given, or none.

    Example:
        >>> from tokenizers import Tokenizer, models, normalizers
        >>> backend = Tokenizer(models.BPE())
        >>> backend.normalizer = normalizers.Replace(" ", "▁")
        >>> space_within(backend)
        ' '
        >>> backend.normalizer = normalizers.Sequence(
        ...     [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        ... )
        >>> space_within(backend)
        ''
    """
    running = "".join(model_pieces(backend, "a b"))
    first = "".join(model_pieces(backend, "a"))
    joined = {space: first + "".join(model_pieces(backend, space + "b")) for space in ("", " ")}
    return " " if joined[" "] == running != joined[""] else ""


def model_pieces(backend: Tokenizer, text: str) -> list[str]:
    """What the model of a tokenizer gets to see of a text."""
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    if backend.pre_tokenizer is None:
        return [text]
    return [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text)]


def mark_table(backend: Tokenizer) -> NDArray[np.uint8]:
    """What `claimed_spans` has to know of each token, by its id, shape [V]."""
    vocabulary = backend.get_vocab()
    marks = marks_of_space(backend)
    table = np.full(max(vocabulary.values(), default=-1) + 1, _NO_MARK, np.uint8)
    if marks:
        table[list(vocabulary.values())] = mark_kinds(vocabulary, marks)
    return table


def mark_kinds(tokens: Iterable[str], marks: Collection[str]) -> NDArray[np.uint8]:
    """What `claimed_spans` has to know of each token, from its spelling, shape [N]."""

    def kind(token: str) -> int:
        if token[:1] not in marks:
            return _NO_MARK
        return _MARKED if any(character not in marks for character in token) else _MARK_ONLY

    return np.fromiter(map(kind, tokens), np.uint8)


def claimed_spans(
    text: str, starts: Offsets, ends: Offsets, kinds: NDArray[np.uint8]
) -> tuple[Offsets, Offsets]:
    """Offsets put right, so that a token's spelling, less its mark, is the text that it claims.

    Post-processors of byte-level BPE that trim offsets (`trim_offsets`) take a character away for
    every mark. Where the pre-tokenizer took the space away and then marked the word, as RobBERT's
    does, that character is the word's first letter. And a token that is nothing but a mark has the
    letter after it in its offsets where no space stands before that letter.

    White space before a word may be claimed with it or not, as in the offsets that are given. A
    mark that a normaliser composed with its letter, or dropped, is in the offsets of no token; it
    belongs to the token of that letter.

    Args:
        text: the text that was encoded.
        starts: offset of each token's first character, shape [N].
        ends: offset after each token's last character, shape [N].
        kinds: of each token, from `mark_table` or `mark_kinds`, shape [N].

    Returns:
        Starts and ends; the arguments are not changed.
    """
    is_joining = np.append(kinds_of(text) == JOINING, False)
    if is_joining.any():
        ends = _with_marks(starts, ends, is_joining)
    if not kinds.any():
        return starts, ends
    is_visible = ~is_white_space(text)
    num_visible = np.concatenate([[0], np.cumsum(is_visible)])
    starts, ends = starts.copy(), ends.copy()

    # A mark alone claims white space or nothing; it stands before the next token that is more.
    is_mark = kinds == _MARK_ONLY
    following = np.where(is_mark, np.iinfo(np.int32).max, starts)
    following = np.minimum.accumulate(following[::-1])[::-1]
    starts[is_mark] = np.minimum(starts, following)[is_mark]
    is_wrong = is_mark & (num_visible[ends] > num_visible[starts])
    ends[is_wrong] = starts[is_wrong]

    # A letter before a marked token that no token claims was trimmed off it.
    before = np.concatenate([[0], np.maximum.accumulate(ends)[:-1]])
    is_trimmed = (kinds == _MARKED) & (starts > before) & is_visible[np.maximum(starts - 1, 0)]
    starts[is_trimmed] -= 1
    return starts, ends


def _with_marks(starts: Offsets, ends: Offsets, is_joining: NDArray[np.bool_]) -> Offsets:
    """The ends, after the marks that follow each and that no later token claims."""
    size = len(is_joining) - 1
    bases = np.where(is_joining, size, np.arange(size + 1))
    next_base = np.minimum.accumulate(bases[::-1])[::-1]
    following = np.append(np.minimum.accumulate(starts[::-1])[::-1], size)[1:]
    extended: Offsets = np.maximum(ends, np.minimum(next_base[ends], following)).astype(np.int32)
    return extended
