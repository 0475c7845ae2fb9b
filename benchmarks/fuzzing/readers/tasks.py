"""Who reads the data of downstream tasks."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing.fuzzed import Reader, files_in

_QUICK = (
    "fine_tuning.epochs=1", "fine_tuning.num_seeds=1", "fine_tuning.learning_rates=[1e-3]",
    "fine_tuning.max_length=24",
)  # fmt: skip
_EVALUATE = ("evaluate", "model", *_QUICK, "--out", "results", "--no-random")


def readers(root: Path) -> list[Reader]:
    """Commands on the data of a task, the files of each, and what it leaves."""
    return [
        (_task("sst2", "sst2"), files_in(root, "tasks/sst2"), None),
        (_task("sst2", "saved"), files_in(root, "tasks/saved"), None),
        (_task("conll2003", "ner"), files_in(root, "tasks/ner"), None),
        (_task("squad", "squad"), files_in(root, "tasks/squad"), None),
        (_task("squad", "official"), files_in(root, "tasks/official"), None),
        (_task("pairs", "pairs.jsonl"), ["tasks/pairs.jsonl"], None),
        (_task("pairs", "pairs.tsv"), ["tasks/pairs.tsv"], None),
        (_task("pairs", "pairs.csv"), ["tasks/pairs.csv"], None),
        ((*_EVALUATE, "--tasks", "tasks/own.yaml"), ["tasks/own.yaml"], None),
        (
            (*_EVALUATE, "--tasks", "tasks/speech.yaml"),
            ["tasks/speech.yaml", *files_in(root, "tasks/pos")],
            None,
        ),
    ]


def _task(name: str, data: str) -> tuple[str, ...]:
    return (*_EVALUATE, "--tasks", name, "--task-data", f"{name}=tasks/{data}")
