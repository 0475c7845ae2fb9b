"""Who reads a finished model: its scores of texts, the words it fills in, its results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing.fuzzed import FuzzedName, Reader, files_in
from benchmarks.fuzzing.readers.runs import corpus_files

_SENTENCE = "The river paints a stone."
_SCORE_FILE = ("score", "model", "--file", "lines.txt")
_PAIRS = ("--tasks", "pairs", "--task-data", "pairs=tasks/pairs.jsonl")
_HELD_OUT = ("evaluate", "model", "--tasks", "held-out", "--data", "corpus", "--out", "results")

NAMES = (
    FuzzedName("model", ("score", "model", _SENTENCE)),
    FuzzedName("lines.txt", _SCORE_FILE),
    FuzzedName("evaluated", ("evaluate", "evaluated", "--tasks", "held-out")),
    FuzzedName(
        "tasks", ("evaluate", "run", "--tasks", "pairs", "--task-data", "pairs=tasks/pairs.tsv")
    ),
)


def readers(root: Path) -> list[Reader]:
    """Commands on a model, the files of each, and what it leaves."""
    model = files_in(root, "model")
    return [
        (("evaluate", "run", *_PAIRS), ["run/run.yaml", *files_in(root, "run/model")], None),
        (("evaluate", "evaluated", *_PAIRS), ["evaluated/evaluation/pairs--final.json"], None),
        (_HELD_OUT, corpus_files(root), None),
        (("score", "model", _SENTENCE), model, None),
        (("score", "sharded", _SENTENCE), files_in(root, "sharded"), None),
        (_SCORE_FILE, ["lines.txt"], None),
        (("fill", "model", "The [MASK] paints."), model, None),
    ]
