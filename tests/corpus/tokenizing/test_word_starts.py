"""Word starts as a column: what preparation records of the same text, for any fast tokenizer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import CanineTokenizer, PreTrainedTokenizerFast

from prose import text
from tidemask import word_starts_of
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.words.boundaries import unicode_words

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LINES = [line for line in text(6, seed=3).splitlines() if line]
TEXTS = [
    *LINES[:12],
    "It's naïve: state-of-the-art, don't you think? 1,000.50 € (50 %).",
    "Zwei   Wörter\tund ein\nUmbruch…  ",
    "東京 and emoji 👩‍👩‍👧 together",
    "e\u0301clair",
    "",
    " ",
]


def finished(backend: Tokenizer) -> Any:
    begin, end = (backend.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", begin), ("[SEP]", end)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def wordpiece() -> Any:
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=180, special_tokens=SPECIAL, show_progress=False)
    backend.train_from_iterator(LINES, trainer)
    return finished(backend)


def byte_level_bpe() -> Any:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=380,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(LINES, trainer)
    return finished(backend)


TOKENIZERS = {"wordpiece": wordpiece, "byte-level bpe": byte_level_bpe}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return TOKENIZERS[request.param]()


def test_word_starts_equal_what_preparation_records(tokenizer: Any) -> None:
    """The same ids between the special tokens, and the same words: those of Unicode."""
    encoding = tokenizer(TEXTS)
    starts = word_starts_of(encoding, TEXTS)
    prepared = CorpusTokenizer(tokenizer).encoder().encode(TEXTS, list(map(unicode_words, TEXTS)))
    pieces = 0
    for ids, ours, theirs in zip(encoding["input_ids"], starts, prepared, strict=True):
        assert ids[1:-1] == theirs.ids.tolist()
        assert ours.dtype == np.bool_
        assert ours.tolist() == [True, *theirs.word_starts.tolist(), True]
        pieces += int((~ours).sum())
    assert pieces > 100  # words of several tokens, or nothing was tested


def test_word_starts_of_plain_words_by_hand(tokenizer: Any) -> None:
    """Where words are letters between spaces and marks, a word is what lies between."""
    line = "Marta carefully remembers the unlikely lantern, gladly."
    [starts] = word_starts_of(tokenizer(line), line)
    encoding = tokenizer(line, return_offsets_mapping=True)
    begins = {0, *(i + 1 for i, c in enumerate(line) if c == " "), line.index(","), len(line) - 1}
    for start, (begin, end) in list(zip(starts, encoding["offset_mapping"], strict=True))[1:-1]:
        first_ink = begin + (line[begin:end].startswith(" "))
        assert start == (first_ink in begins)


@pytest.mark.parametrize("side", ["left", "right"])
def test_word_starts_of_padded_and_truncated_texts(tokenizer: Any, side: str) -> None:
    """Padding and special tokens are words of their own; the rest is as without padding."""
    alone = word_starts_of(tokenizer(LINES[:5], truncation=True, max_length=30), LINES[:5])
    encoding = tokenizer(
        LINES[:5], padding="max_length", truncation=True, max_length=40, padding_side=side
    )
    for ours, short, attended in zip(
        word_starts_of(encoding, LINES[:5]), alone, encoding["attention_mask"], strict=True
    ):
        inside = np.array(attended, dtype=bool)
        assert len(ours) == 40
        assert ours[~inside].all()
        assert ours[inside][:29].tolist() == short[:29].tolist()


def test_word_starts_of_one_text(tokenizer: Any) -> None:
    [one] = word_starts_of(tokenizer(LINES[0]), LINES[0])
    assert one.tolist() == word_starts_of(tokenizer(LINES[:1]), LINES[:1])[0].tolist()


@pytest.mark.slow
def test_word_starts_refuse_what_has_no_offsets() -> None:
    """A slow tokenizer keeps no encodings; a dict has lost them."""
    with pytest.raises(ValueError, match="a BatchEncoding without encodings"):
        word_starts_of(CanineTokenizer()(LINES[:1]), LINES[:1])
    with pytest.raises(ValueError, match="a dict without encodings"):
        word_starts_of({"input_ids": [[2, 9, 3]]}, LINES[:1])


def test_word_starts_refuse_other_texts_than_were_encoded(tokenizer: Any) -> None:
    with pytest.raises(ValueError, match="2 texts for 3 encodings"):
        word_starts_of(tokenizer(LINES[:3]), LINES[:2])
    overflowing = tokenizer(
        LINES[:1], truncation=True, max_length=10, return_overflowing_tokens=True
    )
    with pytest.raises(ValueError, match="encode without return_overflowing_tokens"):
        word_starts_of(overflowing, LINES[:1])
    with pytest.raises(ValueError, match="pairs of texts were encoded"):
        word_starts_of(tokenizer(LINES[:2], LINES[2:4]), LINES[:2])


WORDS = [line.split() for line in LINES[:6]]


def test_word_starts_of_words_given_one_by_one(tokenizer: Any) -> None:
    """Their words are those that were given, however the tokenizer divides them."""
    texts = [*WORDS, ["don't", "New York", "état-major"], ["a", "a"], ["one"], []]
    encoding = tokenizer(texts, is_split_into_words=True)
    for number, starts in enumerate(word_starts_of(encoding, texts)):
        word_ids = encoding.word_ids(number)
        expected = [
            word is None or word_ids.index(word) == place for place, word in enumerate(word_ids)
        ]
        assert starts.tolist() == expected
    for ours, joined in zip(
        word_starts_of(encoding, texts),
        word_starts_of(encoding, [" ".join(words) for words in texts]),
        strict=True,
    ):
        assert ours.tolist() == joined.tolist()


def test_word_starts_refuse_other_texts(tokenizer: Any) -> None:
    with pytest.raises(ValueError, match=r"text 0 is not the one that was encoded: its token"):
        word_starts_of(tokenizer(LINES[:2]), LINES[1::-1])
    with pytest.raises(ValueError, match=r"text 1 is not the one that was encoded"):
        word_starts_of(tokenizer(["river", "a long river"]), ["river", "a"])
    with pytest.raises(ValueError, match="text 0 is not the one that was encoded"):
        word_starts_of(tokenizer(WORDS[:2], is_split_into_words=True), WORDS[1::-1])
    with pytest.raises(ValueError, match="words of one text as a list in a list"):
        word_starts_of(tokenizer(WORDS[0], is_split_into_words=True), WORDS[0])


def test_word_starts_of_a_character_that_is_several_words() -> None:
    """All begin at the same place, as words that are given one by one do."""
    vocabulary = {"[UNK]": 0, ".": 1, "a": 2}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    [starts] = word_starts_of(fast("…"), "…")
    assert starts.tolist() == [True, False, False]
