"""The tokens that a model predicts for the masks of a text, with their probabilities.

All masks are predicted at once: none is filled in before another is predicted.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tidemask.corpus.tokenizing.frame import Frame
from tidemask.corpus.tokenizing.shown_entries import shown_entry
from tidemask.errors import UserError
from tidemask.files.paths import CONVERT_TEXT, check_utf8
from tidemask.modeling.configuration import num_positions
from tidemask.modeling.padding_id import unpadded
from tidemask.tasks.zero_shot.masked_text import masked_text_ids
from tidemask.tasks.zero_shot.text_tokens import check_largest_id

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Filling:
    """One candidate for one mask.

    Attributes:
        token: as text without white space around it; WordPiece's `##` stays.
        token_id: its id in the vocabulary.
        probability: in [0, 1].
    """

    token: str
    token_id: int
    probability: float


@torch.inference_mode()
def fill_masks(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, *, top: int = 5
) -> list[list[Filling]]:
    """The most probable tokens for each mask of a text, most probable first.

    Args:
        model: an `AutoModelForMaskedLM`, on its device.
        tokenizer: of the model, with a mask token.
        text: has at least one mask, written `[MASK]`, `<mask>` or as the tokenizer does. It is
            encoded as running text is that has a word there.
        top: candidates for each mask, at least 1.

    Returns:
        For each mask `top` candidates.

    Raises:
        UserError: no mask in the text, a text that is not UTF-8 or too long for the model, a
            tokenizer of another model, `top` below 1, or predictions that are not finite.
    """
    vocab_size = int(model.config.vocab_size)
    if not 1 <= top <= vocab_size:
        raise UserError(f"top={top}. Expected a number from 1 to {vocab_size}.")
    check_utf8(text, "text", CONVERT_TEXT)
    frame = Frame.of(tokenizer)
    for note in frame.notes:
        logger.warning(note)
    ids = frame.around(masked_text_ids(tokenizer, text))
    limit = num_positions(model)
    if limit is not None and len(ids) > limit:
        raise UserError(
            f"text too long: {len(ids)} tokens, and the model takes {limit}. Shorten it."
        )
    check_largest_id(max(ids, default=0), vocab_size)
    places = [place for place, token in enumerate(ids) if token == tokenizer.mask_token_id]
    if not places:
        raise UserError(
            f"no mask in the text: {text[:80]!r}. Expected {tokenizer.mask_token} where a word is "
            "to be filled in."
        )
    model.eval()  # type: ignore[no-untyped-call]
    inputs = torch.tensor([ids], device=model.device)
    logits = model(**unpadded(model, inputs)).logits
    probabilities = logits[0, places].float().softmax(-1)
    if not bool(torch.isfinite(probabilities).all()):
        raise UserError(
            f"predictions are not finite: the weights of {model.name_or_path or 'the model'} are "
            "damaged, or its training diverged. Take an earlier checkpoint, or another model."
        )
    best = probabilities.topk(top, dim=-1)
    return [
        [Filling(shown_entry(tokenizer, i), i, p) for p, i in zip(*columns, strict=True)]
        for columns in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]
