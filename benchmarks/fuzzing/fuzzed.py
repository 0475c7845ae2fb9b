"""What is tried: a file or a name, who reads it, and what must be true when that ends well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzzing.mutations import Mutation
from benchmarks.reliability import small_run

Outcome = Callable[[Path, str], object]
"""What a command leaves, of the world and of what it printed."""

Reader = tuple[tuple[str, ...], list[str], Outcome | None]
"""A command, the files that it reads, and what it leaves; see `FuzzedFile`."""


@dataclass(frozen=True)
class FuzzedFile:
    """A file, who reads it, and what must be true if that ends with status 0.

    Attributes:
        file: path below the world.
        arguments: of the command that reads it; paths are relative to the world.
        mutations: what may happen to it.
        outcome: files that the command leaves, or its output, to compare with those of the
            file as it was; `None` where another content is another input.
    """

    file: str
    arguments: tuple[str, ...]
    mutations: tuple[Mutation, ...]
    outcome: Outcome | None = None

    @property
    def name(self) -> str:
        """What it is called on the command line of the fuzzer."""
        return f"{self.arguments[0]}:{self.file}"


@dataclass(frozen=True)
class FuzzedName:
    """A path below the world that a command reads or makes, and which may have another name."""

    path: str
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called on the command line of the fuzzer."""
        return f"names:{self.arguments[0]}:{self.path}"


def files_in(root: Path, directory: str) -> list[str]:
    """Files below a directory that are not for people or for TensorBoard alone."""
    found = [path for path in (root / directory).rglob("*") if path.is_file()]
    read = [path for path in found if path.suffix != ".md" and path.parent.name != "tensorboard"]
    return sorted(str(path.relative_to(root)) for path in read)


def run_left(name: str) -> Outcome:
    """All that a run has come to, but the times."""
    return lambda world, _: small_run.outcome(world / name)


def printed(_: Path, output: str) -> str:
    """What a command printed, where that is its whole answer."""
    return output
