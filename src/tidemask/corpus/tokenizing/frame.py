"""The frame of a text: the special tokens around it, and between the two texts of a pair.

Preparation, scoring, filling, minimal pairs, tagging, classification and question answering all
take it from here, so that a model reads every text as it read those that it was trained on. A frame
is what the tokenizer's post-processor adds. Where that adds nothing, it is made of the tokens that
the tokenizer has a name for: CLS, else BOS, before a text, SEP, else EOS, after it, and SEP
between two texts, as BERT has them. A pair that the post-processor joins without any special token,
though it puts some around a single text, is joined in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Self

from tokenizers import Encoding, Tokenizer

from tidemask.corpus.tokenizing.ordinary_text import plain_backend
from tidemask.errors import UserError, one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = tuple[int, ...]

_PAIR_TYPES = (0, 0, 0, 1, 1)
"""Token types of a pair in BERT's order: left, first text, middle, second text, right."""


@dataclass(frozen=True)
class PairFrame:
    """The special tokens of a pair of texts.

    Attributes:
        left: ids before the first text.
        middle: ids between the texts.
        right: ids after the second text.
        types: token types of left, first text, middle, second text and right.
    """

    left: Ids
    middle: Ids
    right: Ids
    types: tuple[int, ...] = _PAIR_TYPES

    @property
    def num_special(self) -> int:
        """Number of special tokens of a pair."""
        return len(self.left) + len(self.middle) + len(self.right)

    def around(self, first: Sequence[int], second: Sequence[int]) -> tuple[list[int], list[int]]:
        """Ids and token types of a pair."""
        parts = (self.left, first, self.middle, second, self.right)
        types = zip(self.types, parts, strict=True)
        return [token for part in parts for token in part], [
            kind for kind, part in types for _ in part
        ]


@dataclass(frozen=True)
class Frame:
    """The special tokens of a tokenizer's sequences.

    A single text has the token type 0 throughout, as the rows of pre-training do.

    Attributes:
        before: ids before a text.
        after: ids after a text.
        pair: those of a pair.
        document_end: id that ends a document where another follows it: the last one of `after`,
            else that of the SEP or EOS token; `None` if there is none.
        null_position: place of the CLS token in a pair, 0 if there is none before the first text.
        is_of_names: whether it is made of named tokens, wholly or for pairs.
    """

    before: Ids
    after: Ids
    pair: PairFrame
    document_end: int | None
    null_position: int
    is_of_names: bool

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Self:
        """The frame of a fast tokenizer, which is not changed."""
        begin = _first_id(tokenizer, "cls_token_id", "bos_token_id")
        end = _first_id(tokenizer, "sep_token_id", "eos_token_id")
        (before, after), pair = _added_by_post_processor(tokenizer)
        if not before and not after and not (pair and pair.num_special):
            before, after = begin, end
        is_of_names = not (pair and pair.num_special)
        if pair is None or is_of_names:
            pair = PairFrame(before, after, after)
        cls_id = tokenizer.cls_token_id
        return cls(
            before=before,
            after=after,
            pair=pair,
            document_end=next(iter((*after[-1:], *end)), None),
            null_position=pair.left.index(cls_id) if cls_id in pair.left else 0,
            is_of_names=is_of_names,
        )

    @property
    def ids(self) -> frozenset[int]:
        """All ids of the frame, whether the tokenizer calls them special or not."""
        end = () if self.document_end is None else (self.document_end,)
        pair = self.pair
        return frozenset((*self.before, *self.after, *pair.left, *pair.middle, *pair.right, *end))

    @property
    def num_special(self) -> int:
        """Number of special tokens of a single text."""
        return len(self.before) + len(self.after)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of it, one sentence each."""
        if self.num_special or self.pair.num_special:
            return ()
        return (
            "The tokenizer has no special tokens to put around a text: no post-processor adds any, "
            "and none is named cls_token, bos_token, sep_token or eos_token. Texts stand bare, and "
            "the two of a pair have nothing between them.",
        )

    def around(self, ids: Sequence[int]) -> list[int]:
        """Ids of a single text with its special tokens."""
        return [*self.before, *ids, *self.after]


def _first_id(tokenizer: PreTrainedTokenizerBase, *names: str) -> Ids:
    ids = (getattr(tokenizer, name) for name in names)
    return tuple(token_id for token_id in ids if token_id is not None)[:1]


def _added_by_post_processor(
    tokenizer: PreTrainedTokenizerBase,
) -> tuple[tuple[Ids, Ids], PairFrame | None]:
    """What is added before and after a text, and to a pair; `None` if no text has a token."""
    # An example shows it: tokens of neither text are special, and the texts separate those before,
    # between and after them. It is the first word that has a token.
    backend = plain_backend(tokenizer)
    if unknown := _unknown_names(backend):
        raise _damaged(tokenizer, f"names {', '.join(unknown)} without ids")
    for word in ("a", *backend.get_vocab()):
        if _has_token(backend, word):
            with _naming_damage(tokenizer):
                (before, _, after), _ = _parts(backend.encode(word), 1)
                (left, _, middle, _, right), types = _parts(backend.encode(word, word), 2)
            return (before, after), PairFrame(left, middle, right, types)
    return ((), ()), None


@contextmanager
def _naming_damage(tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # A panic of the library in Rust is no `Exception`, and its class has no public name.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise _damaged(tokenizer, f"fails ({one_line(error)})") from error


def _damaged(tokenizer: PreTrainedTokenizerBase, what: str) -> UserError:
    return UserError(
        f"damaged tokenizer: {tokenizer.name_or_path}: the post_processor of its tokenizer.json "
        f"{what}. Restore the file, or use another tokenizer."
    )


def _unknown_names(backend: Tokenizer) -> list[str]:
    """Special tokens that templates of the post-processor name and give no ids: a panic in Rust."""
    if backend.post_processor is None:
        return []
    processor = json.loads(backend.post_processor.__getstate__())
    templates = [one for one in (processor, *processor.get("processors", ())) if "single" in one]
    return sorted(
        piece["SpecialToken"]["id"] or "an empty one"
        for template in templates
        for piece in (*template["single"], *template["pair"])
        if "SpecialToken" in piece and piece["SpecialToken"]["id"] not in template["special_tokens"]
    )


def _has_token(backend: Tokenizer, word: str) -> bool:
    try:
        return bool(backend.encode(word, add_special_tokens=False).ids)
    except Exception:  # tokenizers raises no other for a word that its model cannot spell
        return False


def _parts(encoding: Encoding, num_texts: int) -> tuple[list[Ids], tuple[int, ...]]:
    """Ids and token types of the parts of a sequence: special tokens and texts in turn."""
    ids, types, texts = encoding.ids, encoding.type_ids, encoding.sequence_ids
    bounds = [0]
    for text in range(num_texts):
        begin = texts.index(text)
        bounds += [begin, begin + texts.count(text)]
    parts = list(pairwise([*bounds, len(ids)]))
    return (
        [tuple(ids[begin:end]) for begin, end in parts],
        tuple(types[begin] if end > begin else 0 for begin, end in parts),
    )
