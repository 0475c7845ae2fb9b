"""Texts with masks have the tokens of running text that has a word at each mask."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tidemask.tasks.zero_shot.masked_text import masked_text_ids
from tokenizer_kinds import BEGIN, END, KINDS, MASK, PAD, tokenizer_of


@pytest.mark.parametrize("kind", KINDS)
def test_masked_text_is_running_text_with_a_word_replaced(kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    for text in ("{} river.", "a quiet {}", "I visited {}, a river of {}.", "a {} {} of"):
        running = tokenizer(text.replace("{}", "the"), add_special_tokens=False)["input_ids"]
        spelled = [token.strip("Ġ▁") for token in tokenizer.convert_ids_to_tokens(running)]
        expected = [MASK if s == "the" else i for i, s in zip(running, spelled, strict=True)]
        assert expected.count(MASK) == text.count("{}")
        for mask in ("[MASK]", "<mask>"):
            assert masked_text_ids(tokenizer, text.replace("{}", mask)) == expected, text


@pytest.mark.parametrize("kind", KINDS)
def test_masked_text_has_no_other_special_token(kind: str) -> None:
    ids = masked_text_ids(tokenizer_of(kind), "the </s> of a <s> <mask> river <pad>.")
    assert ids.count(MASK) == 1
    assert not {PAD, BEGIN, END} & set(ids)


def test_masked_text_within_a_word_that_no_letter_continues_is_encoded_part_by_part() -> None:
    ids = {"[PAD]": 0, "[UNK]": 1, "[MASK]": 2, "winter": 3, "river": 4}
    backend = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, mask_token="[MASK]", pad_token="[PAD]", unk_token="[UNK]"
    )
    assert masked_text_ids(tokenizer, "river [MASK] winter[MASK]river") == [4, 2, 3, 2, 4]
