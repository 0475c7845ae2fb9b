"""Copies of the small world, one at a time, to damage and to run commands in."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

_LARGE_BYTES = 1 << 16
"""Files from here on are linked: the program replaces such files and never writes into them."""


@dataclass(frozen=True)
class Copies:
    """Makes copies of what a command names of a world.

    Attributes:
        template: the world.
        scratch: directory for the copy.
    """

    template: Path
    scratch: Path

    def fresh(self, arguments: tuple[str, ...]) -> Path:
        """A sound copy for a command, in place of the copy before."""
        world = self.scratch / "world"
        shutil.rmtree(world, ignore_errors=True)
        world.mkdir(parents=True)
        named = {part for argument in arguments for part in re.split("[=/]", argument)}
        for path in self.template.iterdir():
            if path.is_dir() and path.name in named:
                shutil.copytree(path, world / path.name, copy_function=_copy)
            elif path.is_file():
                shutil.copy2(path, world)
        return world

    def written_since(self, seconds: float) -> list[Path]:
        """Files of the world that were written into after a time: there should be none."""
        found = [path for path in self.template.rglob("*") if path.is_file()]
        return [path for path in found if path.stat().st_mtime > seconds]


def _copy(source: str, target: str) -> None:
    if Path(source).stat().st_size < _LARGE_BYTES:
        shutil.copy2(source, target)
    else:
        os.link(source, target)
