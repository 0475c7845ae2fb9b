"""What an architecture derives from the padding id, wherever it stands: positions, or a mask.

A tokenizer may pad with the token that ends its texts (`pad_token = eos_token`), and then that id
is no sign of padding.
"""

from __future__ import annotations

from jaxtyping import Int
from torch import Tensor, nn, ones_like
from transformers import PreTrainedModel

_HIDE_WHAT_IS_PADDING = ("flaubert", "xlm")
"""By `model_type`: without an attention mask, as many positions at the end of a sequence are hidden
as it holds padding ids. All other masked language models of transformers 5.23 see every position,
as `tests/modeling/test_padding_id.py` shows."""


def position_padding(encoder: nn.Module) -> int | None:
    """The padding id, where positions that hold it are not counted; `None` where all are.

    RoBERTa and its relatives reserve the numbers up to it and count from the next; their position
    embeddings have it as their `padding_idx`.
    """
    embeddings = getattr(encoder, "embeddings", None)
    padding = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
    return None if padding is None else int(padding)


def unpadded(model: PreTrainedModel, input_ids: Int[Tensor, "B L"]) -> dict[str, Tensor]:
    """The arguments with which a model sees all of sequences that are not padded.

    These are the ids, and a mask of ones for the few architectures that would derive one from them.
    """
    if model.config.model_type in _HIDE_WHAT_IS_PADDING:
        return {"input_ids": input_ids, "attention_mask": ones_like(input_ids)}
    return {"input_ids": input_ids}
