"""On what a measurement was made: processor, versions, revision, load."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

from benchmarks import ROOT

PACKAGES = ("torch", "numpy", "transformers", "tokenizers", "seqmask", "minicons", "tidemask")


def versions() -> dict[str, str]:
    """Python's version and those of the packages that take part; absent ones are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def revision() -> str:
    """The commit of the source, `+` if the package differs from it; `unknown` outside git."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "src")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def conditions() -> dict[str, Any]:
    """All of it, to be kept beside the figures."""
    from tidemask.modeling.precision import instruction_set
    from tidemask.runs.machine import processor

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": f"{processor()} ({instruction_set()})",
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(load, 2),
        "versions": versions(),
        "revision": revision(),
    }


def machine_line(result: Mapping[str, Any]) -> str:
    """Say on what the figures of a page were measured."""
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    device = f"{result['device']}, " if "device" in result else ""
    return (
        f"{device}{result['processor']}, {result['cores']} cores, {result['system']}; {versions}; "
        f"revision {result['revision']}, {result['date']}; load before the run "
        f"{result['load_before']}."
    )


def matrix_flops() -> float:
    """Floating-point operations per second of a float32 product of 1,024 x 1,024 on one core."""
    import torch

    matrix = torch.ones(1024, 1024)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = []
    for _ in range(4):
        started = time.perf_counter()
        matrix @ matrix
        found.append(time.perf_counter() - started)
    torch.set_num_threads(threads)
    return 2.0 * 1024**3 / median(found[1:])
