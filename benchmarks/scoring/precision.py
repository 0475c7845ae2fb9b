"""Whether bf16 moves the scores of tasks, and what it saves.

    python benchmarks/scoring/precision.py MODEL --tasks sst2,rte,squad,conll2003,blimp \
        --tasks-from DIR --json benchmarks/results/evaluation-h200.json

Each task is measured on one model in float32 and in bf16, with the same seeds and the same learning
rate. A fine-tuned score differs between precisions as it does between seeds, so the difference of
the means stands beside the standard deviation over seeds. Nothing is kept in MODEL. On a CPU it
runs as well; `--set` takes settings of `tidemask evaluate`, such as
fine_tuning.max_train_examples=500.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser
from benchmarks.machine import conditions

PRECISIONS = ("float32", "bf16")


def measure(
    model: str, tasks: Sequence[str], root: Path | None, settings: Sequence[str], precision: str
) -> list[dict[str, Any]]:
    """Return one row per task: its scores by seed, and the seconds it took."""
    from tidemask.evaluation.evaluate import evaluate

    rows = []
    for task in tasks:
        chosen = [f"fine_tuning.precision={precision}", f"scoring.precision={precision}"]
        begun = time.perf_counter()
        (result,) = evaluate(
            model,
            tasks=[task],
            overrides=[*settings, *chosen],
            tasks_from=root,
            with_random=False,
            jobs=1,
        )
        if result.problem:
            sys.exit(f"evaluation_precision: {task}: {result.problem}")
        rows.append(
            {
                "group": "evaluation",
                "task": task,
                "metric": result.main_metric,
                "precision": precision,
                "scores": [seed.metrics[result.main_metric] for seed in result.results],
                "seconds": round(time.perf_counter() - begun, 2),
            }
        )
        print(f"{task} in {precision}: {rows[-1]['scores']}", file=sys.stderr, flush=True)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Format scores x 100 in both precisions, their difference, deviation and speed-up."""
    lines = [
        "| task | metric | float32 | bf16 | difference | deviation over seeds | times as fast |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for task in dict.fromkeys(row["task"] for row in rows):
        float32, bf16 = (
            next(r for r in rows if (r["task"], r["precision"]) == (task, precision))
            for precision in PRECISIONS
        )
        means = [100 * statistics.mean(row["scores"]) for row in (float32, bf16)]
        several = len(float32["scores"]) > 1
        spread = f"{100 * statistics.stdev(float32['scores']):.2f}" if several else ""
        speed_up = float32["seconds"] / bf16["seconds"]
        lines.append(
            f"| {task} | {float32['metric']} | {means[0]:.2f} | {means[1]:.2f} "
            f"| {means[1] - means[0]:+.2f} | {spread} | {speed_up:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the command."""
    parser = OneLineParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="a run, or a model directory")
    parser.add_argument("--tasks", default="sst2,rte,squad,conll2003,blimp")
    parser.add_argument("--tasks-from", type=Path, required=True, metavar="DIR")
    parser.add_argument("--set", nargs="*", default=[], metavar="section.field=value")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    from tidemask.evaluation.targets import newest_model

    machine = conditions()
    model = str(newest_model(arguments.model).directory)  # a run would keep results
    tasks = arguments.tasks.split(",")
    settings = ["fine_tuning.learning_rates=[1e-4]", *arguments.set]
    rows = [
        row
        for precision in PRECISIONS
        for row in measure(model, tasks, arguments.tasks_from, settings, precision)
    ]
    print(table(rows))
    if arguments.json:
        content = {"machine": machine, "settings": settings, "rows": rows}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
