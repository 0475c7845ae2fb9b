"""Real processes that are sent real signals: alone, with readers, under torchrun."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import sleep

import pytest

from child_processes import HUNG_SECONDS, ended, wait_until
from held_run import HeldRun
from small_runs import (
    TINY,
    command,
    records,
    run_command,
    same_weights,
    torchrun,
    warm_command,
)
from tidemask.presses import ONE_PRESS_SECONDS
from tidemask.run_record import RunDirectory

pytestmark = pytest.mark.slow

SETTINGS = (
    *TINY, "training.max_steps=30", "training.save_steps=12", "training.logging_steps=7",
    "evaluation.every_steps=20", "masking.content.horizon_steps=5", "training.learning_rate=1e-4",
)  # fmt: skip
STEP = 9
"""Where runs are held, to be signalled there."""


def _begun(command: Sequence[str]) -> subprocess.Popen[str]:
    """The command as the leader of a process group of its own."""
    return subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _request(corpus: Path, run: RunDirectory, *settings: str) -> list[str]:
    return [
        "pretrain", str(corpus), f"--out={run.root}", "--recipe=ptw-mrd", "--resume=auto",
        *SETTINGS, *settings,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "unbroken")
    done = run_command(_request(corpus, run))
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.parametrize(
    ("number", "status", "readers", "is_real"),
    [
        (signal.SIGTERM, 0, 2, True),
        (signal.SIGINT, 130, 2, False),
        (signal.SIGUSR1, 0, 0, False),
    ],
)
def test_signals_to_a_whole_job_then_the_same_command_again(
    number: signal.Signals, status: int, readers: int, is_real: bool, corpus: Path,
    unbroken: RunDirectory, tmp_path: Path,
) -> None:  # fmt: skip
    """The group is signalled, readers and all, as terminals and schedulers do it."""
    run, held = RunDirectory(tmp_path / "run"), HeldRun(tmp_path / "held", STEP)
    request = _request(corpus, run, f"training.loader_workers={readers}")
    program = held.program(*request)
    process = _begun([sys.executable, *program] if is_real else warm_command(*program))
    with ended(process):
        (leader,) = held.wait(process)
        os.killpg(leader, number)
        held.wait_for_signal(process, 0)
        held.go_on()
        _, errors = process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode == status, errors
    step = run.checkpoints()[-1][0]
    assert step in (STEP, STEP + 1)
    said = f"Stopped by {number.name}: checkpoint-{step} is saved. "
    assert said + f"Continue with `tidemask resume {run.root}`." in errors
    assert "Traceback" not in errors
    assert "orker" not in errors
    again = run_command(request)
    assert again.returncode == 0, again.stderr
    assert f"Continuing after step {step}." in again.stderr
    assert same_weights(run, unbroken)
    assert repr(records(run)) == repr(records(unbroken))
    once_more = run_command(request)
    assert once_more.returncode == 0
    assert once_more.stdout.count("Held-out loss") == 1
    assert once_more.stdout.endswith(f"Model: {run.model}\n")
    assert "Run is finished" in once_more.stderr


def test_signals_of_a_closed_terminal_save_a_checkpoint(corpus: Path, tmp_path: Path) -> None:
    """SIGHUP comes to the group, and nothing can be printed any more."""
    run, held = RunDirectory(tmp_path / "run"), HeldRun(tmp_path / "held", STEP)
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, *held.program(*_request(corpus, run))],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    with ended(process):
        try:
            (leader,) = held.wait(process)
        finally:
            os.close(ours)
        os.killpg(leader, signal.SIGHUP)
        held.wait_for_signal(process, 0)
        held.go_on()
        assert process.wait(timeout=HUNG_SECONDS) == 0
    assert run.checkpoints()[-1][0] in (STEP, STEP + 1)


def test_signals_a_second_press_ends_at_once(corpus: Path, tmp_path: Path) -> None:
    """The step is so long, for it never ends, that there is no time to follow the first."""
    run, held = RunDirectory(tmp_path / "run"), HeldRun(tmp_path / "held", 0)
    process = _begun(warm_command(*held.program(*_request(corpus, run))))
    with ended(process):
        (training,) = held.wait(process)
        os.kill(training, signal.SIGINT)
        held.wait_for_signal(process, 0)
        sleep(1.1 * ONE_PRESS_SECONDS)  # two within this time are one
        os.kill(training, signal.SIGINT)
        _, errors = process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode == 130, errors
    assert "interrupted. Continue with" in errors
    assert "Traceback" not in errors
    assert run.checkpoints() == []


def _names_in(group: int) -> list[str]:
    """Names of the programs that the processes of a group run."""
    names = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended
            name, _, fields = stat.read_text().partition("(")[2].rpartition(") ")
            state, _, of, *_ = fields.split()
            if int(of) == group and state != "Z":
                names.append(name)
    return names


SMALL = {
    "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1,
    "intermediate_size": 16,
}  # fmt: skip


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize(
    ("threads", "ask"),
    [
        pytest.param(1, os.killpg, id="1-group"),
        pytest.param(2, os.killpg, id="2-group"),
        pytest.param(2, os.kill, id="2-alone"),
    ],
)
def test_signals_to_a_job_that_compiles_stop_it_before_the_step(
    threads: int,
    ask: Callable[[int, int], None],
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The compiler is a child of the training itself, or of a process that torch keeps for it."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", str(threads))
    # Else the compiler is tried first, and where it was ended torch compiles without vectors.
    monkeypatch.setenv("TORCHINDUCTOR_VEC_ISA_OK", "1")
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    model = ("model.size=null", f"model.config={tmp_path / 'config.json'}")
    run, held = RunDirectory(tmp_path / "run"), HeldRun(tmp_path / "held", 0)
    request = _request(corpus, run, *model, "training.compile=true")
    process = _begun(warm_command(*held.program(*request)))
    with ended(process):
        (leader,) = held.wait(process)
        held.go_on()
        wait_until(lambda: "cc1plus" in _names_in(leader), process)
        ask(leader, signal.SIGTERM)
        _, errors = process.communicate(timeout=HUNG_SECONDS)
        wait_until(lambda: not _names_in(leader))
    assert process.returncode == 0, errors
    assert "Stopped by SIGTERM: no step was done yet. " in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert len(errors.splitlines()) < 20


def _is_listening(port: int) -> bool:
    lines = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    return any(f":{port:04X} " in line and " 0A " in line for line in lines.splitlines())


@pytest.mark.parametrize(
    ("rank", "number", "status"), [(0, signal.SIGTERM, 0), (1, signal.SIGINT, 130)]
)
def test_signals_end_a_process_that_waits_for_the_others(
    rank: int, number: signal.Signals, status: int, corpus: Path, tmp_path: Path
) -> None:
    """The first waits until the other comes, the other until the first answers."""
    with socket.create_server(("127.0.0.1", 0)) as place, ExitStack() as connected:
        port = place.getsockname()[1]
        if rank == 0:
            place.close()
        process = subprocess.Popen(
            command(_request(corpus, RunDirectory(tmp_path / "run")), warm=True),
            env={
                **os.environ, "WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with ended(process):
            if rank == 0:
                wait_until(lambda: _is_listening(port), process)
            else:
                connected.enter_context(place.accept()[0])
            process.send_signal(number)
            _, errors = process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode == status, errors
    said = f"Stopped by {number.name}: the run had not begun. Give the command again."
    assert errors.splitlines()[-1].removeprefix("tidemask: ") == said
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_signals_under_torchrun_stop_every_rank_at_the_same_step(
    corpus: Path, tmp_path: Path
) -> None:
    """First one rank alone is signalled, then the launcher, which passes it on to all."""
    settings = ("training.loader_workers=1", "training.micro_batch_size=4")
    unbroken, run = RunDirectory(tmp_path / "unbroken"), RunDirectory(tmp_path / "run")
    whole = run_command(_request(corpus, unbroken, *settings), processes=2)
    assert whole.returncode == 0, whole.stderr
    request = _request(corpus, run, *settings)
    for to_launcher, step in ((False, STEP), (True, 2 * STEP)):
        held = HeldRun(tmp_path / f"held-{step}", step)
        forked = warm_command(*held.program(*request))
        process = _begun([*torchrun(2), "--no-python", *forked])
        with ended(process):
            ranks = held.wait(process, 2)
            os.kill(process.pid if to_launcher else ranks[1], signal.SIGTERM)
            held.wait_for_signal(process, *((0, 1) if to_launcher else (1,)))
            held.go_on()
            _, errors = process.communicate(timeout=HUNG_SECONDS)
        saved = run.checkpoints()[-1][0]
        assert step <= saved <= step + 2
        assert f"Stopped by SIGTERM: checkpoint-{saved} is saved." in errors
        assert errors.count("Stopped by") == 1
        if not to_launcher:  # torchrun itself fails when it is signalled
            assert process.returncode == 0, errors
            assert "Traceback" not in errors
    last = run_command(request, processes=2)
    assert last.returncode == 0, last.stderr
    assert f"Continuing after step {saved}." in last.stderr
    assert same_weights(run, unbroken)
    assert repr(records(run)) == repr(records(unbroken))
