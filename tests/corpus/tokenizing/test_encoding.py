"""Texts as ids, offsets and word starts, by tokenizers of four kinds and a slow reference."""

import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from sentence_tokenizers import KINDS, SENTENCES, each_kind, unigram, wordpiece
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.trained_form import BERT


def words_of(kind, text):
    """The words as the encoder sees them: the text between word starts, without white space."""
    (encoded,) = KINDS[kind]().encoder().encode([text])
    begins = [*encoded.starts[encoded.word_starts].tolist(), len(text)]
    return [text[a:b].strip() for a, b in pairwise(begins)]


# --- encoding


@each_kind
@pytest.mark.parametrize("text", ["x [MASK] y[SEP][PAD] [CLS]", "a <mask> b</s> <pad><s>", "[UNK]"])
def test_tokenization_letters_that_spell_a_special_token_are_text(kind, text):
    tokenizer = KINDS[kind]()
    (encoded,) = tokenizer.encoder().encode([text])
    special = set(tokenizer.tokenizer.all_special_ids) - {tokenizer.tokenizer.unk_token_id}
    assert not special & set(encoded.ids.tolist())
    assert encoded.starts[0] == 0
    assert encoded.ends[-1] == len(text)


def test_tokenization_a_special_token_in_a_vocabulary_becomes_unknown():
    (encoded,) = unigram().encoder().encode(["a <mask>"])
    assert unigram().tokenizer.mask_token_id not in encoded.ids
    assert unigram().tokenizer.unk_token_id in encoded.ids


@each_kind
def test_tokenization_texts_do_not_depend_on_one_another(kind):
    encoder = KINDS[kind]().encoder()
    texts = [*SENTENCES, "", "🙂", " "]
    together = encoder.encode(texts)
    for text, encoded in zip(texts, together, strict=True):
        (alone,) = encoder.encode([text])
        assert alone.ids.tolist() == encoded.ids.tolist()
        assert alone.word_starts.tolist() == encoded.word_starts.tolist()
    assert len(together[3].ids) == 0


def test_tokenization_offsets_count_characters():
    text = "🙂 漢字 cafe\u0301s the cat"
    (encoded,) = wordpiece().encoder().encode([text])
    spans = list(zip(encoded.starts.tolist(), encoded.ends.tolist(), strict=True))
    tokens = wordpiece().tokenizer.convert_ids_to_tokens(encoded.ids.tolist())
    for token, (start, end) in zip(tokens, spans, strict=True):
        claimed = unicodedata.normalize("NFC", text[start:end])
        assert token.removeprefix("##") == claimed or token == "[UNK]"
    assert text[slice(*spans[-1])] == "cat"


def test_tokenization_long_texts_are_not_truncated(caplog, recwarn):
    (encoded,) = wordpiece().encoder().encode(["cat " * 20_000])
    assert len(encoded.ids) == 20_000
    assert not caplog.records
    assert not recwarn.list


# --- word starts


@each_kind
def test_tokenization_words_are_cut_at_spaces_and_punctuation(kind):
    words = words_of(kind, "The cat sat on the mat. (A dog, two)")
    expected = ["The", "cat", "sat", "on", "the", "mat", ".", "(", "A", "dog", ",", "two", ")"]
    assert words == expected


@pytest.mark.parametrize(
    "kind", sorted(KINDS.keys() - {"byte-level"})
)  # GPT-2's pattern separates them
def test_tokenization_a_combining_mark_stays_with_its_letter(kind):
    assert words_of(kind, "ma\u0301t nai\u0308ve") == ["ma\u0301t", "nai\u0308ve"]


@each_kind
@pytest.mark.parametrize("text", ["🙂🙂", "漢字", "a 🙂 b", "𝔘𝔫𝔦", "ê"])
def test_tokenization_no_word_starts_within_a_character(kind, text):
    (encoded,) = KINDS[kind]().encoder().encode([text])
    starts = encoded.starts[encoded.word_starts]
    assert len(set(starts.tolist())) == len(starts)
    if kind == "byte-level":
        assert len(encoded.ids) > len(text.replace(" ", ""))


def test_tokenization_no_word_starts_within_a_character_that_was_taken_apart():
    vocabulary = {token: index for index, token in enumerate([*BERT.order, "a", "."])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.NFKC()  # makes three full stops of an ellipsis
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # makes a word of each
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    (encoded,) = CorpusTokenizer(tokenizer).encoder().encode(["a… .."])
    assert encoded.ids.tolist() == [5, 6, 6, 6, 6, 6]
    assert encoded.word_starts.tolist() == [True, True, False, False, True, True]


@each_kind
@given(text=st.text("abtT .,'\n-2é\u0301🙂漢_\u200d[", max_size=30))
def test_tokenization_word_starts_are_those_of_a_slow_reference(kind, text):
    tokenizer = KINDS[kind]()
    (encoded,) = tokenizer.encoder().encode([text])
    backend = Tokenizer.from_str(tokenizer.encoder().serialised)
    encoding = backend.encode(text, add_special_tokens=False)
    expected = slow_word_starts(text, encoding.offsets, encoding.word_ids)
    assert encoded.word_starts.tolist() == expected
    assert encoded.word_starts.dtype == np.bool_


def joins(character):
    is_joiner = unicodedata.category(character) == "Cf" and character != "\u200b"
    is_jamo = "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7ff"
    return unicodedata.category(character)[0] == "M" or is_joiner or is_jamo


def kinds_and_bases(text):
    """Of each character its kind and the place of the character that it belongs to."""
    kinds, bases = [], []
    for place, character in enumerate(text):
        if joins(character) and kinds:
            kinds.append(kinds[-1])
            bases.append(bases[-1])
            continue
        bases.append(place)
        if joins(character):
            kinds.append("joining")
        elif character.isspace() or character == "\u200b":
            kinds.append("space")
        else:
            kinds.append("word" if character.isalnum() else "other")
    return kinds, bases


def is_border(text, kinds, bases, before, after):
    """Whether a border of the pre-tokenizer between two characters is one of the text."""
    is_beside_mark = joins(text[before]) and kinds[after] == "word"
    if not joins(text[after]) and not is_beside_mark:
        return True
    names = [unicodedata.name(text[bases[place]], "") for place in (before, after)]
    return bases[before] != bases[after] and any("IDEOGRAPH" in name for name in names)


def slow_word_starts(text, offsets, word_ids):
    """One token at a time, from the words of the docstring."""
    kinds, bases = kinds_and_bases(text)
    result, reached = [True][: len(offsets)], 0
    for index, (start, end) in enumerate(offsets):
        ink = [place for place in range(start, end) if kinds[place] != "space"]
        before_start, before_end = offsets[index - 1]
        if index > 0 and start < reached:
            result.append(False)
        elif index > 0:
            before_is_blank = all(k == "space" for k in kinds[before_start:before_end])
            is_start = word_ids[index] != word_ids[index - 1]
            if not ink:
                is_start |= not before_is_blank
            else:
                is_start &= is_border(text, kinds, bases, before_end - 1, ink[0])
            if ink and not before_is_blank:
                is_start |= "space" in kinds[before_end : ink[0]]
                is_start |= kinds[before_end - 1] != kinds[ink[0]]
            result.append(is_start)
        reached = max(reached, end)
    return result
