"""The line of a page of results that says with what the runs of its study were trained.

It stands between two comments, `<!-- machines STUDY -->` and `<!-- end of machines -->`.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from benchmarks.studies.kept_results import RECORDS
from tidemask.run_record import NUMERIC_PACKAGES, Machine, RunDirectory, machines_of

_MACHINES = re.compile(r"(<!-- machines (?P<name>[\w-]+) -->).*?(?=<!-- end of machines -->)")


def with_machines(page: str) -> str:
    """A page with the line of each study that it names."""
    return _MACHINES.sub(lambda found: f"{found[1]}{trained_with(RECORDS / found['name'])}", page)


def trained_with(study: Path) -> str:
    """On which processors and with which versions the runs of a study were trained, in one line.

    Args:
        study: its directory.
    """
    runs = sorted(path.parent for path in study.glob("runs/**/environment.json"))
    machines = [list(machines_of(RunDirectory(run).read_environment()).values()) for run in runs]
    begun = Counter(_in_words(first) for first, *_ in machines)
    later = Counter(_in_words(one) for _, *rest in machines for one in rest)
    parts = [f"{number} run{'s' * (number > 1)} {words}" for words, number in begun.items()]
    parts += [f"{number} of them continued {words}" for words, number in later.items()]
    return f"{'; '.join(parts)}."


def _in_words(machine: Machine) -> str:
    is_gpu = machine.device is not None and not machine.device.startswith("cpu")
    hardware = [machine.processor, machine.device if is_gpu else None]
    where = ", ".join(name for name in hardware if name)
    named = [name for name in NUMERIC_PACKAGES if name in machine.versions]
    versions = ", ".join(f"{name} {machine.versions[name]}" for name in named)
    return f"{f'on {where} ' if where else ''}with {versions}"
