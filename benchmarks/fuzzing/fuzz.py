"""Damage every file that the program reads, again and again, and look at how each command ends.

    python benchmarks/fuzzing/fuzz.py --mutations 500 --seed 0
    python benchmarks/fuzzing/fuzz.py --only resume:stopped --first 40 --mutations 1

A command may refuse a damaged file with status 2 and one line, or go on where nothing is changed
by it. A traceback, an end by a signal, no end within the time, or another result than that of the
sound file with status 0 and no note (where there is one right result) is a fault; the exit status
says if there was one. Files and directories with hostile names must be read and written as any
other. Every trial is a process on a copy of a small world, forked from this one after it has run
each command on the sound world. Seed and number make a trial again.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser
from benchmarks.fuzzing import trial
from benchmarks.fuzzing.copies import Copies
from benchmarks.fuzzing.fuzzed import FuzzedFile, FuzzedName
from benchmarks.fuzzing.mutations import HOSTILE_NAMES
from benchmarks.fuzzing.readers import FUZZED_NAMES, SLOW, fuzzed_files
from benchmarks.fuzzing.trial import Trial
from benchmarks.fuzzing.world import build_world

_IMPORTED = (
    "tidemask.runs.train", "tidemask.runs.creation", "tidemask.cli.app", "tidemask.corpus.prepare",
    "tidemask.evaluation.evaluate", "tidemask.inspection.inspect", "tidemask.report",
    "tidemask.tasks.table", "tidemask.tuning.tune", "tidemask.runs.push",
    "transformers.models.bert.modeling_bert",
)  # fmt: skip
"""What commands import; every process that is forked has it then."""


def _build(template: Path) -> None:
    """Make the world in a process of its own: what is forked later has no threads of a training."""
    process = os.fork()
    if process == 0:
        import torch

        torch.set_num_threads(1)
        build_world(template)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0, "the world was not built"


@dataclass(frozen=True)
class Fuzzer:
    """Tries mutations of a world.

    Attributes:
        copies: of the world, to be damaged.
        numbers: of the mutations of each file and command.
        seed: of the mutations.
        seconds: after which a command hangs.
    """

    copies: Copies
    numbers: range
    seed: int
    seconds: float

    def rehearse(self, fuzzed: Sequence[FuzzedFile | FuzzedName]) -> dict[str, object]:
        """Run each command undamaged, which must end with status 0; what it leaves, by name."""
        outcomes: dict[str, object] = {}
        for arguments in dict.fromkeys(one.arguments for one in fuzzed):
            world = self.copies.fresh(arguments)
            ended = trial.rehearse(arguments, world)
            if ended.status != 0:
                sys.exit(f"{arguments}: status {ended.status} undamaged: {ended.errors}")
            for one in fuzzed:
                if isinstance(one, FuzzedFile) and one.outcome and one.arguments == arguments:
                    outcomes[one.name] = one.outcome(world, ended.output)
        gc.collect()
        gc.freeze()  # what was collected is not touched, and so not copied, in each fork
        return outcomes

    def damage(self, fuzzed: FuzzedFile, expected: object) -> Iterator[Trial]:
        """Damage a file in several ways; damage that was tried before ends as it did."""
        known: dict[object, Trial] = {}
        for number in self.numbers:
            world = self.copies.fresh(fuzzed.arguments)
            mutation = trial.damage(fuzzed, world, f"{self.seed} {number}")
            damaged = trial.what_stands_at(world / fuzzed.file)
            if damaged not in known:
                with _quicker(fuzzed, number):
                    ended = trial.run_command(fuzzed.arguments, world, seconds=self.seconds)
                verdict = trial.verdict(fuzzed, ended, world, expected)
                known[damaged] = Trial(fuzzed.name, f"{mutation} number {number}", verdict, ended)
            yield known[damaged]

    def rename(self, named: FuzzedName) -> Iterator[Trial]:
        """Give what a command reads or writes hostile names."""
        names = list(HOSTILE_NAMES)
        random.Random(f"{named.name} {self.seed}").shuffle(names)
        for number, name in list(enumerate(names))[self.numbers.start : self.numbers.stop]:
            world = self.copies.fresh(named.arguments)
            with _quicker(named, number):
                yield trial.rename(named, world, os.fsdecode(name), seconds=self.seconds)

    def run(self, only: str, every: int, skip: int) -> list[Trial]:
        """Try what is asked for; print and return what did not end as it should.

        Args:
            only: part of the names of what is tried.
            every: of those, every so-many-th is.
            skip: so many of these are left out first.
        """
        everything: list[FuzzedFile | FuzzedName] = [
            *fuzzed_files(self.copies.template),
            *FUZZED_NAMES,
        ]
        chosen = [fuzzed for fuzzed in everything if only in fuzzed.name][::every][skip:]
        began = time.time()
        outcomes = self.rehearse(chosen)
        found: dict[Trial, None] = {}
        counts: Counter[str] = Counter()
        for fuzzed in chosen:
            if isinstance(fuzzed, FuzzedFile):
                trials = self.damage(fuzzed, outcomes.get(fuzzed.name))
            else:
                trials = self.rename(fuzzed)
            here: Counter[str] = Counter()
            for tried in trials:
                here[tried.verdict] += 1
                if tried.verdict in (*trial.FAULTS, trial.UNNAMED) and tried not in found:
                    print(tried.line, flush=True)
                    found[tried] = None
            counts += here
            print(f"{fuzzed.name}: {dict(here)}", flush=True)
        print(f"all {counts.total()} of {len(chosen)} files and names: {dict(counts)}")
        if written := self.copies.written_since(began):
            sys.exit(f"written into in place: {', '.join(map(str, written))}")
        return [tried for tried in found if tried.verdict in trial.FAULTS]


@contextmanager
def _quicker(fuzzed: FuzzedFile | FuzzedName, number: int) -> Iterator[None]:
    """Leave out what is slow in a command, but in every tenth trial."""
    with ExitStack() as stack:
        if number % 10 != 9:
            for name, value in SLOW.get(fuzzed.arguments[0], {}).items():
                stack.enter_context(mock.patch(name, return_value=value))
        yield


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = OneLineParser(prog="fuzz.py", description="Damaged files: what do commands say?")
    parser.add_argument("--mutations", type=int, default=20, help="of each file (default 20)")
    parser.add_argument("--first", type=int, default=0, help="number of the first one (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default 0)")
    parser.add_argument("--only", default="", help="part of the name of a file, as it is printed")
    parser.add_argument("--every", type=int, default=1, help="every so-many-th file (default 1)")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many first (default 0)")
    parser.add_argument("--seconds", type=float, default=10.0, help="a hang is longer (default 10)")
    options = parser.parse_args(arguments)
    for name, lowest in (("mutations", 1), ("first", 0), ("every", 1), ("skip", 0)):
        if (value := getattr(options, name)) < lowest:
            parser.error(f"--{name} {value}: expected at least {lowest}")
    numbers = range(options.first, options.first + options.mutations)
    for name in _IMPORTED:
        __import__(name)
    with tempfile.TemporaryDirectory() as directory:
        template, scratch = Path(directory) / "template", Path(directory) / "scratch"
        template.mkdir()
        _build(template)
        fuzzer = Fuzzer(Copies(template, scratch), numbers, options.seed, options.seconds)
        faults = fuzzer.run(options.only, options.every, options.skip)
    print(f"faults: {len(faults)}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
