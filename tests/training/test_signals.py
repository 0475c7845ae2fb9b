"""Signals: everything done is saved, ranks stop alike, and the resumed run is the same run."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import BertModel

from small_runs import records, same_weights, started, trained
from tidemask import presses
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.train import train
from tidemask.training import checkpoint_writer, trainer
from tidemask.training.signals import Interrupted, StopRequest

SETTINGS = ("masking.content.horizon_steps=2", "training.gradient_accumulation_steps=2")


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Eight steps; lines at 3, 4, 6 and 8, held-out losses at 4 and 8, a checkpoint at 5 and 8."""
    return trained(corpus, tmp_path_factory.mktemp("runs") / "unbroken", "ptw-mrd", *SETTINGS)


def _signal_me(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def _stopped(run: RunDirectory, callbacks: RunCallbacks | None = None) -> Interrupted:
    """Train until a signal, which something must send, stops it."""
    stop_request = StopRequest()
    with stop_request.listening(), pytest.raises(Interrupted) as caught:
        train(run, callbacks, stop_request)
    return caught.value


def _after_step(step: int) -> RunCallbacks:
    def on_progress(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("training", step):
            _signal_me()

    return RunCallbacks(on_progress=on_progress)


def _steps(run: RunDirectory) -> list[int]:
    return [step for step, _ in run.checkpoints()]


def _assert_continues_as(run: RunDirectory, unbroken: RunDirectory) -> None:
    train(run)
    assert same_weights(run, unbroken)
    assert repr(records(run)) == repr(records(unbroken))
    assert _steps(run) == _steps(unbroken)
    name = "held-out--final.json"
    assert (run.evaluation / name).read_bytes() == (unbroken.evaluation / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 3, 4, 5, 7, 8])
def test_interruption_after_any_step_leaves_no_trace(
    step: int, corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """The first and the last, steps with a line, an evaluation and a checkpoint, one with none."""
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SETTINGS)
    assert _stopped(run, _after_step(step)).status == 0
    saved = _steps(run)[-1]
    assert saved in (step, step + 1)
    lines = records(run) if run.metrics.is_file() else []
    assert repr(lines) == repr(records(unbroken)[: len(lines)])
    assert not run.model.exists()
    _assert_continues_as(run, unbroken)


@contextmanager
def _at_evaluated_batch(number: int) -> Iterator[list[int]]:
    """Signal in the forward pass of that batch of evaluation, counted from 1; yields the count."""
    seen = [0]

    def before(module: torch.nn.Module, inputs: Any) -> None:
        if isinstance(module, BertModel) and not module.training:
            seen[0] += 1
            if seen[0] == number:
                _signal_me()

    hook = torch.nn.modules.module.register_module_forward_pre_hook(before)
    try:
        yield seen
    finally:
        hook.remove()


SMALL_BATCHES = ("evaluation.batch_size=1", "training.save_steps=3", *SETTINGS)
CELLS = 6
"""Forward passes of one sequence: three ratios, single tokens and whole words."""

PASSES = CELLS * 8
"""Forward passes of one evaluation: eight sequences."""


@pytest.fixture(scope="module")
def slowly_evaluated(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The same with evaluations of eight batches each."""
    out = tmp_path_factory.mktemp("runs") / "evaluated"
    return trained(corpus, out, "ptw-mrd", *SMALL_BATCHES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch", "checkpoint", "lines"),
    [(4, 4, [3]), (PASSES + 1, 8, [3, 4, 6]), (2 * PASSES + 7, 8, [3, 4, 6, 8])],
    ids=["in-training", "at-the-last-step", "final"],
)
def test_interruption_of_an_evaluation_does_not_wait_for_its_end(
    batch: int, checkpoint: int, lines: list[int], corpus: Path,
    slowly_evaluated: RunDirectory, tmp_path: Path,
) -> None:  # fmt: skip
    """The line of that step is left to the resumed run, which measures the same model."""
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SMALL_BATCHES)
    with _at_evaluated_batch(batch) as seen:
        _stopped(run)
    assert batch <= seen[0] < batch + CELLS
    assert _steps(run)[-1] == checkpoint
    assert [line["step"] for line in records(run)] == lines
    _assert_continues_as(run, slowly_evaluated)


@pytest.mark.slow
def test_interruption_of_the_same_evaluation_twice(
    corpus: Path, slowly_evaluated: RunDirectory, tmp_path: Path
) -> None:
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SMALL_BATCHES)
    for _ in range(2):
        with _at_evaluated_batch(4):
            _stopped(run)
        assert [line["step"] for line in records(run)] == [3]
    _assert_continues_as(run, slowly_evaluated)


@pytest.mark.slow
def test_interruption_of_an_evaluation_then_a_kill_writes_its_line_once(
    corpus: Path, slowly_evaluated: RunDirectory, tmp_path: Path
) -> None:
    """The resumed process writes the line, and is killed before its next checkpoint."""
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SMALL_BATCHES)
    with _at_evaluated_batch(4):
        _stopped(run)
    killed = RunDirectory(tmp_path / "killed")
    shutil.copytree(run.root, killed.root)
    train(run)
    lines = run.metrics.read_text().splitlines(keepends=True)
    killed.metrics.write_text("".join(lines[:2]))
    assert [line["step"] for line in records(killed)] == [3, 4]
    _assert_continues_as(killed, slowly_evaluated)


def _signalling(real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        _signal_me()
        return real(*arguments, **options)

    return call


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "moment"),
    [(trainer, "write_state"), (checkpoint_writer, "seal"), (checkpoint_writer, "publish")],
)
def test_interruption_while_a_checkpoint_is_written_stops_at_it(
    module: ModuleType,
    moment: str,
    corpus: Path,
    unbroken: RunDirectory,
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SETTINGS)
    with monkeypatch.context() as patched:
        patched.setattr(module, moment, _signalling(getattr(module, moment)))
        _stopped(run)
    assert _steps(run) == [5]
    _assert_continues_as(run, unbroken)


@pytest.mark.slow
def test_interruption_before_the_first_step(
    corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """A single process leaves where it is; several agree first, before they begin."""
    run = started(corpus, tmp_path / "run", "ptw-mrd", *SETTINGS)
    stop_request = StopRequest()
    with stop_request.listening(), pytest.raises(Interrupted):
        _signal_me(signal.SIGUSR1)
    with stop_request.listening(), stop_request.deferred():
        _signal_me(signal.SIGINT)
    with pytest.raises(Interrupted) as caught:
        train(run, stop_request=stop_request)
    assert caught.value.status == 130
    assert _steps(run) == []
    _assert_continues_as(run, unbroken)


@pytest.mark.slow
def test_interruption_between_planned_checkpoints_takes_no_place_of_theirs(
    corpus: Path, tmp_path: Path
) -> None:
    settings = ("training.save_steps=2", "training.keep_checkpoints=2")
    run = started(corpus, tmp_path / "run", "bert", *settings)
    kept = {5: [2, 4, 5], 7: [4, 6, 7]}
    for step, expected in kept.items():
        _stopped(run, _after_step(step))
        assert _steps(run) == expected
    train(run)
    assert _steps(run) == [6, 8]


def test_interruption_a_second_press_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_request = StopRequest()
    with stop_request.listening(), stop_request.deferred():
        _signal_me(signal.SIGTERM)
        assert stop_request.received is signal.SIGTERM
        _signal_me(signal.SIGINT)
        _signal_me(signal.SIGINT)  # a launcher passes on what the terminal sent already
        assert stop_request.received is signal.SIGINT
        monkeypatch.setattr(presses, "ONE_PRESS_SECONDS", 0.0)  # as if a second had passed
        with pytest.raises(KeyboardInterrupt):
            _signal_me(signal.SIGINT)


def test_interruption_in_a_part_that_loses_nothing_is_at_once() -> None:
    """In that part and before it; after it a signal is only noted again."""
    stop_request = StopRequest()
    with stop_request.listening(), stop_request.deferred():
        with pytest.raises(Interrupted), stop_request.heeded():
            _signal_me()
        _signal_me(signal.SIGHUP)
        with pytest.raises(Interrupted) as caught, stop_request.heeded():
            pytest.fail("it was begun")
    assert caught.value.by is stop_request.received is signal.SIGHUP


def test_interruption_leaves_ignored_signals_ignored() -> None:
    """`nohup`, and shells that start jobs in the background, have SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        stop_request = StopRequest()
        with stop_request.listening():
            _signal_me(signal.SIGINT)
        assert stop_request.received is None
    finally:
        signal.signal(signal.SIGINT, before)
