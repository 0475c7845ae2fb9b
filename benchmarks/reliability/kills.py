"""Kill a training with SIGKILL again and again, and compare what it ends with.

    python benchmarks/reliability/kills.py --kills 20 --seed 0

One run is never touched. Another is killed at random moments: while it starts, at a step, while a
checkpoint is written, renamed or an old one deleted, and in the end during the last evaluation and
while the final model is saved. After each kill it is continued. Then weights, metrics (but times),
evaluation and the names of all files must be the same to the last bit; the exit status says so.

Every attempt is a process of its own, forked from one that has imported everything, as an import
takes longer than this run.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser

_TIMEOUT_SECONDS = 120.0
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
    partial = ", ".join(run.unfinished()) or "nothing"
    return f"{kind}; half-written: {partial}; newest checkpoint: {run.last_step()}"


def _prepare(directory: Path, max_steps: int) -> None:
    from benchmarks.reliability import small_run

    corpus = small_run.write_small_corpus(directory)
    for name in ("unbroken", "killed"):
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
    from benchmarks.reliability import small_run

    rng = random.Random(seed)
    _run_to_completion(_prepare, directory, 6 * num_kills + 4)
    _run_to_completion(_train, directory / "unbroken")
    killed = ObservedRun(directory / "killed")
    for number, kind in enumerate(kinds_of(num_kills, rng), start=1):
        print(f"kill {number}: {_kill_once(killed, kind, rng)}", flush=True)
    _run_to_completion(_train, killed.root)
    found, expected = (small_run.outcome(directory / name) for name in ("killed", "unbroken"))
    return [part for part in expected if found[part] != expected[part]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = OneLineParser(prog="kills.py", description="SIGKILL at random moments; same result?")
    parser.add_argument("--kills", type=int, default=20, help="how many (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    options = parser.parse_args(arguments)
    if options.kills < 1:
        parser.error(f"--kills {options.kills}: expected at least 1")
    with tempfile.TemporaryDirectory() as directory:
        different = kill_and_compare(Path(directory), num_kills=options.kills, seed=options.seed)
    if different:
        print(f"differs from the unbroken run in: {', '.join(different)}")
        sys.exit(1)
    print(f"{options.kills} kills: the same to the last bit")


if __name__ == "__main__":
    main()
