"""The learning rate of every step against its closed formula, broken runs included."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import one_in
from small_runs import records, stopped_at, trained
from tidemask.errors import UserError
from tidemask.runs.config import load_recipe
from tidemask.runs.train import train
from tidemask.training.learning_rate import learning_rate_at
from tidemask.training.settings import TrainingSettings

STEPS, WARMUP, DECAY, PEAK = 20, 4, 6, 2e-3


def _after_warmup(step: int) -> float:
    return (step - WARMUP) / (STEPS - WARMUP)


def _in_decay(step: int) -> float:
    return max(0.0, (step - (STEPS - DECAY)) / DECAY)


CURVES: dict[str, tuple[list[str], Callable[[int], float]]] = {
    "linear": ([], lambda t: 1 - _after_warmup(t)),
    "cosine": ([], lambda t: (1 + math.cos(math.pi * _after_warmup(t))) / 2),
    "constant": ([], lambda t: 1.0),
    "wsd": ([f"training.lr_decay_steps={DECAY}"], lambda t: 1 - _in_decay(t)),
    "wsd cosine": (
        [f"training.lr_decay_steps={DECAY}", "training.lr_decay_shape=cosine"],
        lambda t: (1 + math.cos(math.pi * _in_decay(t))) / 2,
    ),
    "wsd 1-sqrt": (
        [f"training.lr_decay_steps={DECAY}", "training.lr_decay_shape=1-sqrt"],
        lambda t: 1 - math.sqrt(_in_decay(t)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CURVES)
def test_learning_rate_follows_its_formula_also_after_a_resume(
    name: str, corpus: Path, tmp_path: Path
) -> None:
    settings, curve = CURVES[name]
    run = trained(
        corpus, tmp_path / "run", "bert", f"training.lr_schedule={name.split()[0]}", *settings,
        f"training.max_steps={STEPS}", f"training.lr_warmup_steps={WARMUP}",
        f"training.learning_rate={PEAK}", "training.logging_steps=1", "training.save_steps=17",
        "training.micro_batch_size=1", "evaluation.every_steps=20",
    )  # fmt: skip
    broken = stopped_at(run, 17, tmp_path / "broken")
    assert train(broken).step == 17
    expected = [PEAK * (t / WARMUP if t < WARMUP else curve(t)) for t in range(STEPS)]
    for trained_run in (run, broken):
        seen = [record["learning_rate"] for record in records(trained_run)]
        assert seen == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_learning_rate_decays_over_a_tenth_of_the_run_by_default() -> None:
    assert TrainingSettings(max_steps=2000, lr_schedule="wsd").num_decay_steps() == 200


def test_learning_rate_decay_that_does_not_fit_is_refused() -> None:
    for setting in ("training.lr_decay_steps=95", "training.lr_decay_steps=-1"):
        with pytest.raises(UserError, match=r"lr_decay_steps=.*Expected"):
            load_recipe("bert", ["training.lr_schedule=wsd", "training.max_steps=100", setting])


def test_learning_rate_decay_without_effect_is_said() -> None:
    settings = TrainingSettings(lr_decay_steps=7)
    (note,) = settings.ineffective_settings()
    assert "training.lr_decay_steps=7 has no effect" in note
    assert not TrainingSettings(lr_decay_steps=7, lr_schedule="wsd").ineffective_settings()


@pytest.mark.parametrize("schedule", one_in(4, ["linear", "cosine", "constant", "wsd"]))
@pytest.mark.slow
def test_learning_rate_at_a_step_is_that_with_which_the_run_trains_it(
    schedule: str, corpus: Path, tmp_path: Path
) -> None:
    run = trained(
        corpus, tmp_path / "run", "bert", f"training.lr_schedule={schedule}",
        "training.logging_steps=1", "training.lr_warmup_steps=2",
    )  # fmt: skip
    settings = TrainingSettings(**run.read_config()["training"])
    for line in records(run):  # of the steps 1, 2, ... that are done
        assert line["learning_rate"] == learning_rate_at(settings, line["step"] - 1)
