"""With what a run is trained here, in its environment, and a note where it began with another."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path

import torch

from tidemask.errors import command_line
from tidemask.files.atomic import write_atomically
from tidemask.modeling.precision import has_bf16, usual_device
from tidemask.processes import available_cores
from tidemask.run_record import (
    NUMERIC_PACKAGES,
    Machine,
    RunDirectory,
    changes,
    in_place_of,
    machines_of,
    with_machine,
)
from tidemask.runs.config import RunConfig


def processor() -> str:
    """Name of the processor's model, as the system gives it; its architecture where there is none.

    Linux names it in `/proc/cpuinfo`, but for most processors by ARM.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def this_machine(gpu: str = "") -> Machine:
    """Versions and hardware that a run of this process is trained with.

    Args:
        gpu: name of the GPU where there is one; it is asked if left out, which takes hold of it.
    """
    cuda = torch.cuda.is_available()
    return Machine(
        versions={
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in (*NUMERIC_PACKAGES, "pyarrow")},
        },
        device=gpu or torch.cuda.get_device_name() if cuda else f"cpu ({platform.machine()})",
        processor=processor(),
        cores=available_cores(),
        threads=torch.get_num_threads(),
    )


def record_machine(run: RunDirectory, config: RunConfig, step: int, engine: str) -> list[str]:
    """Write with what a run goes on, before its first step here.

    Args:
        run: whose environment is written.
        config: of the run.
        step: number of steps that are done.
        engine: what trains it, which is that of its last part.

    Returns:
        Notes: what is another than in the part before, and may change its numbers.

    Raises:
        UserError: the environment is damaged, or cannot be written.
    """
    before, now = run.read_environment(), this_machine()
    environment = {**with_machine(before, now, step), "engine": engine}
    go_on = f"continue with `{command_line('resume', run.root)}`"
    write_atomically(run.environment, json.dumps(environment, indent=2) + "\n", then=go_on)
    if step == 0:
        return []
    parts = [machine for begun, machine in machines_of(before).items() if begun < step]
    return _notes(changes(parts[-1], now), config)


def _notes(found: dict[str, tuple[str, str]], config: RunConfig) -> list[str]:
    if not found:
        return []
    # Another device draws dropout from other generators, and multiplies in another precision.
    how_far = "" if "device" in found else " in the last bits"
    notes = [
        f"The run goes on with {in_place_of(found.items())}: its numbers may differ from those of "
        f"an unbroken run{how_far}."
    ]
    is_other_hardware = {"processor", "device"} & found.keys()
    if is_other_hardware and config.training.precision == "float32" and has_bf16(usual_device()):
        notes.append(
            "It goes on in float32, in which it began; a run that begins here with "
            "training.precision=auto would be in bf16."
        )
    return notes
