"""Runs whose sources are drawn in shares: resumed, on several ranks, by workers; refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tidemask as package
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
from tidemask.batches.source_order import SourceOrder
from tidemask.batches.stream import training_loader
from tidemask.corpus.store.row_sources import rows_by_source
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import read_run_config
from tidemask.runs.train import train
from two_sources import corpus_of_two_sources

Command = Callable[..., tuple[int, str, str]]

SHARES = "training.source_shares={big: {schedule: linear, start: 0.9, end: 0.1}, small: 0.5}"
EXACT = ("model.dropout=0.0", "training.save_steps=4", "training.logging_steps=1")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus_of_two_sources(tmp_path_factory.mktemp("mixed"))


def drawn(run: RunDirectory) -> list[int]:
    """Samples of the source `small` at each step, as the trainer's own loader reads them."""
    trainer = trainer_of(run)
    small = rows_by_source(package.open_corpus(read_run_config(run.config).corpus.path))["small"]
    rows = trainer.dataset.order.rows(np.arange(8 * 8))
    return [int(n) for n in np.isin(rows, small).reshape(8, 8).sum(axis=1)]


@pytest.mark.slow
def test_source_shares_of_a_run_follow_its_progress(mixed: Path, tmp_path: Path) -> None:
    run = started(mixed, tmp_path / "run", "bert", SHARES)
    small = [8 * 0.5 / (1.4 - 0.1 * step) for step in range(8)]
    assert all(abs(n - exact) < 1 for n, exact in zip(drawn(run), small, strict=True))
    even = started(mixed, tmp_path / "even", "bert", f"{SHARES[:-4]}0.0}}")
    assert drawn(even) == [0] * 8
    # Without shares rows are read as ever: a permutation of them all.
    usual = trainer_of(started(mixed, tmp_path / "usual", "bert"))
    assert not isinstance(usual.dataset.order, SourceOrder)


@pytest.mark.slow
def test_source_shares_of_a_resumed_run_are_those_of_the_unbroken(
    mixed: Path, tmp_path: Path
) -> None:
    unbroken = trained(mixed, tmp_path / "unbroken", "mrd-linear", SHARES, "training.save_steps=3",
                       "training.keep_checkpoints=0", "training.gradient_accumulation_steps=2",
                       "training.micro_batch_size=4")  # fmt: skip
    broken = stopped_at(unbroken, 3, tmp_path / "broken")
    notes: list[str] = []
    assert train(broken, RunCallbacks(on_note=notes.append)).step == 3
    assert same_weights(broken, unbroken)
    assert [str(line) for line in records(broken)] == [str(line) for line in records(unbroken)]
    (note,) = (note for note in notes if note.startswith("Epochs of each source"))
    assert note.count("big ") == note.count("small ") == 1
    with pytest.raises(UserError, match=r"training\.source_shares\.small=0\.25 against 0\.5"):
        package.pretrain(
            mixed, out=broken.root, recipe="mrd-linear", resume="auto", progress=False,
            overrides=[*TINY, SHARES.replace("0.5", "0.25"), "training.save_steps=3",
                       "training.keep_checkpoints=0", "training.gradient_accumulation_steps=2",
                       "training.micro_batch_size=4"],
        )  # fmt: skip


@pytest.mark.slow
def test_source_shares_on_two_ranks_are_those_of_one(mixed: Path, tmp_path: Path) -> None:
    """Masked tokens and losses are those of the same rows; the order of rows shows in both."""
    one = trained(mixed, tmp_path / "one", "bert", SHARES, *EXACT)
    settings = [*TINY, SHARES, *EXACT, "training.micro_batch_size=4"]
    arguments = ["pretrain", str(mixed), "--out", str(tmp_path / "two"), "--recipe", "bert"]
    done = run_command([*arguments, *settings], processes=2)
    assert done.returncode == 0, done.stderr
    losses = [[r["loss"] for r in records(run)] for run in (one, RunDirectory(tmp_path / "two"))]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.slow
def test_source_shares_are_read_alike_by_any_number_of_workers(mixed: Path, tmp_path: Path) -> None:
    trainer = trainer_of(started(mixed, tmp_path / "run", "bert", SHARES))
    sampler = [list(range(start, start + 8)) for start in range(24, 64, 8)]
    read = [
        [b.input_ids.tolist() for b in training_loader(trainer.dataset, sampler, num_workers=n)]  # type: ignore[arg-type]
        for n in (0, 2)
    ]
    assert read[0] == read[1]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ("{big: 0.5, smal: 0.5}", "no such source: training.source_shares.smal. Expected big, "
         "small, of which the training rows are. Did you mean small?"),
        ("{big: 0.5}", "source without a share: small is not in training.source_shares. Expected "
         "a share of every source. Give it 0 to leave it out."),
        ("{big: 0.0, small: 0.0}", "training.source_shares of big, small are all 0."),
        ("{big: {schedule: linear, start: 0.0, end: 0.5}, small: 0.0}", "no source to draw from: "
         "training.source_shares are all 0 at step 0 of 8."),
        ("{big: 40, small: 0.5}", "training.source_shares.big=40. Expected a number from 0 to 1."),
        ("{big: {schedule: linaer}, small: 0.5}", "training.source_shares.big.schedule=linaer."),
        ("[big, small]", "training.source_shares="),
    ],
)  # fmt: skip
def test_source_shares_that_cannot_be_drawn_are_refused_in_one_line(
    shares: str, message: str, mixed: Path, tmp_path: Path, tidemask: Command
) -> None:
    out = tmp_path / "run"
    status, _, err = tidemask(
        "pretrain", str(mixed), "--out", str(out), *TINY, f"training.source_shares={shares}"
    )
    assert (status, err.count("\n")) == (2, 1)
    assert message in err
    assert not out.exists()


def test_source_shares_of_a_corpus_without_sources_are_refused(
    plain_corpus: Path, tmp_path: Path, tidemask: Command
) -> None:
    out = tmp_path / "run"
    status, _, err = tidemask("pretrain", str(plain_corpus), "--out", str(out), *TINY, SHARES)
    assert (status, err.count("\n")) == (2, 1)
    assert "corpus without sources: training.source_shares" in err
    assert not out.exists()
