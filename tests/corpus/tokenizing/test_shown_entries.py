"""Entries of vocabularies as a reader sees them: letters for bytes, no marks of a space."""

from __future__ import annotations

from tidemask.corpus.tokenizing.shown_entries import shown_entry
from tokenizer_kinds import KINDS, tokenizer_of
from trained_tokenizer import train_tokenizer


def test_shown_entries_are_letters_of_the_text_in_every_kind() -> None:
    text = "the river paints"
    for kind in KINDS:
        tokenizer = tokenizer_of(kind)
        ids = tokenizer(text, add_special_tokens=False).input_ids
        shown = [shown_entry(tokenizer, token_id).removeprefix("##") for token_id in ids]
        letters = [one for one in shown if one not in ("Ġ", "▁")]  # a space of its own is spelled
        assert "".join(letters) == text.replace(" ", ""), kind


def test_shown_entries_of_bytes_that_are_no_character_are_spelled() -> None:
    tokenizer = tokenizer_of("byte-level")
    ids = tokenizer("ш", add_special_tokens=False).input_ids
    assert len(ids) == 2
    assert "\ufffd" not in "".join(shown_entry(tokenizer, token_id) for token_id in ids)
    assert shown_entry(tokenizer, 10**6) == "<1000000>"


def test_shown_entries_of_white_space_are_escaped() -> None:
    trained = train_tokenizer(["a\n\n\u3000b\t c"] * 9, vocab_size=300, tokenizer_kind="bpe")
    tokenizer = trained.tokenizer
    shown = {shown_entry(tokenizer, i) for i in tokenizer("a\n\n\u3000b\t c")["input_ids"]}
    assert "".join(shown).isascii()
    assert {"a", "b", "c", r"\t"} <= shown
    assert any(r"\n" in one for one in shown)
    assert any(r"\u3000" in one for one in shown)
    assert shown_entry(tokenizer, tokenizer.convert_tokens_to_ids("Ġ")) == "Ġ"
