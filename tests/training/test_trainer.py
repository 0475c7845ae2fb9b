"""The trainer: accumulation, class losses, empty steps, and the ratio it realises."""

from __future__ import annotations

import dataclasses
import itertools
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

import tidemask
from cases import one_in
from small_runs import records, started, trained, trainer_of
from tidemask.errors import UserError
from tidemask.masking.ratio_bandit import Bandit
from tidemask.masking.weighting import ByTable
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import load_recipe, recipe_names
from tidemask.runs.train import train
from tidemask.training.trainer import MaskedLMTrainer


class _Gradients(TrainerCallback):
    """Keeps the gradients of every step, before the optimizer clips or uses them."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.steps.append(
            {n: p.grad.clone() for n, p in kwargs["model"].named_parameters() if p.grad is not None}
        )


def _observed(
    corpus: Path, out: Path, recipe: str, *settings: str
) -> tuple[RunDirectory, _Gradients]:
    run = started(
        corpus,
        out,
        recipe,
        "model.dropout=0.0",
        "training.max_steps=4",
        "training.max_grad_norm=0",
        "training.logging_steps=1",
        *settings,
    )
    trainer = trainer_of(run)
    gradients = _Gradients()
    trainer.add_callback(gradients)
    trainer.train_from(None)
    return run, gradients


SHORT_MEMORY = "masking.content.horizon_steps=1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("ptw-mrd", [SHORT_MEMORY]),
        ("wsbert-loss", [SHORT_MEMORY]),
        ("ptw-unbiased", [SHORT_MEMORY]),
        ("masked-diffusion", []),
        ("ankner-subset", []),
    ],
)
def test_trainer_accumulation_gives_the_same_losses_and_gradients(
    recipe: str, settings: list[str], corpus: Path, tmp_path: Path
) -> None:
    whole, whole_gradients = _observed(
        corpus, tmp_path / "whole", recipe, "training.micro_batch_size=32", *settings
    )
    parts, parts_gradients = _observed(
        corpus,
        tmp_path / "parts",
        recipe,
        "training.micro_batch_size=8",
        "training.gradient_accumulation_steps=4",
        *settings,
    )
    for a, b in zip(whole_gradients.steps, parts_gradients.steps, strict=True):
        scale = max(float(g.abs().max()) for g in a.values())
        for name in a:
            torch.testing.assert_close(b[name], a[name], rtol=1e-4, atol=1e-5 * scale, msg=name)
    for a, b in zip(records(whole), records(parts), strict=True):
        assert b == pytest.approx(a, rel=1e-5, nan_ok=True)
        assert a["masking/realised_ratio"] == b["masking/realised_ratio"]


def test_trainer_loss_is_the_mean_over_selected_positions(corpus: Path, tmp_path: Path) -> None:
    """The first logged loss equals the full model's own loss on the same masked batch."""
    run = started(
        corpus, tmp_path / "run", "bert", "training.max_steps=1", "model.dropout=0.0",
        "training.gradient_accumulation_steps=2",
    )  # fmt: skip
    trainer = trainer_of(run)
    model = trainer.model.language_model
    trainer.state.global_step = 0
    inputs, normaliser = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), 2, "cpu")
    total = 0.0
    for micro_batch in inputs:
        labels = torch.full_like(micro_batch["input_ids"], -100).flatten()
        filled = len(micro_batch["classes"])
        labels[micro_batch["positions"][:filled]] = micro_batch["targets"][:filled]
        with torch.no_grad():
            output = model.eval()(
                input_ids=micro_batch["input_ids"], labels=labels.view_as(micro_batch["input_ids"])
            )
        total += float(output.loss) * len(micro_batch["classes"])
    assert float(normaliser) == sum(len(micro_batch["classes"]) for micro_batch in inputs)
    trainer.train_from(None)
    assert records(run)[0]["loss"] == pytest.approx(total / float(normaliser), rel=1e-5)


def with_columns(corpus: Path, recipe: str, root: Path) -> Path:
    """The corpus, or where a recipe reads columns a copy with them, made from lists of words."""
    masking = load_recipe(recipe).masking
    if not masking.columns:
        return corpus
    shutil.copytree(corpus, root / "corpus")
    words = root / "words.txt"
    tables = [content for content in masking.contents if isinstance(content, ByTable)]
    for name, kind in masking.columns.items():
        named = sorted({one for table in tables if table.classes == name for one in table.weights})
        labels = [*named, "3", "1", "2"][: max(3, len(named))]
        phrases = itertools.cycle(["the river", "the", "a"])
        lines = (f"{phrase}\t{label}\n" for label, phrase in zip(labels, phrases, strict=False))
        words.write_text("".join(lines), encoding="utf-8")
        tidemask.annotate(
            root / "corpus", column=name, source=f"list:{words}", kind=kind, workers=1,
            progress=False,
        )  # fmt: skip
    return root / "corpus"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", one_in(7, recipe_names()))
def test_trainer_every_recipe_trains_two_steps(recipe: str, corpus: Path, tmp_path: Path) -> None:
    run = started(
        with_columns(corpus, recipe, tmp_path),
        tmp_path / "run",
        recipe,
        "training.max_steps=2",
        "training.logging_steps=1",
    )
    trainer_of(run).train_from(None)
    lines = records(run)
    assert [line["step"] for line in lines] == [1, 2]
    assert all(math.isfinite(line["loss"]) for line in lines)
    ratio, chosen = load_recipe(recipe).masking.ratio, [line["masking/ratio"] for line in lines]
    if isinstance(ratio, Bandit):
        assert set(chosen) <= set(ratio.ratios)
    else:
        assert chosen == pytest.approx([ratio(0.0), ratio(0.5)])
    assert (run.checkpoint(2) / "model.safetensors").is_file()


@pytest.mark.slow
def test_trainer_empty_step_has_loss_zero_and_leaves_class_losses(
    corpus: Path, tmp_path: Path
) -> None:
    run = trained(
        corpus, tmp_path / "run", "rising", "training.max_steps=3", "training.logging_steps=1"
    )
    first, second, _ = records(run)
    assert first["masking/ratio"] == 0.0
    assert first["loss"] == 0.0
    assert first["predicted_tokens"] == 0
    assert math.isnan(first["class_loss/NOUN"])
    assert second["class_loss/NOUN"] > 0.0


@pytest.mark.slow
def test_trainer_realises_the_ratio_of_the_schedule(corpus: Path, tmp_path: Path) -> None:
    """Mean deviation within four standard deviations of independent draws at 25 tokens a row."""
    steps, rows = 50, 64
    run = trained(
        corpus, tmp_path / "run", "mrd-linear", f"training.max_steps={steps}",
        f"training.micro_batch_size={rows}", "training.logging_steps=1",
        "evaluation.every_steps=50",
    )  # fmt: skip
    lines = records(run)
    ratios = [line["masking/ratio"] for line in lines]
    assert ratios == pytest.approx([0.3 * (1 - t / steps) for t in range(steps)])
    deviation = [line["masking/realised_ratio"] - r for line, r in zip(lines, ratios, strict=True)]
    bound = 4 * math.sqrt(sum(r * (1 - r) for r in ratios) / (25 * rows)) / steps
    assert bound < 0.005
    assert abs(sum(deviation) / steps) < bound


def test_trainer_names_a_loss_that_is_not_finite(corpus: Path, tmp_path: Path) -> None:
    run = started(corpus, tmp_path / "run", "bert")
    trainer = trainer_of(run)
    next(trainer.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(
        UserError,
        match=r"training loss is not finite: nan in step 1, samples 0, .* no checkpoint .* the run "
        r"began with \(those of model.warm_start",
    ):
        trainer.train_from(None)


@pytest.mark.slow
def test_trainer_shows_every_step_to_its_observer(corpus: Path, tmp_path: Path) -> None:
    run = started(corpus, tmp_path / "run", "bert")
    seen: list[int] = []
    train(
        run,
        RunCallbacks(
            on_progress=lambda stage, done, _: seen.append(done) if stage == "training" else None
        ),
    )
    assert seen == list(range(1, 9))


def test_trainer_refuses_a_masker_of_another_plan(corpus: Path, tmp_path: Path) -> None:
    made = trainer_of(started(corpus, tmp_path / "run", "bert"))
    parts: Any = {
        "masker": made.accounting.masker, "dataset": made.dataset, "run": RunDirectory(tmp_path),
        "tokenizer": made.processing_class,
    }  # fmt: skip
    longer = dataclasses.replace(made.settings, max_steps=9)
    with pytest.raises(ValueError, match=r"max_steps 8 of the masker\. Expected 9"):
        MaskedLMTrainer(made.model, longer, **parts)
    for name, value in (("masker", None), ("dataset", []), ("run", str(tmp_path))):
        with pytest.raises(ValueError, match=rf"{name}=.* Expected a [A-Z]"):
            MaskedLMTrainer(made.model, made.settings, **{**parts, name: value})
