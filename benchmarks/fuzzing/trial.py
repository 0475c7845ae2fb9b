"""One mutation tried: a copy of the world, a process of its own, and a verdict on how it ended."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from benchmarks.fuzzing.world import FuzzedFile, FuzzedName

CRASHED, HUNG, WRONG, UNNAMED = "traceback", "hang", "silently wrong", "names no file"
ACCEPTED, REFUSED = "accepted", "refused"
FAULTS = (CRASHED, HUNG, WRONG)

_EXPECTED_STATUS = 2
_LONGEST_LINES = 12


@dataclass(frozen=True)
class Ended:
    """How a command ended: status as `os.waitstatus_to_exitcode`, `None` where it was killed."""

    status: int | None
    output: str
    errors: str
    seconds: float


def _become_command(
    arguments: tuple[str, ...], world: Path, streams: tuple[Path, Path]
) -> NoReturn:
    os.setsid()
    os.chdir(world)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    sys.argv = ["tidemask", *arguments]
    status = 1
    try:
        import torch

        torch.set_num_threads(1)
        from tidemask.cli.app import main

        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _processor_seconds(process: int) -> float:
    """Seconds of processor time of a process, of its threads and of children that it waited for."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def run_command(arguments: tuple[str, ...], world: Path, *, seconds: float) -> Ended:
    """Run a command in a process forked from this one, and end all of its processes if it hangs.

    It hangs if it takes more than `seconds` of processor time, or none for as long: other work on
    the machine does not count.
    """
    streams = (world.parent / "stdout", world.parent / "stderr")
    began = since = time.monotonic()
    process, used, done, code = os.fork(), 0.0, 0, 0
    if process == 0:
        _become_command(arguments, world, streams)
    while not done and used < seconds and time.monotonic() - since < seconds:
        time.sleep(0.005)
        done, code = os.waitpid(process, os.WNOHANG)
        if not done and (now := _processor_seconds(process)) > used:
            used, since = now, time.monotonic()
    if not done:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
    output, errors = (path.read_text(encoding="utf-8", errors="replace") for path in streams)
    status = os.waitstatus_to_exitcode(code) if done else None
    return Ended(status, output, errors, time.monotonic() - began)


def verdict(fuzzed: FuzzedFile, ended: Ended, world: Path, expected: object) -> str:
    """What is to be said of a command that has read a damaged file."""
    if ended.status is None:
        return HUNG
    lines = ended.errors.strip().splitlines()
    if "Traceback" in ended.errors or ended.status not in (0, _EXPECTED_STATUS):
        return CRASHED
    if ended.status == 0:
        if fuzzed.outcome is None:
            return ACCEPTED
        try:
            same = fuzzed.outcome(world, ended.output) == expected
        except (OSError, ValueError):
            same = False
        is_noted = Path(fuzzed.file).name in ended.errors
        return ACCEPTED if same or is_noted else WRONG
    if len(lines) > _LONGEST_LINES:
        return CRASHED
    parts = Path(fuzzed.file).parts
    return REFUSED if any(part in ended.errors for part in parts) else UNNAMED


@dataclass(frozen=True)
class Trial:
    """What was tried, how it can be tried again, the verdict, and how the command ended."""

    name: str
    verdict: str
    ended: Ended

    @property
    def line(self) -> str:
        """One line for a reader."""
        said = " ".join(self.ended.errors.split())[-300:]
        how = f"{self.ended.seconds:.1f} s, status {self.ended.status}"
        return f"{self.verdict}: {self.name} ({how}): {said}".encode(errors="replace").decode()


def damage(
    fuzzed: FuzzedFile, world: Path, *, seed: int, expected: object, seconds: float
) -> Trial:
    """Damage a file of a world and run the command that reads it."""
    rng = random.Random(f"{fuzzed.name} {seed}")
    path = world / fuzzed.file
    before = path.read_bytes()
    mutation = fuzzed.mutations[0]
    while path.is_file() and not path.is_symlink() and path.read_bytes() == before:
        mutation = rng.choice(fuzzed.mutations)
        mutation(path, rng)
    ended = run_command(fuzzed.arguments, world, seconds=seconds)
    found = verdict(fuzzed, ended, world, expected)
    return Trial(f"{fuzzed.name} {mutation.__name__} seed {seed}", found, ended)


def rename(named: FuzzedName, world: Path, name: str, *, seconds: float) -> Trial:
    """Give a path of a world a hostile name and run a command on it, which must work as before.

    Where a name is no text (not UTF-8), a refusal is as good.
    """
    target = world / (name + Path(named.path).suffix)
    target.parent.mkdir(exist_ok=True)
    if (world / named.path).exists():
        (world / named.path).rename(target)
    shown = f"./{target.relative_to(world)}"
    arguments = tuple(
        shown if part == named.path else part.replace(f"={named.path}", f"={shown}")
        for part in named.arguments
    )
    ended = run_command(arguments, world, seconds=seconds)
    is_text = name.isprintable() and all(not "\ud800" <= c <= "\udfff" for c in name)
    if ended.status is None:
        found = HUNG
    elif "Traceback" in ended.errors or ended.status not in (0, _EXPECTED_STATUS):
        found = CRASHED
    else:
        found = ACCEPTED if ended.status == 0 else UNNAMED if is_text else REFUSED
    return Trial(f"{named.name} {name!r}", found, ended)
