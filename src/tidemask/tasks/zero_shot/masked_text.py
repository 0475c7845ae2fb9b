"""A text with masks as the tokens that running text has, with a mask token in place of each word.

In pre-training a text is encoded before its words are masked: the space before a word goes with it,
and what follows does not begin a text. Most tokenizers do neither where they find a mask token in a
text: they cut there, so a stray token for a space stays before it, or comes after it. Here a letter
stands in for each mask while the text is encoded, and the token of the letter is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Self

import numpy as np
from transformers import PreTrainedTokenizerBase

from tidemask.corpus.tokenizing.ordinary_text import plain_backend
from tidemask.corpus.tokenizing.space_marks import marks_of_space
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer, EncodedText

_MASKS = ("[MASK]", "<mask>")
"""How a mask may be written, whatever the tokenizer calls it."""


def masked_text_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of a text with the mask token's at every mask, without special tokens around them.

    Where no letter is a token of its own, as may be within a word of a small vocabulary, what
    stands between masks is encoded part by part.

    Args:
        tokenizer: a fast one, with a mask token.
        text: a mask is written `[MASK]`, `<mask>` or as the tokenizer does; letters that spell
            another special token are text.

    Raises:
        UserError: the text spells a special token, and the tokenizer has no unknown one.
    """
    spellings = (*_MASKS, str(tokenizer.mask_token))
    parts = re.split("|".join(map(re.escape, spellings)), text)
    encoder = CorpusTokenizer(tokenizer).encoder()
    marks = marks_of_space(plain_backend(tokenizer))
    mask_id = int(tokenizer.mask_token_id)
    letters = [ascii_lowercase[0]] * (len(parts) - 1)
    for following in ascii_lowercase[1:]:
        running = _RunningText.of(parts, letters)
        (encoded,) = encoder.encode([running.text])
        spelled = tokenizer.convert_ids_to_tokens(encoded.ids.tolist())
        tokens = [running.token_of(place, encoded, spelled, marks) for place in running.places]
        if None not in tokens:
            replaced = {*tokens}
            return [mask_id if n in replaced else i for n, i in enumerate(encoded.ids.tolist())]
        letters = [
            following if token is None else letter
            for letter, token in zip(letters, tokens, strict=True)
        ]
    first, *others = (part.ids.tolist() for part in encoder.encode(parts))
    return [*first, *(token for ids in others for token in (mask_id, *ids))]


@dataclass(frozen=True)
class _RunningText:
    """The text with a letter in place of each mask, and the places of these letters."""

    text: str
    places: list[int]

    @classmethod
    def of(cls, parts: Sequence[str], letters: Sequence[str]) -> Self:
        """The parts that masks separate, joined by letters."""
        ends = np.cumsum([len(part) + 1 for part in parts[:-1]], dtype=np.int64)
        text = parts[0] + "".join(map("".join, zip(letters, parts[1:], strict=True)))
        return cls(text, (ends - 1).tolist())

    def token_of(
        self, place: int, encoded: EncodedText, spelled: Sequence[str], marks: Collection[str]
    ) -> int | None:
        """Number of the one token of a letter; `None` if it has others or shares its own.

        A word of one token has the mark of the space before it in that token. So a letter whose
        mark is a token before it has two.
        """
        found = np.flatnonzero((encoded.starts <= place) & (place < encoded.ends))
        if len(found) != 1:
            return None
        token = int(found[0])
        claimed = self.text[encoded.starts[token] : encoded.ends[token]]
        before = spelled[token - 1] if token else ""
        mark_is_apart = spelled[token][:1] not in marks and before and {*before} <= {*marks}
        return None if claimed.strip() != self.text[place] or mark_is_apart else token
