"""Who reads a study: its state, and the sums that a comparison of its arms reads."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing.fuzzed import Reader, files_in, printed

_STATE = (
    "definition.yaml", "step_costs.json", "seed-0.jsonl", "run.yaml", "metrics.jsonl", "arms.json",
)  # fmt: skip


def readers(root: Path) -> list[Reader]:
    """Commands on a study, the files of each, and what it leaves."""
    everything = files_in(root, "study")
    state = [name for name in everything if Path(name).name in _STATE]
    sums = [name for name in everything if Path(name).suffix == ".npz"]
    arms = [str(Path(name).parents[1]) for name in sums]
    return [
        (("study", "status", "study"), state, None),
        (("compare", *arms, "--out", "report"), sums, printed),
    ]
