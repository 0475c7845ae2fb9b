"""One mutation tried: a copy of the world, a process of its own, and a verdict on how it ended."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import stat
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzzing.fuzzed import FuzzedFile, FuzzedName
from benchmarks.fuzzing.surroundings import AROUND

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


def _streams(world: Path) -> tuple[Path, Path]:
    """Where standard output and standard error of a command in a world go."""
    return world.parent / "stdout", world.parent / "stderr"


def _call(arguments: tuple[str, ...], world: Path) -> int:
    """Run a command within this process, whose directory and streams are changed; its status."""
    os.chdir(world)
    for number, path in enumerate((os.devnull, *_streams(world))):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if number else 0), 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["tidemask", *arguments]
    status = 1
    try:
        import torch

        torch.set_num_threads(1)
        from tidemask.cli.app import main

        with AROUND.get(arguments[0], nullcontext)(world):
            main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _ended(status: int | None, world: Path, seconds: float) -> Ended:
    output, errors = (
        path.read_text(encoding="utf-8", errors="replace") for path in _streams(world)
    )
    return Ended(status, output, errors, seconds)


def rehearse(arguments: tuple[str, ...], world: Path) -> Ended:
    """Run a command in this process itself, which forks quicker trials then.

    What a command does once in a process, imports, validators and fonts, is two thirds of its
    time on files this small. Of the files that it read nothing is kept in memory.
    """
    began, directory = time.monotonic(), Path.cwd()
    kept = [os.dup(number) for number in range(3)]
    try:
        status = _call(arguments, world)
    finally:
        os.chdir(directory)
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
            os.close(descriptor)
    return _ended(status, world, time.monotonic() - began)


def _processor_seconds(process: int) -> float:
    """Seconds of processor time of a process, of its threads and of children that it waited for."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def run_command(arguments: tuple[str, ...], world: Path, *, seconds: float) -> Ended:
    """Run a command in a process forked from this one, and end all of its processes if it hangs.

    It hangs if it takes more than `seconds` of processor time, or none for as long: other work on
    the machine does not count.
    """
    began = since = time.monotonic()
    process, used, done, code = os.fork(), 0.0, 0, 0
    if process == 0:
        os.setsid()
        os._exit(_call(arguments, world))
    while not done and used < seconds and time.monotonic() - since < seconds:
        time.sleep(0.005)
        done, code = os.waitpid(process, os.WNOHANG)
        if not done and (now := _processor_seconds(process)) > used:
            used, since = now, time.monotonic()
    if not done:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
    status = os.waitstatus_to_exitcode(code) if done else None
    return _ended(status, world, time.monotonic() - began)


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

    tried: str
    how: str
    verdict: str
    ended: Ended

    @property
    def line(self) -> str:
        """One line for a reader."""
        said = " ".join(self.ended.errors.split())[-300:]
        how = f"{self.ended.seconds:.1f} s, status {self.ended.status}"
        line = f"{self.verdict}: {self.tried} {self.how} ({how}): {said}"
        return line.encode(errors="replace").decode()


def damage(fuzzed: FuzzedFile, world: Path, seed: str) -> str:
    """Damage a file of a world; returns the name of the mutation."""
    rng = random.Random(f"{fuzzed.name} {seed}")
    path = world / fuzzed.file
    before = path.read_bytes()
    path.unlink()  # it may be one with that of the template
    path.write_bytes(before)
    mutation = fuzzed.mutations[0]
    while path.is_file() and not path.is_symlink() and path.read_bytes() == before:
        mutation = rng.choice(fuzzed.mutations)
        mutation(path, rng)
    return mutation.__name__


def what_stands_at(path: Path) -> object:
    """What a damaged path holds, to know a damage again."""
    if path.is_symlink():
        return path.readlink()
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).digest()
    return stat.S_IFMT(path.stat().st_mode) if path.exists() else None


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
        shown
        if part == named.path
        else re.sub(f"(?<=[=:]){re.escape(named.path)}", lambda _: shown, part)
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
    return Trial(named.name, repr(name), found, ended)
