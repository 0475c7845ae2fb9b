"""Weights saved from within torch.compile or DistributedDataParallel, and embeddings too small."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from cases import one_in
from small_tasks import QUICK, rows, text_task, tiny_model_under_test, write_rows
from tidemask.errors import UserError
from tidemask.evaluation.evaluate import evaluate
from tidemask.modeling.loading import load_model, load_starting_weights
from tidemask.modeling.wrapped_weights import how_to_resize
from tidemask.progress import ignore
from tidemask.tasks.model_under_test import ModelUnderTest
from tiny_models import ARCHITECTURES, VOCAB, tiny

WRAPPERS: dict[str, Callable[[str], str]] = {
    "_orig_mod.": lambda name: f"_orig_mod.{name}",
    "module.": lambda name: f"module.{name}",
    "module._orig_mod.": lambda name: f"module._orig_mod.{name}",
    "its encoder alone": lambda name: name.replace("bert.", "bert._orig_mod.", 1),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ModelUnderTest:
    return tiny_model_under_test(tmp_path_factory.mktemp("plain"))


def _wrapped(plain: ModelUnderTest, out: Path, rename: Callable[[str], str]) -> Path:
    shutil.copytree(plain.directory, out)
    weights = load_file(out / "model.safetensors")
    renamed = {rename(name): weight for name, weight in weights.items()}
    save_file(renamed, out / "model.safetensors", metadata={"format": "pt"})
    return out


def _same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrapped_weights_are_the_weights_of_the_model_and_said_so(
    wrapper: str, plain: ModelUnderTest, tmp_path: Path
) -> None:
    directory = _wrapped(plain, tmp_path / "wrapped", WRAPPERS[wrapper])
    notes: list[str] = []
    expected = load_model(plain.directory, notes.append)
    assert notes == []
    assert _same(load_model(directory, notes.append), expected)
    (note,) = notes
    assert f"{directory} was saved from within a wrapper" in note
    assert (wrapper if wrapper in note else "_orig_mod.") in note
    start = load_starting_weights(str(directory), dropout=None, seed=3)
    assert _same(start.model, expected)
    assert start.note == note
    assert start.absent == ()


@pytest.mark.slow
def test_wrapped_weights_are_fine_tuned_from_as_the_plain_ones(
    plain: ModelUnderTest, tmp_path: Path
) -> None:
    """New weights of the head are the same, too; and the scores of a task, which name it once."""
    directory = _wrapped(plain, tmp_path / "wrapped", WRAPPERS["_orig_mod."])
    wrapped = ModelUnderTest(directory=directory, tokenizer_directory=directory)
    heads = [
        model.with_head(AutoModelForSequenceClassification, seed=5) for model in (plain, wrapped)
    ]
    assert _same(*heads)
    task = text_task(write_rows(tmp_path / "data", train=rows(16), dev=rows(8)))
    scores = [
        task.trial(model, seed=0, learning_rate=1e-3, on_progress=ignore).metrics
        for model in (plain, wrapped)
    ]
    assert scores[0] == scores[1]
    assert len(wrapped.notes) == 1


@pytest.mark.slow
def test_wrapped_weights_are_named_by_score_fill_and_evaluate(
    tidemask: Callable[..., tuple[int, str, str]], plain: ModelUnderTest, tmp_path: Path
) -> None:
    directory = _wrapped(plain, tmp_path / "wrapped", WRAPPERS["module."])
    for command in ("score", "fill"):
        expected = tidemask(command, plain.directory, "The [MASK] sleeps.")
        status, out, err = tidemask(command, directory, "The [MASK] sleeps.")
        assert (status, out) == (0, expected[1])
        assert "module. is left out of the names of" in err
        assert "wrapper" not in expected[2]
    (tmp_path / "pairs.tsv").write_text("The river sleeps.\tThe sleeps river.\n")
    (job,) = evaluate(
        directory, tasks="pairs", task_data={"pairs": tmp_path / "pairs.tsv"}, with_random=False,
        overrides=[f"fine_tuning.epochs={QUICK.epochs}"], progress=False,
    )  # fmt: skip
    assert any("wrapper" in note for note in job.results[0].notes)


def test_tokenizer_with_more_ids_than_embeddings_is_told_what_works(tmp_path: Path) -> None:
    model = tiny_model_under_test(tmp_path)
    tokenizer = model.tokenizer
    tokenizer.add_tokens(["graft", "thorax"])
    tokenizer.save_pretrained(tmp_path)
    model = ModelUnderTest(directory=tmp_path, tokenizer_directory=tmp_path)
    with pytest.raises(UserError, match="resize_token_embeddings") as caught:
        _ = model.tokenizer
    instruction = str(caught.value).partition("in Python: ")[2].removesuffix(".")
    exec(instruction, {"AutoModelForMaskedLM": AutoModelForMaskedLM})
    model = ModelUnderTest(directory=tmp_path, tokenizer_directory=tmp_path)
    assert "graft" in model.tokenizer.get_vocab()
    assert model.masked_lm().config.vocab_size == len(model.tokenizer)


@pytest.mark.parametrize("name", one_in(4, ARCHITECTURES))
def test_advice_for_too_few_embeddings_works_where_it_is_given(name: str, tmp_path: Path) -> None:
    tiny(name).save_pretrained(tmp_path)
    advice = how_to_resize(tmp_path, VOCAB + 2, load_model(tmp_path))
    if name in ("deberta-v3", "deberta-new-head"):
        assert "transformers cannot give further rows to this kind of deberta" in advice
        assert "in Python" not in advice
        return
    instruction = advice.partition("in Python: ")[2].removesuffix(".")
    exec(instruction, {"AutoModelForMaskedLM": AutoModelForMaskedLM})
    model = load_model(tmp_path)
    assert len(model.get_input_embeddings().weight) == VOCAB + 2
    assert model(input_ids=torch.full((1, 4), VOCAB + 1)).logits.shape == (1, 4, VOCAB + 2)


@pytest.mark.parametrize("size", [-1, 0])
def test_sizes_below_one_are_named(size: int, plain: ModelUnderTest, tmp_path: Path) -> None:
    """With heads of -1 the model is built, and fails at the first text."""
    shutil.copytree(plain.directory, tmp_path / "model")
    file = tmp_path / "model/config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "num_attention_heads": size}))
    model = ModelUnderTest(directory=file.parent, tokenizer_directory=file.parent)
    expected = rf"{file.parent}: num_attention_heads={size}\. Expected at least 1"
    for load in (
        model.masked_lm,
        lambda: model.with_head(AutoModelForTokenClassification, seed=0),
        lambda: load_starting_weights(str(file.parent), dropout=None, seed=0),
    ):
        with pytest.raises(UserError, match=expected):
            load()


def test_weights_of_other_shapes_are_named(plain: ModelUnderTest, tmp_path: Path) -> None:
    shutil.copytree(plain.directory, tmp_path / "model")
    file = tmp_path / "model/config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "vocab_size": config["vocab_size"] + 2}))
    model = ModelUnderTest(directory=file.parent, tokenizer_directory=file.parent)
    expected = rf"weights of another model: {file.parent} holds .* its configuration gives"
    for load in (model.masked_lm, lambda: model.with_head(AutoModelForTokenClassification, seed=0)):
        with pytest.raises(UserError, match=expected):
            load()
