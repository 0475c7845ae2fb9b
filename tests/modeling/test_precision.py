"""Precision: what `auto` means, what emulation costs, and where TF32 is allowed."""

from __future__ import annotations

import json
import platform
import re
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from small_runs import started
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.evaluation.evaluate import evaluate
from tidemask.modeling import precision
from tidemask.modeling.precision import (
    bf16_slowdown,
    emulation_note,
    fails_in_bf16,
    has_bf16,
    resolved_precision,
    tf32_products,
)
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import load_recipe, read_run_config
from tidemask.runs.creation import new_or_same_run
from tidemask.runs.train import train
from tidemask.tasks.held_out.loss import evaluation_mode
from tiny_models import ARCHITECTURES, VOCAB, tiny


@pytest.fixture(params=[True, False], ids=["with bf16", "without bf16"])
def able(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the hardware is said to multiply in bfloat16."""
    set_hardware(monkeypatch, bf16=request.param)
    return bool(request.param)


def set_hardware(monkeypatch: pytest.MonkeyPatch, *, bf16: bool) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda _: bf16)


def test_precision_auto_is_bf16_where_the_hardware_has_it(able: bool) -> None:
    assert resolved_precision("auto", "cpu", "bert") == ("bf16" if able else "float32")
    assert resolved_precision("auto", "cpu", "deberta") == "float32"
    assert resolved_precision("float32", "cpu", "bert") == "float32"
    assert resolved_precision("bf16", "cpu", "bert") == "bf16"


_BIG_BIRD = {
    "vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 64, "block_size": 4, "num_random_blocks": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "length"),
    [
        *((name, {}, 64) for name in ARCHITECTURES),
        ("big_bird", _BIG_BIRD, 64),
        ("big_bird", _BIG_BIRD, 28),  # 5 + 2 blocks of 4: as many have full attention
        ("big_bird", {**_BIG_BIRD, "attention_type": "original_full"}, 64),
    ],
)
def test_precision_bf16_is_refused_where_the_architecture_fails_in_it(
    name: str, changes: dict[str, Any], length: int
) -> None:
    """If one of the list ran in bf16 after all, it would have to go from it."""
    model = tiny(name, **changes)
    fails = fails_in_bf16(model.config, length)
    assert not fails or resolved_precision("auto", "cpu", model.config.model_type) == "float32"
    refusal = pytest.raises(RuntimeError) if fails else nullcontext()
    with torch.autocast("cpu", torch.bfloat16), refusal:
        model(input_ids=torch.full((1, length), 7)).logits.sum().backward()


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").exists() or platform.machine() != "x86_64", reason="not x86 Linux"
)
def test_precision_of_this_cpu_is_what_the_kernel_says() -> None:
    flags = re.search(r"^flags\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    assert flags is not None
    assert has_bf16("cpu") == bool({"avx512_bf16", "amx_tile"} & set(flags[1].split()))


def test_precision_of_another_processor_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    for slowdown, expected in ((0.5, True), (1.0, False), (11.0, False)):
        monkeypatch.setattr(precision, "bf16_slowdown", lambda _, s=slowdown: s)
        assert has_bf16.__wrapped__("cpu") is expected


def test_precision_emulation_is_named_with_its_factor(able: bool) -> None:
    assert emulation_note("training.precision", "float32", "cpu") is None
    note = emulation_note("training.precision", "bf16", "cpu")
    factor = f"takes about {float(format(bf16_slowdown('cpu'), '.2g')):g} times as long"
    assert (note is None) is able
    assert note is None or (factor in note and "training.precision=auto" in note)


@pytest.mark.slow
def test_precision_is_in_the_run_and_in_its_notes(able: bool, corpus: Path, tmp_path: Path) -> None:
    run = started(
        corpus, tmp_path / "run", "bert", "training.precision=auto", "training.max_steps=1"
    )
    assert read_run_config(run.config).training.precision == ("bf16" if able else "float32")
    asked = started(
        corpus, tmp_path / "asked", "bert", "training.precision=bf16", "training.max_steps=1"
    )
    notes: list[str] = []
    train(asked, RunCallbacks(on_note=notes.append))
    assert any("training.precision=bf16 is emulated" in note for note in notes) is not able


def test_precision_of_a_run_stays_on_other_hardware(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` is decided once; asking for another precision than the run's is refused."""
    recipe = load_recipe("bert", ["training.max_steps=2", "training.micro_batch_size=8"])
    set_hardware(monkeypatch, bf16=True)
    assert not new_or_same_run(recipe, corpus, tmp_path / "run")
    set_hardware(monkeypatch, bf16=False)
    assert not new_or_same_run(recipe, corpus, tmp_path / "run")
    assert read_run_config(tmp_path / "run" / "run.yaml").training.precision == "bf16"
    other = load_recipe("bert", [*recipe.overrides, "training.precision=float32"])
    with pytest.raises(UserError, match=r"training\.precision=float32 against bf16"):
        new_or_same_run(other, corpus, tmp_path / "run")


@pytest.mark.parametrize(("name", "is_able"), [("bert", True), ("deberta", False)])
def test_precision_that_results_name_is_the_one_their_model_ran_in(
    name: str,
    is_able: bool,
    able: bool,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran_in: list[str] = []
    autocast = torch.autocast

    def watched(device: str, dtype: torch.dtype, *, enabled: bool) -> torch.autocast:
        ran_in.append("bf16" if enabled else "float32")
        return autocast(device, dtype, enabled=enabled)

    monkeypatch.setattr(torch, "autocast", watched)
    tokenizer = load_tokenizer(corpus / "tokenizer")
    tokenizer.tokenizer.save_pretrained(tmp_path / name)
    tiny(name, vocab_size=tokenizer.vocab_size).save_pretrained(tmp_path / name)
    (tmp_path / "pairs.csv").write_text("river the,the river\n")
    evaluate(
        tmp_path / name, tasks="pairs", task_data={"pairs": tmp_path / "pairs.csv"},
        out=tmp_path / "out", with_random=False, progress=False,
    )  # fmt: skip
    [result] = (tmp_path / "out").rglob("pairs*.json")
    expected = "bf16" if able and is_able else "float32"
    assert json.loads(result.read_text())["settings"]["settings"]["precision"] == expected
    assert set(ran_in) == {expected}


def test_precision_cut_cross_entropy_needs_bf16(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_hardware(monkeypatch, bf16=False)
    with pytest.raises(UserError, match=r"cut_cross_entropy with precision=float32"):
        started(
            corpus, tmp_path / "run", "bert", "training.precision=auto",
            "training.head=cut_cross_entropy",
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


def _products() -> str:
    return str(torch.backends.cuda.matmul.fp32_precision)


def test_precision_tf32_is_restored() -> None:
    before = _products(), torch.get_float32_matmul_precision()
    with tf32_products(True):
        assert _products() == "tf32"
        with suppress(ZeroDivisionError), tf32_products(False):
            assert _products() == "ieee"
            raise ZeroDivisionError
        assert _products() == "tf32"
    assert (_products(), torch.get_float32_matmul_precision()) == before


@pytest.mark.slow
def test_precision_trains_in_tf32_and_measures_in_float32(corpus: Path, tmp_path: Path) -> None:
    found: list[str] = []
    run = started(corpus, tmp_path / "run", "bert", "training.max_steps=1")
    train(run, RunCallbacks(on_progress=lambda stage, *_: found.append(f"{stage} {_products()}")))
    assert "training tf32" in found
    assert _products() != "tf32"
    with tf32_products(True), evaluation_mode(SelectedPositionsLM(tiny("bert"))):
        assert _products() == "ieee"
