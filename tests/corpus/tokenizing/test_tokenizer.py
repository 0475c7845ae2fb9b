import json
import random
import unicodedata
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertTokenizer,
    ModernBertConfig,
    PreTrainedTokenizerFast,
)

from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.trained_form import BERT
from tidemask.errors import UserError
from trained_tokenizer import train_tokenizer

SENTENCES = (
    "The cat sat on the mat. The dog didn't; it ran, and ran!",
    "A café in Paris: the waiter's coats cost 2,024 francs (or so).",
    "Emoji 🙂 and 👩‍👩‍👧, CJK 漢字, marks: cafe\u0301s, naïve.",
)
BERT_STYLE = {f"{word}_token": f"[{word.upper()}]" for word in ("pad", "cls", "sep", "mask")}


def random_texts(seed, num_words):
    """Words over a few letters, so that many pairs of them are equally frequent."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdéfgh", k=draw.randint(1, 9))) for _ in range(num_words)]
    return [" ".join(words[i : i + 50]) for i in range(0, num_words, 50)]


@cache
def wordpiece():
    return train_tokenizer(SENTENCES * 3, vocab_size=200, lowercase=False)


@cache
def byte_level():
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES[:2] * 3, trainer)
    return CorpusTokenizer(
        PreTrainedTokenizerFast(
            tokenizer_object=backend,
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<pad>",
            mask_token="<mask>",
        )
    )


@cache
def unigram(split=True):
    pieces = ["▁", "▁The", "▁the", "▁cat", "▁ma", "t", "did", "n't", "▁a", "▁caf", "\u0301"]
    letters = sorted(set("".join(SENTENCES)) - {" ", "漢"})
    specials = ["<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = [(piece, 0.0) for piece in specials]
    vocabulary += [(piece, -2.0) for piece in pieces if piece not in letters]
    vocabulary += [(letter, -6.0) for letter in letters if letter not in pieces or letter == "t"]
    vocabulary += [("\u0301", -6.0)] * ("\u0301" not in letters)
    backend = Tokenizer(models.Unigram(list(dict(vocabulary).items()), unk_id=2))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(split=split)
    backend.decoder = decoders.Metaspace()
    return CorpusTokenizer(
        PreTrainedTokenizerFast(
            tokenizer_object=backend,
            pad_token="<pad>",
            eos_token="</s>",
            unk_token="<unk>",
            mask_token="<mask>",
        )
    )


KINDS = {
    "wordpiece": wordpiece,
    "byte-level": byte_level,
    "unigram": unigram,
    "unigram, one piece": lambda: unigram(split=False),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def words_of(kind, text):
    """The words as the encoder sees them: the text between word starts, without white space."""
    (encoded,) = KINDS[kind]().encoder().encode([text])
    begins = [*encoded.starts[encoded.word_starts].tolist(), len(text)]
    return [text[a:b].strip() for a, b in pairwise(begins)]


# --- training


@pytest.mark.parametrize("lowercase", [True, False])
def test_tokenization_training_gives_the_same_tokenizer_each_time(lowercase):
    texts = random_texts(1, 3000)
    prints = {
        train_tokenizer(texts, vocab_size=300, lowercase=lowercase).fingerprint for _ in range(5)
    }
    assert len(prints) == 1


def test_tokenization_training_depends_on_texts_and_settings():
    texts = random_texts(1, 1000)
    variants = [
        train_tokenizer(texts, vocab_size=200),
        train_tokenizer(texts, vocab_size=201),
        train_tokenizer(texts, vocab_size=200, lowercase=False),
        train_tokenizer(texts[1:], vocab_size=200),
    ]
    assert len({tokenizer.fingerprint for tokenizer in variants}) == 4
    assert [tokenizer.vocab_size for tokenizer in variants] == [200, 201, 200, 200]


def test_tokenization_training_numbers_the_special_tokens_first():
    vocabulary = wordpiece().tokenizer.get_vocab()
    assert [vocabulary[token] for token in BERT.order] == [0, 1, 2, 3, 4]
    assert sorted(wordpiece().tokenizer.all_special_ids) == [0, 1, 2, 3, 4]
    assert (
        wordpiece().tokenizer.unk_token_id not in wordpiece().encoder().encode(["The cat"])[0].ids
    )


def test_tokenization_lowercase_is_a_setting():
    texts = ["The Cat Café"] * 5
    low = train_tokenizer(texts, vocab_size=100).tokenizer
    high = train_tokenizer(texts, vocab_size=100, lowercase=False).tokenizer
    assert low.tokenize("THE CAFÉ") == ["the", "cafe"]
    assert high.tokenize("The Café") == ["The", "Café"]
    assert high.tokenize("the") != ["the"]


def test_tokenization_the_rarest_letters_become_unknown():
    common, rare = "abcdefghij", [chr(0x4E00 + index) for index in range(300)]
    texts = [" ".join(common) * 10, " ".join(rare)]
    tokenizer = train_tokenizer(texts, vocab_size=100)
    assert tokenizer.vocab_size <= 100
    assert tokenizer.tokenizer.tokenize("a " + rare[-1]) == ["a", "[UNK]"]


def test_tokenization_text_adds_special_tokens_as_bert_does():
    tokenizer = wordpiece().tokenizer
    single = tokenizer("cat")["input_ids"]
    assert (single[0], single[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert set(tokenizer("cat")) == {"input_ids", "attention_mask"}


# --- saving and loading


@pytest.mark.parametrize("config", [None, BertConfig, ModernBertConfig])
def test_tokenization_auto_tokenizer_loads_what_was_saved(tmp_path, config):
    wordpiece().save(tmp_path)
    if config is not None:  # a model beside it must not change the tokenizer's kind
        config().save_pretrained(tmp_path)
    text = " ".join(SENTENCES)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded(text)["input_ids"] == wordpiece().tokenizer(text)["input_ids"]
    assert loaded.get_vocab() == wordpiece().tokenizer.get_vocab()
    again = load_tokenizer(str(tmp_path))
    assert again.fingerprint == wordpiece().fingerprint
    assert again.vocab_size == wordpiece().vocab_size
    assert (again.begin_id, again.end_id, again.pad_id) == (2, 3, 0)


@each_kind
def test_tokenization_any_fast_tokenizer_loads(tmp_path, kind):
    KINDS[kind]().save(tmp_path)
    loaded, made = load_tokenizer(str(tmp_path)), KINDS[kind]()
    assert loaded.fingerprint == made.fingerprint
    assert loaded.named_special_ids == made.named_special_ids


def test_tokenization_fingerprint_ignores_truncation_and_padding(tmp_path):
    wordpiece().save(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path))
    tokenizer.tokenizer(["a b c", "d"], truncation=True, max_length=3, padding=True)
    assert tokenizer.fingerprint == wordpiece().fingerprint
    assert len(tokenizer.encoder().encode(["a b c d e f"])[0].ids) == 6


def test_tokenization_begin_and_end_are_bos_and_eos_or_none():
    assert (byte_level().begin_id, byte_level().end_id) == (0, 2)
    assert (unigram().begin_id, unigram().end_id) == (None, 1)


def complaint(name):
    with pytest.raises(UserError) as caught:
        load_tokenizer(str(name))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tokenization_refuses_directories_without_tokenizer(tmp_path):
    assert complaint(tmp_path / "absent").startswith(
        f"no such directory: {tmp_path / 'absent'}. Expected a tokenizer: "
    )
    assert complaint(tmp_path).startswith(f"no tokenizer there: {tmp_path} (")
    (tmp_path / "tokenizer.json").write_text("{broken")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert complaint(tmp_path).startswith(f"damaged tokenizer: {tmp_path / 'tokenizer.json'}: ")


@pytest.mark.parametrize("missing", ["mask", "pad"])
def test_tokenization_refuses_a_tokenizer_without_mask_or_pad_token(tmp_path, missing):
    wordpiece().save(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del config[f"{missing}_token"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert complaint(tmp_path).startswith(f"tokenizer without {missing} token: {tmp_path}.")


def test_tokenization_refuses_a_slow_tokenizer(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join([*BERT.order, "a", "b"]))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "basic"})
    )
    assert complaint(tmp_path).startswith(f"not a fast tokenizer: {tmp_path} (BertJapanese")


def test_tokenization_of_transformers_own_making_is_taken(tmp_path):
    vocabulary = {token: index for index, token in enumerate([*BERT.order, "a", "##b"])}
    BertTokenizer(vocab=vocabulary).save_pretrained(tmp_path)
    (encoded,) = load_tokenizer(str(tmp_path)).encoder().encode(["ab a"])
    assert encoded.ids.tolist() == [5, 6, 5]


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
