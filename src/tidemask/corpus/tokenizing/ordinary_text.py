"""Letters that spell a special token, "[MASK]" or "</s>", are ordinary text, for every reader.

tokenizers sees to the tokens that were added to a vocabulary (`encode_special_tokens`). Some models
(Unigram among them) have those spellings in their own vocabulary as well: such a token becomes the
unknown one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

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
        """Those of a fast tokenizer: tokens that are special, named or not, and of its frame."""
        added = tokenizer.added_tokens_decoder.items()
        special = {token_id for token_id, token in added if token.special}
        unknown: int | None = tokenizer.unk_token_id
        reserved = {*special, *tokenizer.all_special_ids, *frame_ids} - {unknown}
        return cls(tuple(sorted(reserved)), unknown)

    def text_ids(self, text: str, encoding: Encoding) -> NDArray[np.uint32]:
        """The ids of a text that was encoded without special tokens, shape [N].

        Args:
            text: what a message shows the beginning of.
            encoding: of the text.

        Raises:
            UserError: it spells a special token, and the tokenizer has no unknown one.
        """
        ids = np.array(encoding.ids, np.uint32)
        is_reserved = np.isin(ids, self.ids)
        if self.unknown_id is not None:
            ids[is_reserved] = self.unknown_id
        elif is_reserved.any():
            spelled = encoding.tokens[int(is_reserved.argmax())]
            raise UserError(
                f"text spells a special token: {spelled!r} in {text[:60]!r}, and the tokenizer has "
                "no unknown token to put in its place. Expected ordinary text. Remove it, or use "
                "another tokenizer."
            )
        return ids


def plain_backend(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """A copy of a fast tokenizer's backend that neither cuts nor pads.

    Letters that spell a special token are ordinary text to it.
    """
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return backend
