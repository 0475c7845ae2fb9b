"""Training by a statistic of classes: what is logged, resumed and added up, and who may read it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cases import one_in
from small_runs import records, same_weights, started, stopped_at, trained, trainer_of
from tidemask import preview
from tidemask.errors import UserError
from tidemask.runs.config import load_recipe
from tidemask.runs.train import train
from tidemask.training.checkpoint_state import STATE_FILE
from tidemask.training.step_sums import StepSums

BY_CLASS = (
    "masking.content.horizon_steps=4", "masking.content.fast_horizon_steps=2",
    "training.logging_steps=1", "training.max_steps=6",
)  # fmt: skip
STATISTICS = ("accuracy", "inverted_loss", "learnability", "progress")
HORIZON = 4


def _settings(statistic: str, *others: str) -> tuple[str, ...]:
    return (*BY_CLASS, f"masking.content.statistic={statistic}", *others)


class _Tokens:
    """Keeps what each micro-batch adds to the sums of its step."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.added: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []
        add = StepSums.add_losses

        def keep(sums: StepSums, loss: Any, token_loss: Any, classes: Any, *others: Any) -> None:
            choice = others[1].numpy() if len(others) > 1 else None
            self.added.append((token_loss.double().numpy(), classes.numpy(), choice))
            add(sums, loss, token_loss, classes, *others)

        patch.setattr(StepSums, "add_losses", keep)

    def mean_of(self, k: int, value: Any) -> float:
        """Decayed mean over the tokens of a class, two micro-batches a step."""
        total = weight = 0.0
        steps = [self.added[i : i + 2] for i in range(0, len(self.added), 2)]
        for age, parts in enumerate(reversed(steps)):
            for loss, classes, choice in parts:
                ours = value(loss, choice)[classes == k]
                total += (1 - 1 / HORIZON) ** age * ours.sum()
                weight += (1 - 1 / HORIZON) ** age * len(ours)
        return total / weight if weight else math.nan


VALUES = {
    "accuracy": lambda loss, choice: choice.astype(float),
    "learnability": lambda loss, choice: np.exp(-loss) * (1 - np.exp(-loss)),
    "loss": lambda loss, choice: loss,
}


@pytest.mark.parametrize("statistic", one_in(3, VALUES))
def test_class_statistic_logged_is_that_of_the_losses_of_all_steps(
    statistic: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = _Tokens(monkeypatch)
    settings = _settings(statistic, "training.gradient_accumulation_steps=2")
    run = started(corpus, tmp_path / "run", "learnability", *settings)
    trainer = trainer_of(run)
    trainer.train_from(None)
    last = records(run)[-1]
    names = trainer.accounting.masker.class_names
    logged = [last[f"class_statistic/{name}"] for name in names]
    expected = [tokens.mean_of(k, VALUES[statistic]) for k in range(len(names))]
    np.testing.assert_allclose(logged, expected, rtol=1e-9)
    assert all(0 < last[f"class_weight/{name}"] < 2 for name in names)


def test_class_statistic_accuracy_is_that_of_the_models_own_logits(
    corpus: Path, tmp_path: Path
) -> None:
    """One step, whose counts of right first choices are taken from the full head's argmax."""
    settings = _settings("accuracy", "training.max_steps=1", "model.dropout=0.0")
    run = started(corpus, tmp_path / "run", "learnability", *settings)
    trainer = trainer_of(run)
    trainer.state.global_step = 0
    (inputs,), _ = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), 1, "cpu")
    kept = len(inputs["classes"])
    with torch.no_grad():
        logits = trainer.model.language_model(input_ids=inputs["input_ids"]).logits.flatten(0, 1)
    right = logits[inputs["positions"][:kept]].argmax(1) == inputs["targets"][:kept]
    trainer.train_from(None)
    last = records(run)[-1]
    for k, name in enumerate(trainer.accounting.masker.class_names):
        ours = right[inputs["classes"] == k]
        expected = float(ours.double().mean()) if len(ours) else math.nan
        assert last[f"class_statistic/{name}"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.slow
def test_class_statistic_loss_through_the_sigmoid_is_ptw_to_the_last_bit(
    corpus: Path, tmp_path: Path
) -> None:
    by_loss = trained(corpus, tmp_path / "ptw", "ptw", "masking.content.horizon_steps=2")
    statistic = trained(
        corpus, tmp_path / "own", "learnability", "masking.content.statistic=loss",
        "masking.content.horizon_steps=2",
    )  # fmt: skip
    assert same_weights(by_loss, statistic)
    for one, other in zip(records(by_loss), records(statistic), strict=True):
        if one["step"]:
            assert one["class_loss/NOUN"] == other["class_statistic/NOUN"]
            assert 2 * one["class_weight/NOUN"] == other["class_weight/NOUN"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statistic", "classes"), [("accuracy", "upos"), ("progress", "vocabulary")]
)
def test_class_statistic_resumed_run_equals_the_unbroken_one(
    statistic: str, classes: str, corpus: Path, tmp_path: Path
) -> None:
    """The break at step 4 lies within the three steps for which weights are held."""
    whole = trained(
        corpus, tmp_path / "whole", "learnability",
        *_settings(statistic, "training.save_steps=4", "training.max_steps=8",
                   "masking.content.update_every_steps=3", "masking.content.horizon_steps=2",
                   "masking.content.fast_horizon_steps=1", f"masking.content.classes={classes}"),
    )  # fmt: skip
    broken = stopped_at(whole, 4, tmp_path / "broken")
    assert train(broken).step == 4
    assert same_weights(broken, whole)
    assert repr(records(broken)) == repr(records(whole))


@pytest.mark.slow
@pytest.mark.parametrize("statistic", STATISTICS)
def test_class_statistic_of_micro_batches_is_that_of_the_whole_batch(
    statistic: str, corpus: Path, tmp_path: Path
) -> None:
    exact = _settings(statistic, "model.dropout=0.0", "masking.content.update_every_steps=2")
    whole = trained(corpus, tmp_path / "whole", "learnability", *exact)
    parts = trained(
        corpus, tmp_path / "parts", "learnability", *exact, "training.micro_batch_size=4",
        "training.gradient_accumulation_steps=2",
    )  # fmt: skip
    for one, other in zip(records(whole), records(parts), strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-6, nan_ok=True), one["step"]


@pytest.mark.slow
def test_class_statistic_weights_are_held_between_updates(corpus: Path, tmp_path: Path) -> None:
    settings = _settings("learnability", "masking.content.update_every_steps=3")
    run = trained(corpus, tmp_path / "run", "learnability", *settings)
    values = [line["class_statistic/NOUN"] for line in records(run) if line["step"]]
    assert all(math.isnan(value) for value in values[:2])
    assert values[2] == values[3] == values[4] != values[5]


@pytest.mark.slow
def test_class_statistic_needs_its_part_of_the_checkpoint(corpus: Path, tmp_path: Path) -> None:
    run = trained(
        corpus, tmp_path / "run", "learnability", *_settings("learnability"),
        "training.save_steps=3",
    )  # fmt: skip
    broken = stopped_at(run, 3, tmp_path / "broken")
    state = json.loads((broken.checkpoint(3) / STATE_FILE).read_text())
    assert len(state["class_statistic"]["sums"]) == 2
    assert state["vocabulary_loss"] is None


@pytest.mark.slow
def test_class_statistic_is_previewed_from_a_run_that_follows_it(
    corpus: Path, tmp_path: Path
) -> None:
    run = trained(corpus, tmp_path / "run", "learnability", *_settings("learnability"))
    recipe = load_recipe("learnability", ["masking.content.blend_in=false"])
    plain, weighted = (
        preview(corpus, recipe, progress=[1.0], run=given)[0] for given in (None, run.root)
    )
    assert plain.class_shares != weighted.class_shares
    other = load_recipe("learnability", ["masking.content.statistic=accuracy"])
    with pytest.raises(UserError, match="no logged accuracy"):
        preview(corpus, other, run=run.root)


def test_class_statistic_accuracy_is_refused_where_the_head_gives_losses_alone() -> None:
    with pytest.raises(UserError, match=r"head=cut_cross_entropy with .*statistic=accuracy"):
        load_recipe("amlm-hard", ["training.head=cut_cross_entropy", "training.precision=bf16"])
