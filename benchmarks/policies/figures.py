"""Draw the figures of the guide on what to mask, each of a run of its own.

    python benchmarks/policies/figures.py --work runs

prepares the text of the demonstration, trains eleven runs of 300 steps into `runs` (those that are
finished are kept), keeps their numbers in `benchmarks/results/policies-cpu.json` and draws them
into `docs/figures`. `--figures reference` trains the runs of that figure alone, and keeps the
numbers of the others, whose conditions stay theirs. With `--draw-only` the kept numbers are drawn
again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import ROOT
from benchmarks.command import OneLineParser
from benchmarks.machine import conditions
from benchmarks.policies.charts import FIGURES, chart_of
from benchmarks.policies.runs import STEPS, add_columns, runs_for, train_all
from tidemask.report.figures.rendering import rendered

RESULTS = ROOT / "benchmarks" / "results" / "policies-cpu.json"
DRAWN = ROOT / "docs" / "figures"


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer the command line."""
    options = _parse(arguments)
    if not options.draw_only:
        keep(options.work, options.figures)
    draw(kept(), DRAWN)


def keep(work: Path, figures: Sequence[str]) -> None:
    """Train the runs, and write what their figures show with the machine and the versions."""
    from benchmarks.policies.series import series_of
    from tidemask.corpus.demo_text.prepared import prepare_demo_text

    found = conditions()
    work.mkdir(parents=True, exist_ok=True)
    prepare_demo_text(work / "corpus")
    add_columns(work / "corpus", work)
    train_all(runs_for(figures), work / "corpus", work, steps=STEPS)
    made = series_of(work, figures)
    result = {"conditions": {}, "figures": {}} if set(made) == set(FIGURES) else kept()
    result["conditions"] |= dict.fromkeys(figures, found)
    result["figures"] |= made
    write(result)


def write(result: Mapping[str, Any]) -> None:
    """Keep what figures show, a line for each, and for each the conditions of its runs."""
    parts = []
    for part in ("conditions", "figures"):
        lines = [f'"{name}": {json.dumps(result[part][name])}' for name in FIGURES]
        parts.append(f'"{part}": {{\n' + ",\n".join(lines) + "}")
    RESULTS.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


def kept() -> dict[str, Any]:
    """What was kept of the last runs: `conditions` and `figures`, by the figures' names."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def draw(result: Mapping[str, Any], directory: Path) -> None:
    """Draw the figures of kept numbers as PNG files."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in FIGURES:
        chart = chart_of(name, result["figures"][name])
        (directory / f"{name}.png").write_bytes(rendered(chart, ["png"])["png"])
        print(f"figure: {directory / name}.png", file=sys.stderr)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OneLineParser(prog="policies/figures.py", description="Draw the policies' figures.")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where the runs are kept")
    parser.add_argument(
        "--figures", nargs="+", choices=FIGURES, default=list(FIGURES), metavar="NAME",
        help="train the runs of these alone; all if left out",
    )  # fmt: skip
    parser.add_argument("--draw-only", action="store_true", help="draw the kept numbers, no runs")
    options = parser.parse_args(arguments)
    if options.draw_only == (options.work is not None):
        parser.error("give --work DIR, or --draw-only")
    return options


if __name__ == "__main__":
    main()
