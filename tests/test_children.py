"""Nothing outlives a process that was killed: real commands, SIGKILL, and who is left of each.

All that a command starts inherits a variable of its environment, by which it is found.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from child_processes import HUNG_SECONDS, ended, wait_until
from prose import text
from small_runs import TINY, command, trained
from tidemask.cli.demo import MARKER
from tidemask.studies.attempts import read_attempts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]

END_SECONDS = 300.0
"""In which what is left must be gone: a second, but what is being imported is finished before."""

LONG = [*TINY, "training.max_steps=1000000", "training.save_steps=1000000"]


class Family:
    """A command and all that it started.

    Attributes:
        first: the command's own process.
    """

    def __init__(self, arguments: list[str]) -> None:
        self._mark = f"TIDEMASK_FAMILY={uuid.uuid4()}"
        name, _, value = self._mark.partition("=")
        self.first = subprocess.Popen(
            command(arguments),
            env={**os.environ, "OMP_NUM_THREADS": "1", name: value},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def members(self) -> dict[int, str]:
        """Those that run, with their command lines, by number."""
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark.encode() in (place / "environ").read_bytes().split(b"\0"):
                    found[int(place.name)] = (place / "cmdline").read_text().replace("\0", " ")
            except OSError:  # it has ended, or is another's
                continue
        return found

    def wait_for_end(self) -> None:
        """Wait until none is left; what is left for too long is killed and named."""
        begun = monotonic()
        while left := self.members():
            if monotonic() - begun > END_SECONDS:
                for number in left:
                    os.kill(number, signal.SIGKILL)
                raise AssertionError(f"still there: {left}")
            sleep(0.05)


@contextmanager
def running(arguments: list[str], at_work: Callable[[dict[int, str]], bool]) -> Iterator[Family]:
    """A command, once the processes that it has started show that it is at work."""
    family = Family(arguments)
    with ended(family.first):
        wait_until(lambda: at_work(family.members()), family.first)
        yield family
        family.wait_for_end()


def number_of(members: dict[int, str], words: str) -> int:
    return sum(words in line for line in members.values())


def test_workers_that_prepare_do_not_outlive_the_command(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(text(3000), encoding="utf-8")
    arguments = ["prepare", str(tmp_path / "text.txt"), "--out", str(tmp_path / "out"),
                 "--vocab-size=200", "--workers=2"]  # fmt: skip
    with running(arguments, lambda members: len(members) >= 4) as family:
        family.first.kill()


def test_workers_that_load_do_not_outlive_a_training(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["pretrain", str(corpus), "--out", str(out), *LONG, "training.loader_workers=2"]
    with running(arguments, lambda _: (out / "metrics.jsonl").is_file()) as family:
        assert len(family.members()) >= 3
        family.first.kill()


def test_workers_that_measure_do_not_outlive_the_command(corpus: Path, tmp_path: Path) -> None:
    run = trained(corpus, tmp_path / "run", "bert", "training.keep_checkpoints=0")
    arguments = ["evaluate", str(run.root), "--tasks=held-out,pseudo-perplexity", "--jobs=2"]
    with running(arguments, lambda members: number_of(members, "spawn_main") == 2) as family:
        family.first.kill()


def test_trainings_do_not_outlive_a_demonstration(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "demo" / "corpus")
    (tmp_path / "demo" / MARKER).write_text("5000")
    arguments = ["demo", "--out", str(tmp_path / "demo"), "--steps=5000"]
    runs = tmp_path / "demo" / "study" / "runs"
    with running(arguments, lambda _: any(runs.glob("*/*/run.yaml"))) as family:
        family.first.kill()


@pytest.mark.parametrize("is_worker", [True, False])
def test_processes_of_torchrun_do_not_outlive_a_study(
    is_worker: bool, corpus: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "study.yaml", tmp_path / "out"
    file.write_text(
        f"corpus: {corpus}\nbaseline: constant\nseeds: [0]\nprocesses: 2\nretries: 0\n"
        f"settings: {LONG}\narms: {{constant: {{recipe: bert}}, decay: {{recipe: mrd-cosine}}}}\n"
    )
    arguments = ["study", str(file), "--out", str(out)]
    metrics = out / "runs/constant/seed-0/metrics.jsonl"
    with running(arguments, lambda _: metrics.is_file()) as family:
        if not is_worker:
            family.first.kill()  # the worker saves what there is
            return_code = family.first.wait(HUNG_SECONDS)
            assert return_code == -signal.SIGKILL
        else:
            family.first.send_signal(signal.SIGSTOP)  # or it would begin the next run
            left = set(family.members()) - {family.first.pid}
            assert number_of(family.members(), "tidemask pretrain") >= 3
            (worker,) = {
                one.process for one in read_attempts(out / "attempts/constant/seed-0.jsonl")
            }
            os.kill(worker, signal.SIGKILL)
            begun = monotonic()
            while left & set(family.members()) and monotonic() - begun < END_SECONDS:
                sleep(0.05)
            assert not left & set(family.members())
            family.first.kill()
