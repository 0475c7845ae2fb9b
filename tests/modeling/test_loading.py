"""Models that exist: what loads, in which type, and what is refused in one line."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertModel,
)

from tidemask.errors import UserError
from tidemask.modeling.loading import load_model, load_starting_weights
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.tasks.model_under_test import ModelUnderTest
from tiny_models import VOCAB, tiny


def _start(name: str | Path, dropout: float | None = None, seed: int = 0) -> Any:
    return load_starting_weights(str(name), dropout=dropout, seed=seed)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    tiny("bert").save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_loading_a_saved_model_gives_the_same_weights(directory: Path) -> None:
    expected = tiny("bert").state_dict()
    for again in (load_model(directory), _start(directory).model):
        assert all(torch.equal(w, expected[k]) for k, w in again.state_dict().items())


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_loading_gives_float32_whatever_was_saved(kind: torch.dtype, tmp_path: Path) -> None:
    tiny("modernbert").to(kind).save_pretrained(tmp_path)
    assert {w.dtype for w in load_file(tmp_path / "model.safetensors").values()} == {kind}
    for model in (load_model(tmp_path), _start(tmp_path).model):
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert model.config.dtype == torch.float32


def test_loading_an_encoder_names_what_is_new_and_draws_it_by_the_seed(tmp_path: Path) -> None:
    encoder = BertModel(tiny("bert").config)
    encoder.save_pretrained(tmp_path)
    before = torch.random.get_rng_state()
    first, second, other = (_start(tmp_path, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.absent
    assert all(name.startswith("cls.predictions.") for name in first.absent)
    name = "cls.predictions.transform.dense.weight"
    a, b, c = (s.model.state_dict()[name] for s in (first, second, other))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    words = first.model.bert.embeddings.word_embeddings.weight
    assert torch.equal(words, encoder.embeddings.word_embeddings.weight)


def test_loading_pickled_tensors_is_safe(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    torch.save(weights, directory / "pytorch_model.bin")
    loaded = _start(directory).model.state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in weights.items())


class _Code:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_loading_runs_no_code_of_a_pickle(directory: Path, tmp_path: Path) -> None:
    (directory / "model.safetensors").unlink()
    torch.save({"weight": _Code(tmp_path / "ran")}, directory / "pytorch_model.bin")
    with pytest.raises(UserError, match="a pickle with more than tensors"):
        _start(directory)
    assert not (tmp_path / "ran").exists()


def _changed(directory: Path, **fields: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _damage(directory: Path, kind: str) -> None:
    weights = directory / "model.safetensors"
    changes: dict[str, dict[str, Any]] = {
        "unknown": {"model_type": "zzz"},
        "remote code": {"model_type": "own", "auto_map": {"AutoConfig": "code.Config"}},
        "other shape": {"hidden_size": 64},
        "other architecture": {"model_type": "roberta"},
        "decoder": {"is_decoder": True},
        "no dtype": {"dtype": [None]},
    }
    if kind in changes:
        _changed(directory, **changes[kind])
    elif kind == "no weights":
        weights.unlink()
    elif kind == "damaged":
        weights.write_bytes(weights.read_bytes()[:2000])
    elif kind in ("inf", "nan"):
        tensors = load_file(weights)
        tensors["bert.encoder.layer.0.output.dense.bias"][3] = float(kind)
        save_file(tensors, weights, metadata={"format": "pt"})
    elif kind == "no json":
        (directory / "config.json").write_text("{")
    elif kind == "causal":
        AutoModelForCausalLM.from_config(
            AutoConfig.for_model("gpt2", vocab_size=VOCAB, n_embd=16, n_layer=1, n_head=2)
        ).save_pretrained(directory)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no weights", "no file named model.safetensors"),
        ("no dtype", "model not loadable: .*: list index out of range"),
        ("damaged", "Error while deserializing"),
        (
            "inf",
            r"not finite: .*: bert\.encoder\.layer\.0\.output\.dense\.bias has 1 of \d+",
        ),
        (
            "nan",
            r"not finite: .*: bert\.encoder\.layer\.0\.output\.dense\.bias has 1 of \d+",
        ),
        ("no json", "not a valid JSON"),
        ("unknown", "model type `zzz`"),
        ("remote code", "code of its own: .*config.json has an auto_map"),
        ("causal", "Unrecognized configuration class"),
        ("decoder", "not an encoder: .* is_decoder=true"),
        ("other shape", r"weights of another model: .* of shape \(.*32.*\), its .*64"),
        ("other architecture", r"no weights of this model: .* its configuration \(roberta\)"),
    ],
)
def test_loading_says_in_one_line_what_is_wrong(kind: str, message: str, directory: Path) -> None:
    _damage(directory, kind)
    with pytest.raises(UserError, match=message) as caught:
        _start(directory)
    assert str(directory) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["inf", "nan"])
def test_loading_refuses_weights_that_are_not_finite_to_measure_a_model(
    kind: str, directory: Path
) -> None:
    """As it is, and with another head; the architecture with random weights can be measured."""
    _damage(directory, kind)
    model = ModelUnderTest(directory=directory, tokenizer_directory=directory)
    with pytest.raises(UserError, match=r"not finite: .*layer\.0\.output\.dense\.bias has 1 of"):
        model.masked_lm()
    with pytest.raises(UserError, match=r"not finite: .*layer\.0\.output\.dense\.bias has 1 of"):
        model.with_head(AutoModelForSequenceClassification, seed=0, num_labels=2)
    replace(model, is_random=True).masked_lm()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "no such directory: model.warm_start=./nowhere"),
        ("/a/b/c", "no such directory"),
        ("~/nowhere", "no such directory"),
        ("a/b/c", "no such directory"),
        (
            "someone/nothing-of-this-name",
            "not loadable: model.warm_start=.*the hub cannot be reached",
        ),
        ("a b/c", "not loadable"),
    ],
)
def test_loading_says_that_there_is_no_such_model(name: str, message: str) -> None:
    """Without a network: names of the hub are looked up in the local cache only."""
    with pytest.raises(UserError, match=message) as caught:
        _start(name)
    assert len(str(caught.value).splitlines()) == 1


def test_loading_a_directory_that_is_no_model_is_refused(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model"):
        load_model(tmp_path / "nowhere")
    (directory / "model.safetensors").unlink()
    with pytest.raises(UserError, match="model not loadable"):
        load_model(directory)


def test_loading_tells_nothing_by_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No bars, no report of transformers; what is new is a note of the caller."""
    AutoModel.from_config(tiny("bert").config).save_pretrained(tmp_path)
    capfd.readouterr()
    SelectedPositionsLM(_start(tmp_path).model)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert", {"hidden_dropout_prob", "attention_probs_dropout_prob"}),
        ("distilbert", {"dropout", "attention_dropout"}),
        ("modernbert", {"attention_dropout", "embedding_dropout", "mlp_dropout"}),
    ],
)
def test_loading_sets_every_dropout_of_the_encoder(
    name: str, expected: set[str], tmp_path: Path
) -> None:
    tiny(name).save_pretrained(tmp_path)
    config = _start(tmp_path, dropout=0.25).model.config.to_dict()
    assert {key for key, value in config.items() if value == 0.25} == expected
    unset = _start(tmp_path).model.config.to_dict()
    assert not [key for key, value in unset.items() if value == 0.25]


def test_loading_sets_the_dropout_of_the_attention_alone(tmp_path: Path) -> None:
    tiny("bert", hidden_dropout_prob=0.5).save_pretrained(tmp_path)
    loaded = load_starting_weights(str(tmp_path), dropout=None, attention_dropout=0.25, seed=0)
    config = loaded.model.config
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.5, 0.25)


def test_loading_refuses_an_encoder_without_its_head(tmp_path: Path) -> None:
    tiny("bert").base_model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"no head for masked tokens.*cls\.predictions") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
