"""The demonstration, timed; its answer is what the README shows.

    python benchmarks/studies/demonstration.py

writes `benchmarks/results/demonstration-cpu.json` and `docs/demo-held-out.png`, the figure of the
README; `tests/docs/test_numbers_of_readme.py` compares the README with the first.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import ROOT
from benchmarks.command import OneLineParser, write_json
from benchmarks.machine import conditions
from tidemask.report.tables.table_files import WrittenTable, read_table

RESULTS = ROOT / "benchmarks" / "results" / "demonstration-cpu.json"
FIGURE = ROOT / "docs" / "demo-held-out.png"
TABLES = ("arms", "trained_under", "scores")


def measure(out: Path, *, steps: int | None = None) -> dict[str, Any]:
    """Run `tidemask demo` in a process of its own; seconds, and the tables of its study.

    Args:
        out: directory of the demonstration.
        steps: of each run; the usual number if left out.
    """
    began = conditions()
    options = [] if steps is None else ["--steps", str(steps)]
    command = [sys.executable, "-m", "tidemask", "demo", "--out", str(out), *options]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    tables = out / "study" / "report" / "tables"
    return {
        **began,
        "seconds": round(seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "tables": {name: _rows(read_table(tables / f"{name}.json")) for name in TABLES},
    }


def keep_figure(demonstration: Path) -> None:
    """Draw the held-out losses of a finished demonstration for the README.

    Args:
        demonstration: its directory.
    """
    out = demonstration / "compared"
    command = ["compare", str(demonstration / "study"), "--out", str(out), "--png"]
    subprocess.run([sys.executable, "-m", "tidemask", *command], check=True)
    shutil.copyfile(out / "figures" / "held_out_by_step.png", FIGURE)


def _rows(table: WrittenTable) -> list[dict[str, Any]]:
    """Rows by the names of the columns, without the places of the runs on this machine."""
    rows = [dict(zip(table.names, row, strict=True)) for row in table.rows]
    return [{name: cell for name, cell in row.items() if name != "directory"} for row in rows]


def main() -> None:
    """Measure, and keep what was found."""
    parser = OneLineParser(prog="demonstration.py", description=__doc__)
    parser.add_argument("--steps", type=int, help="of each run; nothing is kept then")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        result = measure(Path(place) / "demo", steps=options.steps)
        if options.steps is None:
            keep_figure(Path(place) / "demo")
            write_json(RESULTS, result)
    print(f"{result['seconds']} s, {result['processor_seconds']} s of processor time")


if __name__ == "__main__":
    main()
