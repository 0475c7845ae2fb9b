"""Scores of tokens under a model, against the model itself with one word masked at a time."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

import tidemask
from annotated_corpora import POSITIONS, TEXTS, column_values, placed_tokens, prepared, tiny_model
from cases import one_in
from tidemask import UserError
from tidemask.annotation import model_scores
from tidemask.annotation.model_scores import ModelScores, pass_of_tokens
from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.corpus.store.corpus import open_corpus
from tidemask.progress import ignore


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("scored"), vocab_size=420)


@pytest.fixture(scope="module")
def model(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(corpus, tmp_path_factory.mktemp("models") / "tiny")


def expected_scores(corpus: Path, model: Path, text: str) -> dict[int, tuple[float, float]]:
    """Surprisal and entropy of each token by its first character, each word masked alone."""
    tokenizer = AutoTokenizer.from_pretrained(corpus / "tokenizer")
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, words = encoded["input_ids"], encoded.word_ids()
    number = -(-len(ids) // (POSITIONS - 2))
    bounds = [len(ids) * i // number for i in range(number + 1)]
    network = AutoModelForMaskedLM.from_pretrained(model).eval()
    found = {}
    for begin, end in pairwise(bounds):
        window = [tokenizer.cls_token_id, *ids[begin:end], tokenizer.sep_token_id]
        for word in set(words[begin:end]):
            at = [i for i in range(begin, end) if words[i] == word]
            masked = torch.tensor([window])
            masked[0, [i - begin + 1 for i in at]] = tokenizer.mask_token_id
            with torch.no_grad():
                log_q = network(masked).logits[0].log_softmax(-1)
            for i in at:
                of_token = log_q[i - begin + 1]
                entropy = -float((of_token.exp() * of_token).sum())
                found[encoded["offset_mapping"][i][0]] = -float(of_token[ids[i]]), entropy
    return found


@pytest.mark.parametrize("attribute", one_in(2, ["surprisal", "entropy"]))
def test_model_scores_equal_the_models_own_with_one_word_masked(
    corpus: Path, model: Path, attribute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_scores, "NUM_PASSES", 1000)  # so that each word has its own
    made = tidemask.annotate(
        corpus, column=attribute, source=f"model:{model}", attribute=attribute, progress=False
    )
    assert made.manifest.kind == "weight"
    values = column_values(corpus, attribute)
    scores = [expected_scores(corpus, model, text) for text in TEXTS]
    for token in placed_tokens(corpus):
        expected = scores[token.text][token.start][attribute == "entropy"]
        found = values[token.split][token.row][token.position]
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-4), token


def unbatched_scores(
    network: Any, document: DocumentTokens, begin: int, end: int, around: tuple[int, int, int]
) -> dict[str, list[float]]:
    """Surprisal and entropy of the tokens of a window, each pass of it run alone."""
    first, last, mask_id = around
    ids = torch.from_numpy(document.ids[begin:end].astype(np.int64))
    passes = torch.from_numpy(pass_of_tokens(document, begin, end))
    found = {"surprisal": torch.zeros(len(ids)), "entropy": torch.zeros(len(ids))}
    for one in passes.unique():
        masked = passes == one
        inputs = torch.cat(
            [torch.tensor([first]), ids.masked_fill(masked, mask_id), torch.tensor([last])]
        )
        with torch.no_grad():
            log_q = network(inputs[None]).logits[0, 1:-1].log_softmax(-1)
        found["surprisal"][masked] = -log_q[torch.arange(len(ids)), ids][masked]
        found["entropy"][masked] = -(log_q.exp() * log_q).sum(-1)[masked]
    return {name: values.tolist() for name, values in found.items()}


def some_documents(num_entries: int) -> list[DocumentTokens]:
    """Documents of 0 to 90 random tokens in words of one and more, most of them short."""
    random = np.random.default_rng(4)
    sizes = [0, 90, 77, 1, 1, 2, *random.integers(1, 12, 60).tolist()]
    return [
        DocumentTokens(
            number,
            random.integers(5, num_entries, size).astype(np.uint16),
            random.random(size) < 0.7,
            np.zeros(size, np.uint8),
        )
        for number, size in enumerate(sizes)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("attribute", ["surprisal", "entropy"])
def test_model_scores_of_windows_that_run_together_equal_those_of_each_pass_alone(
    corpus: Path, model: Path, attribute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_scores, "BATCH_POSITIONS", 400)
    source = ModelScores.of(
        SourceRequest(
            open_corpus(corpus), "scored", "model", str(model), attribute, None, ignore, ignore
        )
    )
    batches: list[torch.Size] = []
    source.model.language_model.base_model.register_forward_pre_hook(
        lambda _, __, inputs: batches.append(inputs["input_ids"].shape), with_kwargs=True
    )
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForMaskedLM.from_pretrained(model).eval()
    around = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.mask_token_id
    documents = some_documents(len(tokenizer))
    sizes: Counter[int] = Counter()
    for document, scores in zip(documents, source.values(documents), strict=True):
        number = -(-len(document) // (POSITIONS - 2))
        bounds = [len(document) * i // max(1, number) for i in range(number + 1)]
        expected = [
            unbatched_scores(network, document, begin, end, around)[attribute]
            for begin, end in pairwise(bounds)
        ]
        sizes.update(end - begin for begin, end in pairwise(bounds))
        assert scores == pytest.approx(list(chain.from_iterable(expected)), rel=1e-5, abs=1e-5)
    assert all(rows * length <= 400 for rows, length in batches)
    # Of one size as many run together as there is room for; no more passes than seven of each.
    room = {size: max(1, 400 // (min(7, size) * (size + 2))) for size in sizes}
    assert len(batches) == sum(-(-number // room[size]) for size, number in sizes.items())
    assert len(batches) < len(documents) / 2


def test_model_scores_of_several_words_a_pass_are_the_same_each_time(
    corpus: Path, model: Path
) -> None:
    run = model.parent / "run"
    run.mkdir()
    (run / "model").symlink_to(model)
    for name, source in (("first", model), ("second", run)):
        tidemask.annotate(corpus, column=name, source=f"model:{source}", progress=False)
    assert column_values(corpus, "first") == column_values(corpus, "second")


def test_model_scores_passes_divide_the_words_evenly() -> None:
    random = np.random.default_rng(0)
    draws = []
    for number in range(300):
        starts = random.random(60) < 0.7
        document = DocumentTokens(number, np.zeros(60, np.uint16), starts, np.zeros(60, np.uint8))
        passes = pass_of_tokens(document, 10, 60)
        word = np.cumsum(starts[10:] | (np.arange(50) == 0)) - 1
        of_words = [set(passes[word == each].tolist()) for each in range(word[-1] + 1)]
        assert all(len(each) == 1 for each in of_words)
        sizes = np.bincount([each.pop() for each in of_words], minlength=7)
        assert len(sizes) == 7
        assert sizes.max() - sizes.min() <= 1
        draws.append(passes[0])
    counts = np.bincount(draws, minlength=7)  # chi-square with 6 degrees of freedom, 0.1 % level
    assert ((counts - 300 / 7) ** 2 / (300 / 7)).sum() < 22.5


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("model:{}/none", {}, "no model: .*none has no config.json. Expected the directory"),
        ("model:{}", {"attribute": "loss"}, "unknown attribute: 'loss'. Expected one of surprisal"),
        ("model:{}", {"kind": "class"}, "a kind that the source does not have: kind=class"),
    ],
)
def test_model_wrongly_asked_for_is_refused(
    corpus: Path, model: Path, source: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as refused:
        tidemask.annotate(
            corpus, column="bad", source=source.format(model), progress=False, **settings
        )
    assert "\n" not in str(refused.value)
    assert not list((corpus / "columns").glob("*bad*"))


def test_model_of_another_vocabulary_is_refused(model: Path, tmp_path: Path) -> None:
    other = prepared(tmp_path, vocab_size=420, tokenizer_kind="bpe")
    with pytest.raises(UserError, match=r"model of another vocabulary: .* Prepare the corpus with"):
        tidemask.annotate(other, column="bad", source=f"model:{model}", progress=False)
