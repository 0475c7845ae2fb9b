"""A tokenizer is trained the same each time, and loads as it was saved, or is refused."""

import json
import random

import pytest
from transformers import AutoTokenizer, BertConfig, BertTokenizer, ModernBertConfig

from sentence_tokenizers import KINDS, SENTENCES, byte_level, each_kind, unigram, wordpiece
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.trained_form import BERT
from tidemask.errors import UserError
from trained_tokenizer import train_tokenizer


def random_texts(seed, num_words):
    """Words over a few letters, so that many pairs of them are equally frequent."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdéfgh", k=draw.randint(1, 9))) for _ in range(num_words)]
    return [" ".join(words[i : i + 50]) for i in range(0, num_words, 50)]


# --- training


@pytest.mark.slow
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
