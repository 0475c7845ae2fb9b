"""A run is as long as it was said to be, in whichever unit; one unit says it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases
from small_runs import TINY, records, run_command
from tidemask import TrainingSettings, load_recipe, open_corpus
from tidemask.batches.stream import ShuffledOrder
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.creation import new_run
from tidemask.runs.train import train
from tidemask.training.run_length import planned
from tidemask.training.settings import LENGTHS

WITHOUT_LENGTH = [setting for setting in TINY if "max_steps" not in setting]


def started(corpus: Path, out: Path, *settings: str) -> RunDirectory:
    return new_run(load_recipe("bert", [*WITHOUT_LENGTH, *settings]), corpus, out)


@given(
    epochs=st.floats(0.01, 20), rows=st.integers(1, 5000), batch=st.integers(1, 300)
)  # fmt: skip
def test_steps_of_epochs_are_the_fewest_that_see_so_many_rows(
    epochs: float, rows: int, batch: int
) -> None:
    settings = TrainingSettings(max_epochs=epochs)
    steps = planned(settings, num_rows=rows, num_tokens=rows, global_batch_size=batch).num_steps
    wanted = epochs * rows
    assert steps == 1 or (steps - 1) * batch < wanted * (1 + 1e-9)
    assert steps * batch > wanted * (1 - 1e-9)


@pytest.mark.parametrize(
    ("epochs", "rows", "batch", "steps"),
    [(1, 64, 8, 8), (3, 100, 8, 38), (0.1, 30, 3, 1), (0.3, 10, 3, 1), (1, 5, 8, 1), (2, 5, 5, 2)],
)
def test_steps_of_epochs_by_hand(epochs: float, rows: int, batch: int, steps: int) -> None:
    settings = TrainingSettings(max_epochs=epochs)
    made = planned(settings, num_rows=rows, num_tokens=9, global_batch_size=batch)
    assert made == TrainingSettings(max_steps=steps)


def test_a_run_of_one_epoch_reads_every_row(corpus: Path, tmp_path: Path) -> None:
    run = started(corpus, tmp_path / "run", "training.max_epochs=1")
    steps = run.read_config()["training"]["max_steps"]
    num_rows = len(open_corpus(corpus).train)
    assert (steps - 1) * 8 < num_rows <= steps * 8
    rows = ShuffledOrder(num_rows, seed=0).rows(np.arange(num_rows))
    assert sorted(rows) == list(range(num_rows))
    lengths = {name: run.read_config()["training"][name] for name in LENGTHS}
    assert lengths == {"max_steps": steps, "max_epochs": None, "max_tokens": None}
    assert run.read_config()["overrides"][-1] == "training.max_epochs=1"


@pytest.mark.slow
def test_a_run_of_so_many_tokens_reads_so_many(corpus: Path, tmp_path: Path) -> None:
    run = started(corpus, tmp_path / "run", "training.max_tokens=1.2e3")
    train(run)
    last = records(run)[-1]
    # A step reads at most 8 rows of 32; rows that are not full may make it one step more or less.
    assert 1200 - 8 * 32 <= last["tokens_seen"] <= 1200 + 2 * 8 * 32
    assert last["step"] == run.read_config()["training"]["max_steps"]


@pytest.mark.parametrize(
    "two", [("max_steps=5", "max_epochs=1"), ("max_epochs=1", "max_tokens=1e6")]
)
def test_two_lengths_are_refused(two: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=r"training\.max_.* and max_.*\. Expected one length"):
        load_recipe("bert", [f"training.{length}" for length in two])
    with pytest.raises(ValueError, match="Expected one length"):
        TrainingSettings(max_steps=5, max_tokens=100)


def test_a_length_replaces_that_of_the_recipe(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("training: {max_tokens: 5.0e+6}", encoding="utf-8")
    assert load_recipe(own).training.max_tokens == 5e6
    by_epochs = load_recipe(own, "training.max_epochs=2").training
    assert (by_epochs.max_steps, by_epochs.max_epochs, by_epochs.max_tokens) == (None, 2.0, None)
    again = load_recipe(load_recipe("bert"), {"training.max_epochs": 2}).training
    assert (again.max_steps, again.max_epochs) == (None, 2.0)
    assert load_recipe(load_recipe(own), "training.max_tokens=null").training.max_steps == 2000


@all_cases("value", ["0", "-1", ".inf", ".nan", "true", "many"])
@all_cases("name", ["max_epochs", "max_tokens", "max_steps"])
def test_a_length_that_cannot_be_is_refused(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"training.{name}=.*Expected"):
        load_recipe("bert", f"training.{name}={value}")


def test_a_length_that_the_rest_does_not_fit_is_refused_with_its_steps(
    corpus: Path, tmp_path: Path
) -> None:
    for settings, problem in (
        (["training.max_epochs=1", "training.lr_warmup_steps=5000"], "lr_warmup_steps=5000"),
        (["training.max_tokens=1e18"], r"run too long: training.max_tokens=1e.18, \d\.\d+e.\d+ st"),
        (["training.max_tokens=1e308"], r"run too long: training.max_tokens=1e.308, inf steps of"),
        (["training.max_epochs=1e308"], r"run too long: training.max_epochs=1e.308, inf steps of"),
    ):
        with pytest.raises(UserError, match=problem):
            started(corpus, tmp_path / "run", *settings)
    assert not (tmp_path / "run").exists()


def test_settings_without_steps_say_what_they_lack() -> None:
    with pytest.raises(ValueError, match=r"max_epochs=3\. Expected max_steps where no corpus"):
        TrainingSettings(max_epochs=3).num_steps  # noqa: B018


@pytest.mark.slow
def test_a_run_of_epochs_goes_on_with_another_number_of_processes(
    corpus: Path, tmp_path: Path
) -> None:
    """Its steps are those of the two processes on which it was made."""
    run = RunDirectory(tmp_path / "run")
    command = ["pretrain", str(corpus), f"--out={run.root}", "--resume=auto", *WITHOUT_LENGTH,
               "training.max_epochs=0.1", "training.micro_batch_size=4"]  # fmt: skip
    begun = run_command(command, processes=2)
    assert begun.returncode == 0, begun.stderr
    assert json.loads(run.environment.read_text())["processes"] == 2
    again = run_command(command)
    assert again.returncode == 0, again.stderr
    assert "Run is finished" in again.stderr
