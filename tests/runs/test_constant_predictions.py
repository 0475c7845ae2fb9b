"""Runs that predict as many tokens in every step: the law, an exact resume, processes, refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from cases import all_cases
from small_runs import (
    TINY,
    records,
    run_command,
    same_weights,
    started,
    stopped_at,
    trained,
    trainer_of,
)
from tidemask import TrainingSettings
from tidemask.errors import UserError
from tidemask.run_record import FLOPS, PREDICTED_TOKENS, RATIO, TOKENS_SEEN, RunDirectory
from tidemask.runs.config import read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.more_steps import run_with_more_steps
from tidemask.runs.started_on import corpus_of
from tidemask.runs.train import train

WANTED = 60
SETTINGS = (
    f"training.predictions_per_step={WANTED}", "training.max_steps=12", "training.save_steps=4",
    "training.micro_batch_size=24", "training.gradient_accumulation_steps=2",
    "training.logging_steps=1", "masking.ratio.start=0.3", "masking.ratio.end=0.05",
    "masking.unit=token",
)  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(corpus, tmp_path_factory.mktemp("runs") / "run", "mrd-linear", *SETTINGS)


def test_as_many_tokens_are_predicted_while_the_ratio_falls(unbroken: RunDirectory) -> None:
    """Of each step and of the whole run, within 4 standard deviations of independent draws."""
    config = read_run_config(unbroken.config)
    data = CorpusInputs.of(corpus_of(config))
    split = data.training_set(0)
    maskable = int(split.token_counts()[~split.is_special].sum()) / len(data.corpus.train)
    lines = records(unbroken)
    totals = [0, *(line[PREDICTED_TOKENS] for line in lines)]
    seen = [0, *(line[TOKENS_SEEN] for line in lines)]
    expected_total = 0.0
    for step, line in enumerate(lines):
        ratio = config.masking.ratio(step / 12)
        assert line[RATIO] == pytest.approx(ratio)
        micro = math.ceil(WANTED / (2 * maskable * ratio) * (1 - 1e-9))
        expected = 2 * micro * maskable * ratio
        expected_total += expected
        predicted = totals[step + 1] - totals[step]
        assert abs(predicted - expected) < 4 * math.sqrt(expected) + 2
        assert seen[step + 1] - seen[step] == pytest.approx(2 * micro * 32, rel=0.05)
    assert abs(totals[-1] - expected_total) < 4 * math.sqrt(expected_total)
    assert seen[12] - seen[11] > 3 * (seen[1] - seen[0])
    assert lines[-1][FLOPS] > lines[0][FLOPS] * 12


@pytest.mark.slow
@pytest.mark.parametrize("step", [4, 8])
def test_resume_equals_the_unbroken_run(step: int, unbroken: RunDirectory, tmp_path: Path) -> None:
    broken = stopped_at(unbroken, step, tmp_path / "broken")
    assert train(broken).step == step
    assert same_weights(broken, unbroken)
    assert list(map(json.dumps, records(broken))) == list(map(json.dumps, records(unbroken)))


@pytest.mark.slow
def test_two_processes_take_the_same_samples(corpus: Path, tmp_path: Path) -> None:
    settings = (*SETTINGS, "model.dropout=0.0")
    alone = trained(corpus, tmp_path / "alone", "mrd-linear", *settings)
    together = RunDirectory(tmp_path / "together")
    arguments = ["pretrain", str(corpus), "--recipe", "mrd-linear", *TINY, *settings]
    arguments += ["training.gradient_accumulation_steps=1", f"--out={together.root}"]
    done = run_command(arguments, processes=2)
    assert done.returncode == 0, done.stderr
    assert "Micro-batches have" in done.stderr
    for one, two in zip(records(alone), records(together), strict=True):
        assert one[PREDICTED_TOKENS] == two[PREDICTED_TOKENS]
        assert one[TOKENS_SEEN] == two[TOKENS_SEEN]
        assert one["loss"] == pytest.approx(two["loss"], abs=1e-4)


@all_cases(
    ("recipe", "settings", "message"),
    [
        ("bandit-ratio", (), r"predictions_per_step=60 with masking\.ratio\.schedule=bandit"),
        ("ankner-subset", (), r"predictions_per_step=60 with masking\.prediction\. Expected"),
        ("bert", ("training.predictions_per_step=99999",),
         r"predictions_per_step=99999 is never reached: 48 sequences a step predict \d+ tokens"),
    ],
)  # fmt: skip
def test_policies_that_it_does_not_go_with_are_refused(
    corpus: Path, tmp_path: Path, recipe: str, settings: tuple[str, ...], message: str
) -> None:
    usual = [each for each in SETTINGS if not each.startswith("masking.")]
    with pytest.raises(UserError, match=message):
        started(corpus, tmp_path / "run", recipe, *usual, *settings)
    assert not (tmp_path / "run").exists()


@all_cases(
    ("settings", "message"),
    [
        ({"max_epochs": 1.0}, r"with max_epochs=1\. Expected max_steps"),
        ({"max_tokens": 1e6}, r"with max_tokens=1e\+06\. Expected max_steps"),
        ({"compile": True}, "with compile=true. Expected compile=false"),
        ({"predictions_per_step": 0}, "predictions_per_step=0. Expected a number of at least 1"),
    ],
)
def test_settings_that_it_does_not_go_with_are_refused(settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**{"predictions_per_step": 60, **settings})


def test_more_steps_of_such_a_run_are_refused(unbroken: RunDirectory) -> None:
    with pytest.raises(UserError, match=r"does not go on: .*predictions_per_step=60"):
        run_with_more_steps(unbroken, ["training.max_steps=20"])


def test_note_says_how_large_batches_become(corpus: Path, tmp_path: Path) -> None:
    from tidemask.runs.constant_predictions import growth_note

    trainer = trainer_of(started(corpus, tmp_path / "run", "mrd-linear", *SETTINGS))
    note = growth_note(trainer.growth, trainer.settings)
    assert note is not None
    sizes = trainer.growth.sizes
    assert f"Micro-batches have {sizes[0]} to {sizes[-1]} sequences" in note
    assert "predict fewer" not in note
