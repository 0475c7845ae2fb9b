"""Ranks of words by their similarity to anchors, against the model and a sort of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerBase

import tidemask
from annotated_corpora import TEXTS, column_values, placed_tokens, prepared, tiny_model
from tidemask import Batch, Masker, StepKey, TokenColumn, UserError, Vocabulary, load_recipe

ANCHORS = ["river", "old bridge", "dog"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = prepared(tmp_path_factory.mktemp("similar"), vocab_size=420)
    (made.parent / "anchors.txt").write_text("\n".join(ANCHORS), encoding="utf-8")
    tiny_model(made, made.parent / "model")
    return made


def annotated(corpus: Path, column: str, anchors: str = "anchors.txt", **settings: str) -> None:
    tidemask.annotate(
        corpus, column=column, source=f"model:{corpus.parent / 'model'}", progress=False,
        attribute=f"similarity:{corpus.parent / anchors}", **settings,
    )  # fmt: skip


def embedding(
    network: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, ids: list[int]
) -> np.ndarray:
    """The mean of the hidden states of a word's tokens, the word alone in a sequence."""
    row = torch.tensor([[tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]])
    with torch.no_grad():
        states = network(row, output_hidden_states=True).hidden_states[-1][0, 1:-1]
    return states.double().mean(0).numpy()


def expected_weights(corpus: Path, text: str) -> dict[int, float]:
    """The weight of each token by its first character: 1 and the number of words that are less
    similar, half of those as similar among them, over the number of words."""
    tokenizer = AutoTokenizer.from_pretrained(corpus / "tokenizer")
    network = AutoModelForMaskedLM.from_pretrained(corpus.parent / "model").eval()
    anchors = [
        embedding(network, tokenizer, tokenizer(each, add_special_tokens=False)["input_ids"])
        for each in ANCHORS
    ]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    words, similarity = encoded.word_ids(), {}
    for word in dict.fromkeys(words):
        ids = [i for i, of in zip(encoded["input_ids"], words, strict=True) if of == word]
        mine = embedding(network, tokenizer, ids)
        cosines = [mine @ a / np.linalg.norm(mine) / np.linalg.norm(a) for a in anchors]
        similarity[word] = round(max(cosines), 5)
    values = list(similarity.values())
    ranks = {
        word: sum(other < value for other in values) + (1 + values.count(value)) / 2
        for word, value in similarity.items()
    }
    starts = [start for start, _ in encoded["offset_mapping"]]
    return {at: ranks[word] / len(values) for at, word in zip(starts, words, strict=True)}


@pytest.mark.slow
def test_word_similarity_ranks_the_words_of_each_document(corpus: Path) -> None:
    annotated(corpus, "difference")
    found = column_values(corpus, "difference")
    expected = [expected_weights(corpus, text) for text in TEXTS]
    for token in placed_tokens(corpus):
        value = found[token.split][token.row][token.position]
        # one neighbour in rank is a difference of rounding
        slack = 1.01 / len(set(expected[token.text]))
        assert value == pytest.approx(expected[token.text][token.start], abs=slack), token
    annotated(corpus, "again")
    assert column_values(corpus, "again") == found


def test_difference_masking_draws_as_its_source_does() -> None:
    """Chances of inclusion against numpy's draw without replacement, which the authors call."""
    weights = np.arange(1, 21) / 20
    drawn, trials = np.zeros(20), 4000
    random = np.random.default_rng(1)
    for _ in range(trials):
        drawn[random.choice(20, size=3, replace=False, p=weights / weights.sum())] += 1
    batch = Batch(
        input_ids=torch.randint(5, 90, (trials, 20)),
        maskable=torch.ones(trials, 20, dtype=torch.bool),
        sample_ids=torch.arange(trials),
        columns={"difference": torch.from_numpy(weights).float().expand(trials, 20)},
    )
    masker = Masker(
        load_recipe("difference-masking").masking,
        Vocabulary.of(size=97, mask_id=4, special_ids=range(5)),
        columns=[TokenColumn(name="difference", kind="weight")],
        max_steps=10,
    )
    selected = masker(batch, progress=0.0, key=StepKey(seed=0, step=0)).selected
    assert (selected.sum(1) == 3).all()  # 15 % of 20
    chances, own = drawn / trials, selected.float().mean(0).numpy()
    # five standard errors of a difference of two shares; never with another weighting
    assert np.abs(own - chances).max() < 5 * np.sqrt(2 * 0.3 * 0.7 / trials)
    assert np.abs(3 / 20 - chances).max() > 5 * np.sqrt(2 * 0.3 * 0.7 / trials)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ("none.txt", "no such file: .*none.txt"),
        ("odd.txt", r"unusable anchor: '\u4e2d' of .*odd.txt has letters that the tokenizer"),
    ],
)
def test_word_similarity_refuses_anchors(corpus: Path, anchors: str, message: str) -> None:
    (corpus.parent / "odd.txt").write_text("river\n\u4e2d\n", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        annotated(corpus, "bad", anchors)


def test_word_similarity_gives_weights_alone(corpus: Path) -> None:
    with pytest.raises(UserError, match="a kind that the source does not have: kind=group"):
        annotated(corpus, "bad", kind="group")
