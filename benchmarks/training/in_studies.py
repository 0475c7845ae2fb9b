"""Which part of a step masking took in the runs of the studies, from their committed metrics.

    python benchmarks/training/in_studies.py

prints the part of `docs/benchmarks/training.md` that it makes.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import ROOT

BY_ARM = "content"
"""The study whose arms differ in what masking has to compute; they have a line each."""
ONE_LINE = ("ratio", "choice")
"""Studies whose arms differ in the ratio alone; they have the lowest and the highest."""

_INTRODUCTION = """\
## Masking in the runs of the studies

`masking` again, as the median over all logged lines of the five seeds of an arm: `masking_share` of
`studies/results/STUDY/runs/*/seed-*/metrics.jsonl`. The model is `modernbert-tiny-local`, of two
layers of 128, at 32x128 in float32, with one thread beside another run. `python
benchmarks/training/in_studies.py` prints it.

The aim is less than 1 % of a step of `bert-tiny` at 32x128, which the tables above keep, with
weights by class loss, too. In these runs masking all tokens or words alike stays below 1 %, and
each weighting takes more.
"""


def shares(study: str) -> dict[str, list[float]]:
    """`masking_share` of every logged line of the runs of a study, by arm."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    runs = ROOT / "studies" / "results" / study / "runs"
    for path in sorted(runs.glob("*/seed-*/metrics.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        found[path.parts[-3]] += [json.loads(line)["masking_share"] for line in lines]
    return dict(found)


def section() -> str:
    """The part of the page in Markdown."""
    lines = ["| study | arm | masking, median | logged lines |", "|---|---|--:|--:|"]
    for study in (BY_ARM, *ONE_LINE):
        by_arm = shares(study)
        arms = sorted(by_arm, key=lambda arm: statistics.median(by_arm[arm]))
        for arm in arms if study == BY_ARM else (arms[0], arms[-1]):
            which = f"`{arm}`" + {arms[0]: ", lowest", arms[-1]: ", highest"}.get(arm, "")
            median = f"{100 * statistics.median(by_arm[arm]):.2f} %"
            lines.append(f"| {study} | {which} | {median} | {len(by_arm[arm])} |")
    return _INTRODUCTION + "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(section(), end="")
