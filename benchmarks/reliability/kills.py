"""Kill a training with SIGKILL again and again, and compare what it ends with.

    python benchmarks/reliability/kills.py --kills 20 --seed 0
    python benchmarks/reliability/kills.py --kills 100 --uniform

One run is never touched. Another is killed at random moments: while it starts, at a step, while a
checkpoint is written, renamed or an old one deleted, and in the end during the last evaluation and
while the final model is saved. After each kill it is continued. Then weights, metrics (but times),
checkpoints, evaluation and the names of all files must be the same to the last bit; the exit status
says so.

With `--uniform` every kill hits a run of its own, at a moment uniform from the start of its process
to its end, last evaluation and final model included; each is continued and compared.

Every attempt is a process of its own, forked from one that has imported everything, as an import
takes longer than this run.
"""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser

_TIMEOUT_SECONDS = 120.0
_MARGIN = 1.3
"""Moments are drawn from so many times the longest run that was seen to its end."""
_FORK = multiprocessing.get_context("fork")

Trigger = Callable[[], bool]
"""Returns whether the moment of the kill has come."""


@dataclass(frozen=True)
class ObservedRun:
    """A run directory, seen from outside."""

    root: Path

    def last_step(self) -> int:
        """Step of the newest whole checkpoint, 0 if there is none."""
        steps = [path.name.removeprefix("checkpoint-") for path in self.root.glob("checkpoint-*")]
        return max((int(step) for step in steps if step.isdigit()), default=0)

    def last_line(self) -> int:
        """Number of lines of metrics."""
        path = self.root / "metrics.jsonl"
        return path.read_bytes().count(b"\n") if path.is_file() else 0

    def metrics_file(self) -> int | None:
        """Inode of the metrics; it is another one after they were cut."""
        path = self.root / "metrics.jsonl"
        return path.stat().st_ino if path.is_file() else None

    def unfinished(self) -> list[str]:
        """Names of what is being written, or deleted, at this moment."""
        return sorted(path.name for path in self.root.glob(".*.tmp"))


def _trigger(kind: str, run: ObservedRun, rng: random.Random) -> Trigger:
    begun = time.monotonic()
    target = run.last_step() + rng.randint(1, 4)
    delay = rng.random() * 2.0
    match kind:
        case "start":
            return lambda: time.monotonic() - begun > delay
        case "step":
            return lambda: run.last_line() >= target
        case "checkpoint":
            return lambda: (
                run.last_step() >= target - 3
                and any(not name.endswith(".old.tmp") for name in run.unfinished())
            )
        case "deletion":
            return lambda: any(name.endswith(".old.tmp") for name in run.unfinished())
        case "last evaluation":
            return lambda: (run.root / f"checkpoint-{_planned_steps(run)}").exists()
        case _:
            return lambda: ".model.tmp" in run.unfinished()


def _planned_steps(run: ObservedRun) -> int:
    text = (run.root / "run.yaml").read_text(encoding="utf-8")
    return int(text.partition("max_steps: ")[2].split()[0])


def kinds_of(num_kills: int, rng: random.Random) -> list[str]:
    """Return the kind of moment of each kill; at least a third of them hits a checkpoint."""
    last = ["last evaluation", "final model"][: num_kills // 4]
    rest = ["checkpoint", "step", "checkpoint", "start", "deletion", "step"]
    chosen = [rest[number % len(rest)] for number in range(num_kills - len(last))]
    rng.shuffle(chosen)
    return chosen + last


def _train(run: Path) -> None:
    import torch

    from tidemask.run_record import RunDirectory
    from tidemask.runs.train import train

    torch.set_num_threads(1)
    train(RunDirectory(run))


def _in_process(target: Callable[..., Any], *arguments: Any) -> BaseProcess:
    process = _FORK.Process(target=target, args=arguments)
    process.start()
    return process


def _run_to_completion(target: Callable[..., Any], *arguments: Any) -> None:
    process = _in_process(target, *arguments)
    process.join()
    if process.exitcode != 0:
        sys.exit(f"{target.__name__} of {arguments[0]} failed: status {process.exitcode}")


def _kill_once(run: ObservedRun, kind: str, rng: random.Random) -> str:
    """Continue the run in a process and kill it; return a line that shows where it was."""
    before = run.metrics_file()
    process = _in_process(_train, run.root)
    is_due = _trigger(kind, run, rng)
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while process.is_alive() and time.monotonic() < deadline:
        # What the last attempt left is cleared before the metrics are cut, into a new file.
        has_begun = kind == "start" or before is None or run.metrics_file() != before
        if has_begun and is_due():
            break
        time.sleep(0.0002)
    time.sleep(rng.random() * 0.008)
    process.kill()
    process.join()
    if process.exitcode != -signal.SIGKILL:
        sys.exit(f"kill at {kind}: the run ended before, with status {process.exitcode}")
    return f"{kind}; {_where(run)}"


def _where(run: ObservedRun) -> str:
    partial = ", ".join(run.unfinished()) or "nothing"
    return f"half-written: {partial}; newest checkpoint: {run.last_step()}"


def _prepare(directory: Path, max_steps: int, names: Sequence[str]) -> None:
    from benchmarks.reliability import small_run

    corpus = small_run.write_small_corpus(directory)
    for name in names:
        small_run.new_small_run(
            corpus, directory / name, f"training.max_steps={max_steps}", "training.save_steps=2",
            "training.keep_checkpoints=2", "training.logging_steps=1", "evaluation.every_steps=5",
        )  # fmt: skip


def kill_and_compare(directory: Path, *, num_kills: int, seed: int) -> list[str]:
    """Kill a run several times; return in what it differs from the unbroken one.

    Args:
        directory: empty; the corpus and both runs are made in it.
        num_kills: number of kills.
        seed: seed of the moments, as far as the system repeats itself.
    """
    import tidemask.runs.train  # noqa: F401  # every process that is forked has it then

    rng = random.Random(seed)
    _run_to_completion(_prepare, directory, 6 * num_kills + 4, ("unbroken", "killed"))
    _run_to_completion(_train, directory / "unbroken")
    killed = ObservedRun(directory / "killed")
    for number, kind in enumerate(kinds_of(num_kills, rng), start=1):
        print(f"kill {number}: {_kill_once(killed, kind, rng)}", flush=True)
    _run_to_completion(_train, killed.root)
    return _differences(killed.root, directory / "unbroken")


def _differences(found: Path, expected: Path) -> list[str]:
    """In what a run differs from another."""
    from benchmarks.reliability import small_run

    ours, theirs = small_run.outcome(found), small_run.outcome(expected)
    return [part for part in theirs if ours[part] != theirs[part]]


def kill_uniformly(directory: Path, *, num_kills: int, seed: int) -> list[str]:
    """Kill one run after another at a uniform moment, continue each; return what differs.

    Moments are uniform over longer than any run has taken. A process that ends before its moment
    is not counted and its run is tried again, so that those that count are uniform over all that
    the process does, however busy the machine is.

    Args:
        directory: empty; the corpus and all runs are made in it.
        num_kills: number of kills.
        seed: seed of the moments.
    """
    import tidemask.runs.train  # noqa: F401

    rng = random.Random(seed)
    _run_to_completion(_prepare, directory, 12, ("unbroken", "new"))
    began = time.monotonic()
    _run_to_completion(_train, directory / "unbroken")
    longest = time.monotonic() - began
    different: list[str] = []
    hit: Counter[str] = Counter()
    killed = ObservedRun(directory / "killed")
    while hit.total() < num_kills:
        shutil.copytree(directory / "new", killed.root)
        moment = rng.random() * _MARGIN * longest
        began = time.monotonic()
        process = _in_process(_train, killed.root)
        process.join(moment)
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            stage, where = _stage(killed), _where(killed)
            hit[stage] += 1
            _run_to_completion(_train, killed.root)
            parts = _differences(killed.root, directory / "unbroken")
            different += [f"kill {hit.total()}: {part}" for part in parts]
            print(f"kill {hit.total()} after {moment:.2f} s, {stage}; {where}", flush=True)
        else:
            longest = max(longest, time.monotonic() - began)
        shutil.rmtree(killed.root)
    print(f"kills hit: {', '.join(f'{stage} {number}' for stage, number in hit.items())}")
    return different


def _stage(run: ObservedRun) -> str:
    """What a run does, by what it has written."""
    if (run.root / "model").exists() or ".model.tmp" in run.unfinished():
        return "final model"
    if run.last_step() == _planned_steps(run):
        return "last evaluation"
    if any(name.startswith(".checkpoint-") for name in run.unfinished()):
        return "checkpoint"
    return "steps" if run.last_line() else "start"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = OneLineParser(prog="kills.py", description="SIGKILL at random moments; same result?")
    parser.add_argument("--kills", type=int, default=20, help="how many (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--uniform", action="store_true", help="each hits a run of its own")
    options = parser.parse_args(arguments)
    if options.kills < 1:
        parser.error(f"--kills {options.kills}: expected at least 1")
    with tempfile.TemporaryDirectory() as directory:
        kill = kill_uniformly if options.uniform else kill_and_compare
        different = kill(Path(directory), num_kills=options.kills, seed=options.seed)
    if different:
        print(f"differs from the unbroken run in: {', '.join(different)}")
        sys.exit(1)
    print(f"{options.kills} kills: the same to the last bit")


if __name__ == "__main__":
    main()
