"""Letters that spell a special token, "[MASK]" or "</s>", are ordinary text, for every reader.

tokenizers sees to the tokens that were added to a vocabulary (`encode_special_tokens`). Some models
(Unigram among them) have those spellings in their own vocabulary as well: such a token becomes the
unknown one.

Special tokens of the user's own, "[ANON]" or "<url>", are another matter: they are declared to be
found in text. They are whole there, and as all special tokens never masked, predicted or drawn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from tidemask.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class ReservedIds:
    """The ids that text never has, and the one that it has in their place.

    Attributes:
        ids: ascending; the unknown one is none of them.
        unknown_id: id of the unknown token; `None` if there is none.
    """

    ids: tuple[int, ...]
    unknown_id: int | None

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, frame_ids: Collection[int]) -> Self:
        """Those of a fast tokenizer: special tokens, unless they are declared, and its frame's."""
        unknown: int | None = tokenizer.unk_token_id
        declared = declared_ids(tokenizer, frame_ids)
        reserved = {*_special_ids(tokenizer), *frame_ids} - {unknown} - declared
        return cls(tuple(sorted(reserved)), unknown)

    def text_ids(self, text: str, encoding: Encoding) -> NDArray[np.uint32]:
        """The ids of a text that was encoded without special tokens, shape [N].

        Args:
            text: what a message shows the beginning of.
            encoding: of the text.

        Raises:
            UserError: it spells a special token, and the tokenizer has no unknown one.
        """
        return self.ids_of_texts([text], [encoding])

    def ids_of_texts(
        self, texts: Sequence[str], encodings: Sequence[Encoding]
    ) -> NDArray[np.uint32]:
        """The ids of several texts, one after the other, as `text_ids` has those of each."""
        ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), np.uint32)
        is_reserved = np.isin(ids, self.ids)
        if self.unknown_id is not None:
            ids[is_reserved] = self.unknown_id
        elif is_reserved.any():
            self._refuse(texts, encodings)
        return ids

    def _refuse(self, texts: Sequence[str], encodings: Sequence[Encoding]) -> NoReturn:
        text, spelled = next(
            (text, token)
            for text, encoding in zip(texts, encodings, strict=True)
            for token, i in zip(encoding.tokens, encoding.ids, strict=True)
            if i in self.ids
        )
        raise UserError(
            f"text spells a special token: {spelled!r} in {text[:60]!r}, and the tokenizer has no "
            "unknown token to put in its place. Expected ordinary text. Remove it, or use another "
            "tokenizer."
        )


NAMED_TOKENS = ("mask", "pad", "unk", "cls", "sep", "bos", "eos")
"""What transformers calls special tokens that have a part of their own, each with `_token`."""

_PARTS = re.compile(
    r"[<\[]\|?(/?s|pad(ding)?|unk|mask|cls|sep|bos|eos|endoftext)\|?[>\]]", re.IGNORECASE
)
"""How tokens with a part of their own are spelt, where a tokenizer leaves them without a name."""


def declared_ids(tokenizer: PreTrainedTokenizerBase, frame_ids: Collection[int]) -> frozenset[int]:
    """Ids of the special tokens that text may have, such as a user's "[ANON]".

    They are those that have no part of their own: neither a name (mask, padding, unknown, CLS, SEP,
    BOS, EOS), nor a place around texts, nor the spelling of such a token.

    Args:
        tokenizer: a fast one.
        frame_ids: of its frame.
    """
    special = _special_ids(tokenizer)
    named = {getattr(tokenizer, f"{name}_token_id") for name in NAMED_TOKENS}
    spelled = {i for i, token in _added(tokenizer) if _PARTS.fullmatch(token.content)}
    return frozenset(special - named - spelled - set(frame_ids))


def _added(tokenizer: PreTrainedTokenizerBase) -> Iterable[tuple[int, Any]]:
    found: Iterable[tuple[int, Any]] = tokenizer.added_tokens_decoder.items()
    return found


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    return {*tokenizer.all_special_ids, *(i for i, t in _added(tokenizer) if t.special)}


def plain_backend(tokenizer: PreTrainedTokenizerBase, declared: Collection[int] = ()) -> Tokenizer:
    """A copy of a fast tokenizer's backend that neither cuts nor pads.

    Letters that spell a special token are ordinary text to it.

    Args:
        tokenizer: is not changed.
        declared: ids of the special tokens that it finds in text nevertheless.
    """
    serialised = tokenizer.backend_tokenizer.to_str()
    if declared:  # `encode_special_tokens` is for all special tokens or none
        content = json.loads(serialised)
        for token in content["added_tokens"]:
            token["special"] &= token["id"] not in declared
        serialised = json.dumps(content, ensure_ascii=False)
    backend = Tokenizer.from_str(serialised)
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return backend
