"""Damage every file that the program reads, again and again, and look at how each command ends.

    python benchmarks/fuzzing/fuzz.py --mutations 500 --seed 0
    python benchmarks/fuzzing/fuzz.py --only resume:stopped --mutations 50

A command may refuse a damaged file with status 2 and one line, or go on where nothing is changed
by it. A traceback, an end by a signal, no end within the time, or another result than that of the
sound file with status 0 and no note (where there is one right result) is a fault; the exit status
says if there was one. Files and directories with hostile names must be read and written as any
other. Every trial is a forked process on a copy of a small world; a seed makes it again.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser
from benchmarks.fuzzing import trial
from benchmarks.fuzzing.mutations import HOSTILE_NAMES
from benchmarks.fuzzing.world import FUZZED_NAMES, FuzzedFile, FuzzedName, build_world, fuzzed_files

_IMPORTED = (
    "tidemask.runs.train", "tidemask.runs.creation", "tidemask.cli.app", "tidemask.corpus.prepare",
    "tidemask.evaluation.evaluate", "tidemask.report", "tidemask.tasks.table",
    "transformers.models.bert.modeling_bert",
)  # fmt: skip
"""What commands import; every process that is forked has it then."""


def _fresh_world(template: Path, scratch: Path) -> Path:
    world = scratch / "world"
    shutil.rmtree(world, ignore_errors=True)
    shutil.copytree(template, world)
    return world


def _build(template: Path) -> None:
    """Make the world in a process of its own: what is forked later has no threads of a training."""
    process = os.fork()
    if process == 0:
        import torch

        torch.set_num_threads(1)
        build_world(template)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0, "the world was not built"


@dataclass
class Fuzzer:
    """Tries mutations of a world.

    Attributes:
        template: the world as it was made.
        scratch: where it is copied to and damaged.
        num_mutations: of each file and command.
        seed: of the mutations.
        seconds: after which a command hangs.
    """

    template: Path
    scratch: Path
    num_mutations: int
    seed: int
    seconds: float
    outcomes: dict[tuple[str, ...], object] = field(default_factory=dict)

    def sound_outcome(self, fuzzed: FuzzedFile) -> object:
        """What the command leaves of the sound file; it must end with status 0."""
        if fuzzed.arguments not in self.outcomes:
            world = _fresh_world(self.template, self.scratch)
            ended = trial.run_command(fuzzed.arguments, world, seconds=120)
            if ended.status != 0:
                sys.exit(f"{fuzzed.name}: status {ended.status} undamaged: {ended.errors}")
            outcome = fuzzed.outcome(world, ended.output) if fuzzed.outcome else None
            self.outcomes[fuzzed.arguments] = outcome
        return self.outcomes[fuzzed.arguments]

    def damage(self, fuzzed: FuzzedFile) -> Iterator[trial.Trial]:
        """Damage a file in several ways."""
        expected = self.sound_outcome(fuzzed)
        for number in range(self.num_mutations):
            world = _fresh_world(self.template, self.scratch)
            seed = self.seed * 1_000_000 + number
            yield trial.damage(fuzzed, world, seed=seed, expected=expected, seconds=self.seconds)

    def rename(self, named: FuzzedName) -> Iterator[trial.Trial]:
        """Give what a command reads or writes hostile names."""
        names = list(HOSTILE_NAMES)
        random.Random(f"{named.name} {self.seed}").shuffle(names)
        for name in names[: self.num_mutations]:
            world = _fresh_world(self.template, self.scratch)
            yield trial.rename(named, world, os.fsdecode(name), seconds=self.seconds)

    def run(self, only: str) -> list[trial.Trial]:
        """Try all whose name contains `only`; print and return what did not end as it should."""
        found: list[trial.Trial] = []
        counts: Counter[str] = Counter()
        for fuzzed in [*fuzzed_files(self.template), *FUZZED_NAMES]:
            if only not in fuzzed.name:
                continue
            trials = self.damage(fuzzed) if isinstance(fuzzed, FuzzedFile) else self.rename(fuzzed)
            here: Counter[str] = Counter()
            for tried in trials:
                here[tried.verdict] += 1
                if tried.verdict in (*trial.FAULTS, trial.UNNAMED):
                    print(tried.line, flush=True)
                    found.append(tried)
            counts += here
            print(f"{fuzzed.name}: {dict(here)}", flush=True)
        print(f"all: {dict(counts)}")
        return [tried for tried in found if tried.verdict in trial.FAULTS]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = OneLineParser(prog="fuzz.py", description="Damaged files: what do commands say?")
    parser.add_argument("--mutations", type=int, default=20, help="of each file (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default 0)")
    parser.add_argument("--only", default="", help="part of the name of a file, as it is printed")
    parser.add_argument("--seconds", type=float, default=10.0, help="a hang is longer (default 10)")
    options = parser.parse_args(arguments)
    if options.mutations < 1:
        parser.error(f"--mutations {options.mutations}: expected at least 1")
    for name in _IMPORTED:
        __import__(name)
    with tempfile.TemporaryDirectory() as directory:
        template, scratch = Path(directory) / "template", Path(directory) / "scratch"
        template.mkdir()
        scratch.mkdir()
        _build(template)
        fuzzer = Fuzzer(template, scratch, options.mutations, options.seed, options.seconds)
        faults = fuzzer.run(options.only)
    print(f"faults: {len(faults)}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
