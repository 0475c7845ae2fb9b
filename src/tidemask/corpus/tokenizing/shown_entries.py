"""An entry of a vocabulary as a reader sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PART_OF_A_CHARACTER = "\ufffd"


def shown_entry(tokenizer: PreTrainedTokenizerBase, token_id: int) -> str:
    r"""An entry as text: the spellings of byte-level and SentencePiece vocabularies decoded.

    Spaces, and bytes that are no character by themselves, are shown as the vocabulary spells them,
    other white space as Python escapes it ("\n"), and an id without an entry as its number.
    """
    token = tokenizer.convert_ids_to_tokens(token_id)
    if not isinstance(token, str):  # the model has more ids than its tokenizer, or that has holes
        return f"<{token_id}>"
    if token.startswith("##"):
        return token
    text = str(tokenizer.decode([token_id]))
    if not text.strip():
        return text.strip(" ").encode("unicode_escape").decode() or token
    return token if _PART_OF_A_CHARACTER in text else text.strip()
