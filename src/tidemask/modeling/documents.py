"""Documents of a packed row kept apart: each token attends within its own document only.

A row is `begin document separator document separator ...`. A separator belongs to the document that
it ends; the begin token belongs to the first document, of which the row may hold only the rest.
Positions restart in each document as the model itself numbers those of a sequence, so that it is
encoded as if it stood alone. Padding is a document of its own, and so is the end token of a row
whose last document just ended.

transformers makes no such mask of position ids (`create_bidirectional_mask` ignores them), so an
explicit one is handed in, and each architecture takes it in its own way.

Dimensions: `B` sequences, `L` positions, `H` hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from tidemask.modeling.padding_id import position_padding


def document_starts(input_ids: Int[Tensor, "B L"], separator_id: int) -> Bool[Tensor, "B L"]:
    """True at the first position of each document of rows whose documents end in a separator.

    Args:
        input_ids: ids, corrupted or not: the separator is special, so nothing replaces it and it
            replaces nothing.
        separator_id: an id that ends a document wherever it stands, except at a row's begin.
    """
    starts = torch.zeros_like(input_ids, dtype=torch.bool)
    starts[:, 0] = True
    starts[:, 2:] = input_ids[:, 1:-1] == separator_id
    return starts


@dataclass(frozen=True)
class _DocumentMask:
    """Which positions see each other, and their numbers.

    Attributes:
        visible: whether the first position sees the second.
        begins: where in the row the document of each position begins.
        positions: number of each position within its document, from 0.
        inside: true where a position is not padding.
    """

    visible: Bool[Tensor, "B L L"]
    begins: Int[Tensor, "B L"]
    positions: Int[Tensor, "B L"]
    inside: Bool[Tensor, "B L"]


def _document_mask(
    starts: Bool[Tensor, "B L"], attention_mask: Bool[Tensor, "B L"] | None
) -> _DocumentMask:
    places = torch.arange(starts.shape[1], device=starts.device)
    begins = torch.where(starts, places, 0).cummax(dim=1).values
    visible = begins[:, :, None] == begins[:, None, :]
    if attention_mask is None:
        return _DocumentMask(visible, begins, places - begins, torch.ones_like(starts))
    same_padding = attention_mask[:, :, None] == attention_mask[:, None, :]
    return _DocumentMask(visible & same_padding, begins, places - begins, attention_mask)


def separation_problem(model: PreTrainedModel) -> str | None:
    """Why a model cannot keep documents apart, as a clause without a subject; `None` if it can."""
    architecture = str(model.config.model_type)
    if architecture not in _ENCODE:
        return f"is of the architecture {architecture}, whose attention takes no mask of documents"
    if getattr(model.config, "conv_kernel_size", 0):
        return f"has a convolution over {model.config.conv_kernel_size} neighbours"
    attention = model.config._attn_implementation
    if architecture not in _DEBERTA and attention not in ("sdpa", "eager"):
        return f"computes attention by {attention}, not by sdpa or eager"
    return None


def encode_separately(
    model: PreTrainedModel,
    input_ids: Int[Tensor, "B L"],
    starts: Bool[Tensor, "B L"],
    attention_mask: Bool[Tensor, "B L"] | None,
) -> Float[Tensor, "B L H"]:
    """Last hidden states, each document encoded as if it stood alone.

    Args:
        model: for which `separation_problem` gives `None`.
        input_ids: packed rows.
        starts: true at the first position of each document; position 0 counts as one.
        attention_mask: true where a position is not padding; `None` if nothing is padded.
    """
    encode = _ENCODE[str(model.config.model_type)]
    return encode(model, input_ids, _document_mask(starts, attention_mask))


_Encode = Callable[[Any, Tensor, _DocumentMask], Tensor]


def _with_mask(model: Any, input_ids: Tensor, documents: _DocumentMask) -> Tensor:
    encoder = model.base_model
    hidden: Tensor = encoder(
        input_ids=input_ids,
        attention_mask=_for_attention(model, documents.visible),
        position_ids=_position_ids(encoder, input_ids, documents),
    )[0]
    return hidden


def _position_ids(encoder: Any, input_ids: Tensor, documents: _DocumentMask) -> Tensor:
    """The numbers that the model gives to the positions of each document if it stands alone.

    RoBERTa and its relatives count those that do not hold the padding id, from the number after
    that id on; the others have the number of the id itself. That shows where the padding id ends
    documents, too, as a tokenizer with `pad_token = eos_token` has it.
    """
    padding = position_padding(encoder)
    if padding is None:
        return documents.positions
    is_counted = input_ids != padding
    counted = is_counted.long().cumsum(dim=1)
    before = (counted - is_counted.long()).gather(1, documents.begins)
    return (counted - before) * is_counted + padding


def _modernbert(model: Any, input_ids: Tensor, documents: _DocumentMask) -> Tensor:
    """Sliding windows are cut at the documents' borders; each kind of layer has its own mask."""
    places = torch.arange(input_ids.shape[1], device=input_ids.device)
    near = (places[:, None] - places).abs() <= model.config.sliding_window
    hidden: Tensor = model.base_model(
        input_ids=input_ids,
        attention_mask={
            "full_attention": _for_attention(model, documents.visible),
            "sliding_attention": _for_attention(model, documents.visible & near),
        },
        position_ids=documents.positions,
    )[0]
    return hidden


def _deberta(model: Any, input_ids: Tensor, documents: _DocumentMask) -> Tensor:
    """Its forward gives one mask to embeddings and attention, so the two are called in turn.

    Relative positions are differences, the same in a document that stands alone.
    """
    encoder = model.base_model
    embedded = encoder.embeddings(
        input_ids=input_ids, position_ids=documents.positions, mask=documents.inside
    )
    hidden: Tensor = encoder.encoder(embedded, documents.visible, output_hidden_states=False)[0]
    return hidden


def _for_attention(model: Any, visible: Bool[Tensor, "B L L"]) -> Tensor:
    """A mask [B, 1, L, L] as the model's attention takes it: allowed places, or what to add."""
    mask = visible.unsqueeze(1)
    if model.config._attn_implementation == "sdpa":
        return mask
    added = torch.zeros(mask.shape, dtype=model.dtype, device=mask.device)
    return added.masked_fill(~mask, torch.finfo(model.dtype).min)


_DEBERTA = ("deberta", "deberta-v2")

_ENCODE: dict[str, _Encode] = {
    **dict.fromkeys(_DEBERTA, _deberta),
    **dict.fromkeys(
        ("albert", "bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"),
        _with_mask,
    ),
    "modernbert": _modernbert,
}
"""By `model_type`."""
