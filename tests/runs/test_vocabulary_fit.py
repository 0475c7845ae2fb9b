"""Warm starts on a corpus of an extended tokenizer, or of another one altogether."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from prose import text
from small_runs import same_weights, started, stopped_at, trained
from tidemask.corpus.prepare import prepare
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.evaluation.evaluate import evaluate
from tidemask.evaluation.held_out_tasks import HeldOutText
from tidemask.modeling.settings import ModelSettings
from tidemask.runs.config import read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.initial_model import load_initial_model
from tidemask.runs.model_fit import training_module
from tidemask.runs.started_on import inputs_of
from tidemask.runs.train import train
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.zero_shot.pseudo_perplexity import (
    PSEUDO_PERPLEXITY,
    pseudo_perplexity_metrics,
)
from tiny_models import tiny


@pytest.fixture(scope="module")
def start(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the tokenizer of the small corpus, and rows beyond it."""
    place = tmp_path_factory.mktemp("start") / "model"
    tokenizer = load_tokenizer(corpus / "tokenizer").tokenizer
    vocab_size = open_corpus(corpus).manifest.vocab_size + 8
    tiny("bert", vocab_size=vocab_size, pad_token_id=0).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def prepared(directory: Path, **settings: Any) -> Path:
    (directory / "text.txt").write_text(text(30, seed=5), encoding="utf-8")
    chosen = {"sequence_length": 32, "held_out": 0.2, "tagger": "none", "workers": 1, **settings}
    prepare(directory / "text.txt", out=directory / "corpus", progress=False, **chosen)
    return directory / "corpus"


@pytest.fixture(scope="module")
def extended_corpus(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("extended"), tokenizer=start, extend_vocabulary=20)


def initial(start: Path, corpus: Path, **settings: Any) -> Any:
    chosen = ModelSettings(warm_start=str(start), **settings)
    return load_initial_model(chosen, CorpusInputs.of(open_corpus(corpus)), seed=0)


def test_vocabulary_of_an_extended_corpus_is_given_to_the_model(
    start: Path, extended_corpus: Path
) -> None:
    found = initial(start, extended_corpus)
    size = open_corpus(extended_corpus).manifest.vocab_size
    before = AutoModelForMaskedLM.from_pretrained(start)
    weight, old = (m.get_input_embeddings().weight for m in (found.model, before))
    num_old = len(AutoTokenizer.from_pretrained(start))
    assert torch.equal(weight[:num_old], old[:num_old])
    assert len(weight) == max(size, len(old))
    [note] = found.notes
    assert f"that of {start} with more entries: of {size:,} entries {num_old:,} (" in note
    assert f"{size - num_old:,} the mean of their pieces and 0 the mean of all." in note
    tokenizer = AutoTokenizer.from_pretrained(start)
    entry = load_tokenizer(extended_corpus / "tokenizer").tokenizer.convert_ids_to_tokens(size - 1)
    pieces = tokenizer(entry, add_special_tokens=False)["input_ids"]
    torch.testing.assert_close(weight[size - 1], old[pieces].mean(0))
    of_all = initial(start, extended_corpus, new_embeddings="mean")
    mean = old[:num_old].mean(0)
    torch.testing.assert_close(of_all.model.get_input_embeddings().weight[size - 1], mean)
    assert of_all.fingerprint == found.fingerprint


@pytest.mark.slow
def test_vocabulary_of_another_tokenizer_needs_a_source(start: Path, tmp_path: Path) -> None:
    other = prepared(tmp_path, vocab_size=400, tokenizer_kind="bpe")
    with pytest.raises(UserError) as caught:
        initial(start, other)
    assert "have different tokenizers" in str(caught.value)
    assert "model.new_embeddings=pieces" in str(caught.value)
    found = initial(start, other, new_embeddings="pieces")
    own = AutoTokenizer.from_pretrained(start)
    new = load_tokenizer(other / "tokenizer").tokenizer
    weight = found.model.get_input_embeddings().weight
    old = AutoModelForMaskedLM.from_pretrained(start).get_input_embeddings().weight
    assert len(weight) == len(new)
    for entry, before in (("Ġriver", "river"), ("<mask>", "[MASK]"), (".", ".")):
        ids = new.convert_tokens_to_ids(entry), own.convert_tokens_to_ids(before)
        assert torch.equal(weight[ids[0]], old[ids[1]])
    assert found.model.config.pad_token_id == new.pad_token_id
    assert f"is not that of {start}: of" in found.notes[0]


def test_new_embeddings_need_a_warm_start() -> None:
    with pytest.raises(ValueError, match="new_embeddings=mean without warm_start"):
        ModelSettings(new_embeddings="mean")


def test_random_weights_with_fewer_rows_than_ids_are_refused(corpus: Path, tmp_path: Path) -> None:
    """Their ids are looked up in no row; the fingerprint of the tokenizer alone fits."""
    tokenizer = load_tokenizer(corpus / "tokenizer").tokenizer
    tiny("bert", vocab_size=len(tokenizer) - 1, pad_token_id=0).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    text_of_corpus = HeldOutText(corpus=corpus, model=ModelSettings())
    model = ModelUnderTest(directory=tmp_path, tokenizer_directory=tmp_path, is_random=True)
    size = len(tokenizer)
    with pytest.raises(UserError, match=f"has {size} ids, {tmp_path} has vocab_size={size - 1}"):
        text_of_corpus.notes_on(model)


@pytest.mark.slow
def test_vocabulary_of_a_run_that_is_resumed_and_measured(
    start: Path, extended_corpus: Path, tmp_path: Path
) -> None:
    settings = [
        "model.size=null", "model.dropout=null", f"model.warm_start={start}",
        "training.max_steps=3", "training.save_steps=2",
    ]  # fmt: skip
    whole = trained(extended_corpus, tmp_path / "whole", "bert", *settings)
    stopped = stopped_at(whole, 2, tmp_path / "stopped")
    train(stopped)
    assert same_weights(whole, stopped)
    model = AutoModelForMaskedLM.from_pretrained(whole.model)
    size = open_corpus(extended_corpus).manifest.vocab_size
    assert model.get_input_embeddings().weight.shape[0] >= size
    assert len(AutoTokenizer.from_pretrained(whole.model)) == size
    config = read_run_config(whole.config)
    data = inputs_of(config)
    began = training_module(
        load_initial_model(config.model, data, seed=0).model, config.model, data
    )
    expected = pseudo_perplexity_metrics(began, data.held_out_set(), data.vocabulary.mask_id)
    found = evaluate(whole.root, tasks=["held-out", PSEUDO_PERPLEXITY], checkpoints="start",
                     progress=False)  # fmt: skip
    assert not any(one.problem for one in found)
    assert found[1].results[0].metrics == pytest.approx(expected)
    assert any("with more entries" in note for note in found[1].results[0].notes)
    moved = tmp_path / "moved"
    again = started(extended_corpus, tmp_path / "again", "bert", *settings)
    shutil.move(start, moved)
    try:
        with pytest.raises(UserError, match="no such directory"):
            train(again)
    finally:
        shutil.move(moved, start)
