"""Whether a long training grows: memory, threads and open files against steps.

    python benchmarks/reliability/soak.py --minutes 10 --json benchmarks/results/soak-cpu.json

One process trains a tiny model on a tiny corpus, so that an epoch is some tens of steps, and logs,
evaluates and saves all the while; what a run of hours does once in minutes, this does every second.
It is stopped as a scheduler stops a training. The slope of its resident memory is fitted after the
first fifth of the steps, with its standard error; memory that varies but does not grow has a slope
of some bytes per step.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from benchmarks.command import OneLineParser

_WARM_UP = 0.2
"""Share of the steps after which memory should no longer grow."""
_SAMPLES = 200
"""Rows that are kept, evenly spaced."""
_MAX_LINES = 200_000
"""Room for observations is taken at the start, so that they are no growth themselves."""

_COLUMNS = ("step", "rss_bytes", "threads", "open_files")

Row = dict[str, int]


def measure_process(step: int) -> Row:
    """Return memory, threads and open files of this process, by `_COLUMNS`; on Linux alone."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return {
        "step": step,
        "rss_bytes": int(fields["VmRSS"].split()[0]) * 1024,
        "threads": int(fields["Threads"]),
        "open_files": len(list(Path("/proc/self/fd").iterdir())),
    }


def slope(rows: Sequence[Row], column: str) -> tuple[float, float]:
    """Return the least-squares slope of a column per step after the warm-up, and its error.

    The error is the standard error. It takes the residuals of the sampled rows as independent;
    they are not quite, so it is rather too small.
    """
    after = [row for row in rows if row["step"] > _WARM_UP * rows[-1]["step"]]
    steps = np.array([row["step"] for row in after], dtype=np.float64)
    values = np.array([row[column] for row in after], dtype=np.float64)
    centred = steps - steps.mean()
    found = float(centred @ values / (centred @ centred))
    residuals = values - values.mean() - found * centred
    variance = float(residuals @ residuals) / (len(after) - 2)
    return found, float(np.sqrt(variance / (centred @ centred)))


def soak(
    directory: Path, *, minutes: float, steps: int | None, settings: Sequence[str]
) -> list[Row]:
    """Train for a time or a number of steps; return a row for every logged step."""
    import torch

    from benchmarks.reliability import small_run
    from tidemask.run_record import RunDirectory
    from tidemask.runs.callbacks import RunCallbacks
    from tidemask.runs.train import train
    from tidemask.training.signals import Interrupted, StopRequest

    torch.set_num_threads(1)
    run = small_run.new_small_run(
        small_run.write_small_corpus(directory), directory / "run", "training.max_steps=100000000",
        "training.logging_steps=10", "training.save_steps=50", "evaluation.every_steps=30",
        *settings,
    )  # fmt: skip
    seen = np.full((_MAX_LINES, len(_COLUMNS)), -1, dtype=np.int64)
    numbers = itertools.count()

    def on_record(record: Mapping[str, object]) -> None:
        step = int(str(record["step"]))
        seen[next(numbers)] = list(measure_process(step).values())
        if steps is not None and step >= steps:
            os.kill(os.getpid(), signal.SIGTERM)

    stop_request = StopRequest()
    timer = threading.Timer(60 * minutes, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        with stop_request.listening():
            train(RunDirectory(run), RunCallbacks(on_record=on_record), stop_request)
    except Interrupted:
        lines = seen[: next(numbers)].tolist()
        return [dict(zip(_COLUMNS, line, strict=True)) for line in lines]
    raise AssertionError("the run ended before it was stopped")


def report(rows: Sequence[Row], *, minutes: float, settings: Sequence[str]) -> dict[str, Any]:
    """Return the figures with the conditions they were measured under."""
    from benchmarks.machine import conditions

    per_step, error = slope(rows, "rss_bytes")
    every = max(1, len(rows) // _SAMPLES)
    return {
        **conditions(),
        "minutes": minutes,
        "settings": list(settings),
        "steps": rows[-1]["step"],
        "rss_bytes_per_step": per_step,
        "standard_error": error,
        "threads": sorted({row["threads"] for row in rows[len(rows) // 5 :]}),
        "open_files": sorted({row["open_files"] for row in rows[len(rows) // 5 :]}),
        "rows": list(rows[::every]),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = OneLineParser(prog="soak.py", description="Does a long training grow?")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--steps", type=int, help="end after so many steps, if that is sooner")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    parser.add_argument("settings", nargs="*", help="section.field=value")
    options = parser.parse_args(arguments)
    if not Path("/proc/self/status").is_file():
        parser.error("there is no /proc here to read memory from")
    if not options.minutes > 0:
        parser.error(f"--minutes {options.minutes:g}: expected more than 0")
    with tempfile.TemporaryDirectory() as directory:
        rows = soak(
            Path(directory),
            minutes=options.minutes,
            steps=options.steps,
            settings=options.settings,
        )
    if len(rows) < 20:
        parser.error(f"--minutes {options.minutes:g}: only {len(rows)} logged lines; take more")
    found = report(rows, minutes=options.minutes, settings=options.settings)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    first = next(row for row in rows if row["step"] > _WARM_UP * rows[-1]["step"])
    print(
        f"{found['steps']:,} steps: {found['rss_bytes_per_step']:+.1f} "
        f"± {found['standard_error']:.1f} bytes per step, "
        f"{first['rss_bytes'] / 1e6:.1f} -> {rows[-1]['rss_bytes'] / 1e6:.1f} MB, "
        f"threads {found['threads']}, open files {found['open_files']}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
