"""Words as tokens and back: every word labelled once, with any kind of tokenizer."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
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
from transformers import DataCollatorForTokenClassification, PreTrainedTokenizerFast

from prose import text
from tidemask.errors import UserError
from tidemask.tasks.tagging.features import (
    IGNORED,
    TaggingFeatures,
    WordTokenizer,
)
from tidemask.tasks.tagging.sentences import TaggedSentence
from tokenizer_kinds import END, KINDS, tokenizer_of

TAGS = ("O", "A", "B")
_of_kind = cache(tokenizer_of)
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def _tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """A small tokenizer with [CLS] and [SEP], trained on text of our own."""
    backend = Tokenizer(
        models.WordPiece(unk_token="[UNK]") if kind == "WordPiece" else models.BPE()
    )
    trainer: trainers.Trainer
    if kind == "WordPiece":
        backend.normalizer = normalizers.BertNormalizer()
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=_SPECIAL)
    elif kind == "byte-level":
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=_SPECIAL, initial_alphabet=alphabet
        )
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=_SPECIAL)
    backend.train_from_iterator([text(20)], trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")


TOKENIZERS = {kind: _tokenizer(kind) for kind in ("WordPiece", "byte-level", "Metaspace")}
WORD_TOKENIZERS = {kind: WordTokenizer.of(tokenizer) for kind, tokenizer in TOKENIZERS.items()}
_WORD = st.one_of(
    st.sampled_from(["river", "stone.", "[SEP]", "n't", "\u200b", "\u00a0", "", "Unlikely" * 9]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
_TAGGED = st.lists(
    st.lists(st.tuples(_WORD, st.sampled_from(TAGS)), min_size=1, max_size=9),
    min_size=1,
    max_size=4,
)


def _sentences(rows: list[list[tuple[str, str]]]) -> list[TaggedSentence]:
    return [
        TaggedSentence(tuple(w for w, _ in row), tuple(t for _, t in row), "here") for row in rows
    ]


@pytest.mark.parametrize("kind", list(TOKENIZERS))
@given(rows=_TAGGED, max_length=st.integers(3, 20))
def test_tagging_features_label_every_word_that_has_a_token_once(
    kind: str, rows: list[list[tuple[str, str]]], max_length: int
) -> None:
    sentences = _sentences(rows)
    words = WORD_TOKENIZERS[kind]
    features = TaggingFeatures(sentences, TAGS, words, max_length)
    examples = list(features)
    labels = [label for example in examples for label in example["labels"] if label != IGNORED]
    subwords = words.subwords([s.words for s in sentences])
    expected = [
        TAGS.index(tag)
        for sentence, ids in zip(sentences, subwords, strict=True)
        for tag, tokens in zip(sentence.tags, ids, strict=True)
        if tokens
    ]
    assert labels == expected
    assert features.num_empty == sum(len(s.words) for s in sentences) - len(expected)
    for example in examples:
        assert len(example["input_ids"]) == len(example["labels"]) <= max_length
        assert (example["input_ids"][0], example["input_ids"][-1]) == (2, 3)
        assert example["labels"][0] == example["labels"][-1] == IGNORED


@pytest.mark.parametrize("kind", list(TOKENIZERS))
@given(rows=_TAGGED, max_length=st.integers(3, 20))
def test_tagging_features_give_each_word_the_tag_of_its_first_token(
    kind: str, rows: list[list[tuple[str, str]]], max_length: int
) -> None:
    """Where the outputs are the labels, the tags come back; a word without token gets `O`."""
    sentences = _sentences(rows)
    features = TaggingFeatures(sentences, TAGS, WORD_TOKENIZERS[kind], max_length)
    labels = [np.array(example["labels"]) for example in features]
    logits = [np.eye(len(TAGS))[np.where(label == IGNORED, 2, label)] for label in labels]
    predicted = features.predicted_tags(logits, TAGS, "O")
    subwords = WORD_TOKENIZERS[kind].subwords([s.words for s in sentences])
    for sentence, ids, tags in zip(sentences, subwords, predicted, strict=True):
        assert tags == [
            tag if tokens else "O" for tag, tokens in zip(sentence.tags, ids, strict=True)
        ]


@pytest.mark.parametrize("kind", [*TOKENIZERS, *KINDS])
@given(st.lists(st.sampled_from("the quiet engine Visited a Delft I bright é".split())))
def test_tagging_features_of_words_are_the_tokens_of_running_text(
    kind: str, words: list[str]
) -> None:
    """Space included, and none at the beginning: many tokenizers have other tokens there."""
    tokenizer = TOKENIZERS[kind] if kind in TOKENIZERS else _of_kind(kind)
    (found,) = WordTokenizer.of(tokenizer).subwords([words])
    running = tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]
    assert [token for word in found for token in word] == running
    assert all(found)


@pytest.mark.parametrize(("kind", "first"), [("gemma", "the"), ("llama", "▁the")])
def test_tagging_features_mark_the_space_that_a_normaliser_writes(kind: str, first: str) -> None:
    tokenizer = _of_kind(kind)
    (found,) = WordTokenizer.of(tokenizer).subwords([["the", "river", "the"]])
    shown = ["".join(tokenizer.convert_ids_to_tokens(ids)) for ids in found]
    assert shown == [first, "▁river", "▁the"]


def test_tagging_features_take_letters_of_a_special_token_as_text() -> None:
    for kind, words in WORD_TOKENIZERS.items():
        ((ids,),) = words.subwords([["[SEP]"]])
        assert 3 not in ids, kind
    for kind in KINDS:  # Unigram has the letters of special tokens in its own vocabulary
        ((ids,),) = WordTokenizer.of(_of_kind(kind)).subwords([["</s>"]])
        assert END not in ids, kind
    assert TOKENIZERS["WordPiece"].backend_tokenizer.encode_special_tokens is False


def test_tagging_features_count_what_they_split_cut_and_cannot_read() -> None:
    sentence = TaggedSentence(("river",) * 30 + ("\u200b",), ("A",) * 31, "here")
    long = TaggedSentence(("x" * 60,), ("B",), "here")
    features = TaggingFeatures([sentence, long], TAGS, WORD_TOKENIZERS["WordPiece"], 12)
    assert (features.num_windowed, features.num_empty) == (1, 1)
    # WordPiece makes one unknown token of a long word; byte-level BPE makes many.
    assert features.num_cut == 0
    features = TaggingFeatures([long], TAGS, WORD_TOKENIZERS["byte-level"], 12)
    assert (features.num_cut, len(features)) == (1, 1)
    with pytest.raises(UserError, match="max_length=2"):
        TaggingFeatures([sentence], TAGS, WORD_TOKENIZERS["WordPiece"], 2)


def test_tagging_features_are_padded_on_the_right_with_their_labels() -> None:
    collator = DataCollatorForTokenClassification(TOKENIZERS["WordPiece"])
    batch = collator(
        [{"input_ids": [1, 2, 3], "labels": [-100, 1, -100]}, {"input_ids": [4], "labels": [0]}]
    )
    assert torch.equal(batch["input_ids"], torch.tensor([[1, 2, 3], [4, 0, 0]]))
    assert torch.equal(batch["attention_mask"], torch.tensor([[1, 1, 1], [1, 0, 0]]))
    assert torch.equal(batch["labels"], torch.tensor([[-100, 1, -100], [0, -100, -100]]))
    assert "labels" not in collator([{"input_ids": [1]}])
