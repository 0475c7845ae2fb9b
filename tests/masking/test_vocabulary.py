"""The vocabulary of a tokenizer whose ids have holes, and random tokens drawn from what is left."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import AddedToken, AutoTokenizer, PreTrainedTokenizerFast

import tidemask
from tidemask import Batch, Masker, MaskingCollator, MaskingSettings, StepKey, Vocabulary
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.masking.corruption import Corruption
from tidemask.masking.schedule import Constant
from tidemask.runs.corpus_inputs import CorpusInputs

LEVEL = 1e-6
ALL_RANDOM = MaskingSettings(
    ratio=Constant(ratio=1.0),
    unit="token",
    corruption=Corruption(mask=0.0, random=1.0, keep=0.0),
)
NAMED = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
LETTERS = {letter: 10 + number for number, letter in enumerate(string.ascii_lowercase)}
ENDINGS = {f"##{letter}": 50 + number for number, letter in enumerate(string.ascii_lowercase)}
GRAFT, ANON = 79, 80
ORDINARY = {*LETTERS.values(), *ENDINGS.values(), GRAFT}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    """With holes at 36 to 49, filling at 5 to 8 and 78, two words added, one of them special."""
    filling = {"[unused0]": 5, "[unused12]": 6, "<unused3>": 7, "madeupword0001": 8}
    filling |= {"<s>NOTUSED": 9, "[unused99]": 76, "<unk>NOTUSED": 77, "[unused100]": 78}
    special = {name: number for number, name in enumerate([*NAMED.values(), "[MASK]"])}
    # The library numbers added tokens by how many there are, holes or not; these have their ids.
    added = {"graft": GRAFT, "[ANON]": ANON}
    entries = {**special, **filling, **LETTERS, **ENDINGS, **added}
    backend = Tokenizer(models.WordPiece(entries, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="[MASK]", **NAMED)
    made.add_tokens(["graft"])
    made.add_tokens([AddedToken("[ANON]", special=True)], special_tokens=True)
    directory = tmp_path_factory.mktemp("holes") / "tokenizer"
    made.save_pretrained(directory)
    loaded: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(directory)
    return loaded


def _uniform(ids: NDArray[np.int64]) -> None:
    """Exactly the ordinary ids are drawn, each as often as the others: a chi-square test."""
    counts = np.bincount(ids, minlength=ANON + 1)
    assert set(np.flatnonzero(counts)) == ORDINARY
    assert stats.chisquare(counts[sorted(ORDINARY)]).pvalue > LEVEL


def test_vocabulary_of_a_tokenizer_leaves_out_holes_and_filling(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    vocabulary = Vocabulary.of_tokenizer(tokenizer)
    assert vocabulary.size == ANON + 1
    assert set(vocabulary.ordinary_ids.tolist()) == ORDINARY
    assert set(np.flatnonzero(vocabulary.is_special)) == {0, 1, 2, 3, 4, ANON}


def test_vocabulary_without_holes_is_what_its_numbers_say() -> None:
    ids = {"[PAD]": 0, "[MASK]": 1, **{letter: n + 2 for n, letter in enumerate("abc")}}
    backend = Tokenizer(models.WordLevel(ids, unk_token="[PAD]"))
    made = PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="[MASK]", pad_token="[PAD]")
    assert Vocabulary.of_tokenizer(made) == Vocabulary.of(5, 1, [0])


def test_vocabulary_with_holes_refuses_an_added_token_that_shares_an_id(tmp_path: Path) -> None:
    """The library numbers it 4, the entries before it, which is that of a word."""
    ids = {"[PAD]": 0, "[UNK]": 1, "winter": 3, "river": 4}
    backend = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, mask_token="[MASK]", pad_token="[PAD]", unk_token="[UNK]"
    )
    assert made.mask_token_id == made.convert_tokens_to_ids("river")
    made.save_pretrained(tmp_path)
    for read in (lambda: Vocabulary.of_tokenizer(made), lambda: load_tokenizer(tmp_path)):
        with pytest.raises(ValueError, match=r"'\[MASK\]' and 'river' have the id 4\. Expected "):
            read()


def test_random_tokens_of_the_masker_are_uniform_over_what_text_can_have(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    masker = Masker(ALL_RANDOM, Vocabulary.of_tokenizer(tokenizer), max_steps=10)
    batch = Batch(
        input_ids=torch.full((1000, 100), 10),
        maskable=torch.ones(1000, 100, dtype=torch.bool),
        sample_ids=torch.arange(1000),
    )
    masked = masker(batch, progress=0.5, key=StepKey(seed=3, step=5))
    _uniform(masked.input_ids.flatten().numpy())


def test_random_tokens_of_the_collator_are_uniform_over_what_text_can_have(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    collator = MaskingCollator.for_tokenizer(ALL_RANDOM, tokenizer, max_steps=2, seed=5)
    rows = [{"input_ids": [10] * 100, "sample_id": number} for number in range(1000)]
    _uniform(collator(rows)["input_ids"].flatten().numpy())


@pytest.mark.slow
def test_random_tokens_of_a_prepared_corpus_are_uniform_over_what_text_can_have(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list(LETTERS), 5)) for _ in range(20_000)]
    (tmp_path / "text.txt").write_text(
        "\n\n".join(" ".join(words[i : i + 200]) for i in range(0, len(words), 200))
    )
    tidemask.prepare(
        tmp_path / "text.txt", out=tmp_path / "corpus", tokenizer=tokenizer.name_or_path,
        tagger="none", held_out=0, workers=1, progress=False,
    )  # fmt: skip
    data = CorpusInputs.of(tidemask.open_corpus(tmp_path / "corpus"))
    masker = Masker(ALL_RANDOM, data.vocabulary, max_steps=10)
    batch = data.training_set(seed=0).__getitems__(range(400))
    masked = masker(batch, progress=0.5, key=StepKey(seed=3, step=5))
    _uniform(masked.input_ids[masked.selected].numpy())
