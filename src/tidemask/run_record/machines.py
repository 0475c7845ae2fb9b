"""What a run was trained with, as `environment.json` has it: versions, processor, device, threads.

What it began with stands at the top of the file. Where it went on with anything else, `continued`
has that, and the number of steps that were done by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

NUMERIC_PACKAGES = ("tidemask", "torch", "transformers", "accelerate", "tokenizers", "numpy")
"""Packages whose versions may change the numbers of a run."""

CONTINUED = "continued"
"""Where `environment.json` has what a run went on with."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Versions and hardware; what an earlier version did not record is `None`, or no version.

    Attributes:
        versions: of Python and of packages, by name.
        device: name of the GPU; or of the CPU's architecture, where there is none.
        processor: name of the processor's model, as the system gives it.
        cores: of the processor, that the process may use.
        threads: of the arithmetic on the CPU.
    """

    versions: dict[str, str] = field(default_factory=dict)
    device: str | None = None
    processor: str | None = None
    cores: int | None = None
    threads: int | None = None


_NAMES = [one.name for one in fields(Machine)]


def machines_of(environment: Mapping[str, Any]) -> dict[int, Machine]:
    """What a run was trained with, by the number of steps that were done before; 0 comes first.

    Args:
        environment: of the run, as `RunDirectory.read_environment` gives it.
    """
    later = {one["step"]: _machine(one) for one in environment.get(CONTINUED, ())}
    return {0: _machine(environment), **dict(sorted(later.items()))}


def _machine(recorded: Mapping[str, Any]) -> Machine:
    return Machine(**{name: recorded[name] for name in _NAMES if name in recorded})


def with_machine(environment: Mapping[str, Any], machine: Machine, step: int) -> dict[str, Any]:
    """The environment of a run that goes on with a machine.

    Steps after `step` are trained again, so that what they were trained with before is left out. A
    run that has done no step begins with the machine, wherever its directory was made.

    Args:
        environment: so far.
        machine: with which it goes on.
        step: number of steps that are done.
    """
    kept = [one for one in environment.get(CONTINUED, ()) if one["step"] < step]
    found = {name: value for name, value in environment.items() if name != CONTINUED}
    if step == 0:
        return {**found, **asdict(machine)}
    if machine != _machine(kept[-1] if kept else found):
        kept.append({"step": step, **asdict(machine)})
    return {**found, CONTINUED: kept} if kept else found


def with_machines_of(environment: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """An environment with what the run was trained with whose steps another run goes on from.

    Args:
        environment: of the run that is made.
        other: of the run before; one that says nothing changes nothing.
    """
    names = {*_NAMES, CONTINUED}
    before = {name: value for name, value in other.items() if name in names}
    if not before:
        return dict(environment)
    return {**before, **{name: one for name, one in environment.items() if name not in names}}


def changes(before: Machine, after: Machine) -> dict[str, tuple[str, str]]:
    """What may change the numbers of a run and is another, with both values as text.

    What is not known of one of them is left out.

    Returns:
        By name of the package, or under `processor`, `device` and `threads`.
    """
    old, new = ({**one.versions, **_hardware(one)} for one in (before, after))
    return {
        name: (old[name], new[name])
        for name in (*NUMERIC_PACKAGES, "processor", "device", "threads")
        if name in old and name in new and old[name] != new[name]
    }


def _hardware(machine: Machine) -> dict[str, str]:
    names = ("processor", "device", "threads")
    return {name: str(getattr(machine, name)) for name in names if getattr(machine, name)}


def in_place_of(found: Iterable[tuple[str, tuple[str, str]]]) -> str:
    """Changes in words: `torch 2.13.0 in place of 2.11.0`, joined by commas and "and".

    Args:
        found: at least one, as `changes` has them.
    """
    words = [
        f"{after} thread{'s' * (after != '1')} in place of {before}"
        if name == "threads"
        else f"{name if name in NUMERIC_PACKAGES else f'the {name}'} {after} in place of {before}"
        for name, (before, after) in found
    ]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
