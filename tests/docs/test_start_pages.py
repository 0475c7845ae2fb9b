"""The pages that one starts with: what they show is run, in their order, on small text."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from places import ROOT
from prose import text
from tidemask import load_recipe
from tiny_models import tiny
from trained_tokenizer import train_tokenizer

Command = Callable[..., tuple[int, str, str]]
START, REFERENCE = ROOT / "docs/start", ROOT / "docs/reference"
QUICK = (
    "model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=2",
    "training.report_to=none", "evaluation.sequences=4", "evaluation.final_sequences=4",
    "evaluation.final_draws=1",
)  # fmt: skip


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def _run(page: Path, **names: Any) -> dict[str, Any]:
    """The Python of a page, block after block with the names of those before."""
    for block in _blocks(page, "python"):
        exec(compile(block, page.name, "exec"), names)
    return names


def _commands(page: Path) -> list[list[str]]:
    lines = "".join(_blocks(page, "sh")).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.slow
@pytest.mark.usefixtures("bare_pages")
def test_start_pages_from_text_to_a_comparison(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()
    Path("texts/all.txt").write_text(text(30), encoding="utf-8")
    (own_policy,) = _blocks(START / "your-own-policy.md", "yaml")
    Path("verbs-first.yaml").write_text(own_policy, encoding="utf-8")
    assert load_recipe("verbs-first.yaml").masking.ratio(1.0) == pytest.approx(0.1)
    demo, *looks = _commands(START / "five-minutes.md")
    assert demo[0] == "demo"  # which tests/cli runs; here is a corpus in its place
    lines = [
        ["prepare", "texts", "--out", "tidemask-demo/corpus"],
        *looks,
        *_commands(START / "your-own-text.md"),
        *_commands(START / "your-own-policy.md"),
    ]
    for words in lines:
        status, _, err = tidemask(*words, *(QUICK if words[0] == "pretrain" else ()))
        assert status == 0, err
    assert Path("report/index.html").is_file()
    assert Path("curves.png").is_file()

    found = _run(REFERENCE / "run-directory.md")
    assert found["curve"].keys() == {1, 2}
    _run(REFERENCE / "corpus-directory.md")
    (*_, embeddings) = _blocks(START / "your-own-program.md", "python")
    names: dict[str, Any] = {}
    exec(compile(embeddings, "your-own-program.md", "exec"), names)
    assert names["vectors"].shape == (2, 128)


@pytest.mark.slow
def test_start_pages_further_pre_training(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tiny encoder that was saved without its head, on the strings of three modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdlib_module_names", frozenset({"argparse", "heapq", "textwrap"}))
    page = START / "further-pre-training.md"
    _run(page)
    texts = [path.read_text(encoding="utf-8") for path in Path("library").iterdir()]
    assert len(texts) == 3
    tokenizer = train_tokenizer(texts, vocab_size=500).tokenizer
    tokenizer.save_pretrained("minilm")
    encoder = tiny("bert", vocab_size=len(tokenizer), max_position_embeddings=128).base_model
    encoder.save_pretrained("minilm")
    printed = {}
    for words in _commands(page):
        if words[0] == "pretrain":
            words = [word for word in words if not word.startswith("training.max_epochs=")]
            words += QUICK[1:]
        status, out, err = tidemask(*words)
        assert status == 0, err
        printed[words[0]] = out + err
    assert "start from random ones" in printed["pretrain"]
    assert re.search(r"mean of the six +\d+\.\d+ .* \d+\.\d+ ", printed["pretrain"])
    assert Path("runs/library/model/README.md").is_file()


@pytest.mark.slow
def test_start_pages_sentence_vectors_are_those_of_sentence_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentence_transformers")
    monkeypatch.chdir(tmp_path)
    tokenizer = train_tokenizer([text(10)], vocab_size=200).tokenizer
    tokenizer.save_pretrained("runs/decay/model")
    tiny("bert", vocab_size=len(tokenizer)).save_pretrained("runs/decay/model")
    names: dict[str, Any] = {}
    (*_, means) = _blocks(START / "your-own-program.md", "python")
    (embedder,) = _blocks(START / "your-own-program.md", "py")
    for block in (means, embedder):
        exec(compile(block, "your-own-program.md", "exec"), names)
    assert names["same_vectors"] == pytest.approx(names["vectors"].numpy(), abs=1e-5)


def test_start_pages_policy_as_a_function() -> None:
    names = _run(START / "your-own-policy.md")
    selected, ids = names["masked"].selected, names["batch"].input_ids
    of_numbers = selected[names["is_number"][ids]].float().mean()
    assert of_numbers > 2 * selected[~names["is_number"][ids]].float().mean()


@pytest.mark.slow
def test_start_pages_lines_for_a_loop_and_for_run_mlm(tmp_path: Path) -> None:
    """The second with the columns and the arguments that run_mlm.py has."""
    from transformers import TrainingArguments

    tokenizer = train_tokenizer([text(10)], vocab_size=200).tokenizer
    model = tiny("bert", vocab_size=256)
    first, second, _ = _blocks(START / "your-own-program.md", "python")
    rows = [
        {"input_ids": ids, "attention_mask": [1] * 12, "special_tokens_mask": [0] * 12}
        for ids in torch.randint(20, 200, (32, 12)).tolist()
    ]
    names: dict[str, Any] = {
        "tokenizer": tokenizer, "model": model,
        "rows": [{"input_ids": row["input_ids"]} for row in rows],
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
    }  # fmt: skip
    exec(compile(first, "your-own-program.md", "exec"), names)
    assert names["collator"].clock.steps_done == names["max_steps"]
    names |= {
        "train_dataset": rows, "eval_dataset": rows[:8],
        "training_args": TrainingArguments(
            str(tmp_path), max_steps=2, remove_unused_columns=False, report_to="none",
            gradient_accumulation_steps=2, eval_strategy="steps", eval_steps=1, use_cpu=True,
            disable_tqdm=True,
        ),
    }  # fmt: skip
    exec(compile(second, "your-own-program.md", "exec"), names)
    assert names["collator"].clock.steps_done == 2
    losses = [
        line["eval_loss"] for line in names["trainer"].state.log_history if "eval_loss" in line
    ]
    assert len(losses) == 2
