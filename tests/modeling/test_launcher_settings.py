"""Precision, compiler and engine of a launcher do not reach what tidemask trains."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

from small_runs import started, trainer_of
from small_tasks import QUICK, rows, text_task, tiny_model_under_test, write_rows
from tidemask.errors import UserError
from tidemask.modeling.launcher_settings import without_launcher_settings
from tidemask.tasks.fine_tuning import fine_tune

ASKED = {
    "ACCELERATE_MIXED_PRECISION": "bf16",
    "ACCELERATE_DYNAMO_BACKEND": "INDUCTOR",
    "ACCELERATE_DYNAMO_MODE": "max-autotune",
}


@pytest.fixture(autouse=True)
def launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ASKED.items():
        monkeypatch.setenv(name, value)


def test_a_trainer_has_the_precision_of_its_settings_and_says_so(
    corpus: Path, tmp_path: Path
) -> None:
    trainer = trainer_of(started(corpus, tmp_path / "run", "bert", "training.precision=float32"))
    assert trainer.accelerator.mixed_precision == trainer.args.mixed_precision == "no"
    assert trainer.accelerator.state.dynamo_plugin.backend == "NO"
    notes = trainer.engine_notes("none")
    assert len(notes) == 1
    for name in ("ACCELERATE_MIXED_PRECISION=bf16", "ACCELERATE_DYNAMO_BACKEND=INDUCTOR"):
        assert name in notes[0]


def test_fine_tuning_has_the_precision_of_its_settings(tmp_path: Path) -> None:
    model_under_test = tiny_model_under_test(tmp_path / "model")
    task = text_task(write_rows(tmp_path / "data", train=rows(4), dev=rows(4)))
    features = task.make_features(model_under_test)
    model = model_under_test.with_head(AutoModelForSequenceClassification, seed=0, num_labels=2)
    seen = []
    model.base_model.register_forward_pre_hook(
        lambda *_: seen.append(torch.is_autocast_enabled("cpu"))
    )
    collator = DataCollatorWithPadding(model_under_test.tokenizer)
    settings = dataclasses.replace(QUICK, precision="float32")
    fine_tune(model, features.train, settings, collator=collator, learning_rate=1e-3, seed=0)
    assert seen == [False]


def test_what_a_launcher_asks_for_is_there_again_after_the_block() -> None:
    with without_launcher_settings():
        assert not ASKED.keys() & os.environ.keys()
    assert {name: os.environ.get(name) for name in ASKED} == ASKED


def test_an_engine_that_is_not_known_is_refused_before_anything_is_written(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(UserError, match=r"ACCELERATE_USE_DEEPSPEED=true.*DDP or FSDP2"):
        started(corpus, tmp_path / "run", "bert")
    assert not (tmp_path / "run").exists()
