"""Filling masks by hand."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from scored_material import KINDS, byte_level, model_for, wordpiece
from tidemask.errors import UserError
from tidemask.tasks.zero_shot.fill import fill_masks
from tidemask.tasks.zero_shot.masked_text import masked_text_ids


@pytest.mark.parametrize("mask", ["[MASK]", "<mask>"])
@pytest.mark.parametrize("kind", KINDS)
def test_fill_gives_the_most_probable_words_of_every_mask(kind: str, mask: str) -> None:
    tokenizer = KINDS[kind]()
    model = model_for(tokenizer)
    found = fill_masks(model, tokenizer, f"The {mask} paints a {mask}.", top=7)
    inside = masked_text_ids(tokenizer, f"The {mask} paints a {mask}.")
    ids = [tokenizer.cls_token_id, *inside, tokenizer.sep_token_id]
    with torch.no_grad():
        shares = model(input_ids=torch.tensor([ids])).logits[0].double().softmax(-1)
    places = [place for place, token in enumerate(ids) if token == tokenizer.mask_token_id]
    assert len(found) == len(places) == 2
    for place, candidates in zip(places, found, strict=True):
        best = shares[place].argsort(descending=True)[:7]
        assert [candidate.token_id for candidate in candidates] == best.tolist()
        assert [c.probability for c in candidates] == pytest.approx(shares[place, best].tolist())


def test_fill_shows_tokens_as_text() -> None:
    tokenizer = byte_level()
    model = model_for(tokenizer)
    every = fill_masks(model, tokenizer, "The <mask>", top=len(tokenizer) + 3)[0]
    shown = {filling.token_id: filling.token for filling in every}
    assert shown[tokenizer.convert_tokens_to_ids("Ġthe")] == "the"
    assert shown[len(tokenizer)] == f"<{len(tokenizer)}>"
    assert sum(filling.probability for filling in every) == pytest.approx(1.0)
    model = model_for(wordpiece())
    every = fill_masks(model, wordpiece(), "a [MASK]", top=model.config.vocab_size)[0]
    inner = {token for token in wordpiece().get_vocab() if token.startswith("##")}
    assert inner
    assert inner <= {filling.token for filling in every}


def test_fill_shows_an_id_without_a_token_by_its_number() -> None:
    ids = {"[PAD]": 0, "[UNK]": 1, "[MASK]": 2, "winter": 3, "river": 9}
    backend = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, mask_token="[MASK]", pad_token="[PAD]", unk_token="[UNK]"
    )
    (every,) = fill_masks(model_for(tokenizer, vocab_size=12), tokenizer, "[MASK]", top=12)
    shown = {filling.token_id: filling.token for filling in every}
    assert shown[9] == "river"
    assert all(shown[hole] == f"<{hole}>" for hole in (4, 5, 6, 7, 8, 10, 11))


@pytest.mark.parametrize(
    ("text", "top", "message"),
    [
        ("The river.", 5, r"no mask in the text: 'The river\.'\. Expected \[MASK\]"),
        ("[MASK] " + "winter " * 70, 5, "text too long: 73 tokens, and the model takes 64"),
        ("[MASK]", 0, "top=0. Expected a number from"),
    ],
)
def test_fill_refuses_in_one_line(text: str, top: int, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        fill_masks(model_for(wordpiece()), wordpiece(), text, top=top)
    assert "\n" not in str(caught.value)


def test_fill_refuses_a_tokenizer_of_another_model() -> None:
    with pytest.raises(UserError, match="tokenizer of another model"):
        fill_masks(model_for(wordpiece(), vocab_size=9), wordpiece(), "[MASK] winter", top=1)
