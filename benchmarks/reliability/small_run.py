"""A run of some seconds on text of our own, for what tries a run hard: kills, endurance."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import ROOT

SETTINGS = (
    "model.size=bert-tiny",
    "model.dropout=0.1",
    "training.micro_batch_size=8",
    "training.learning_rate=1e-3",
    "training.lr_schedule=constant",
    "masking.content.horizon_steps=10",
    "evaluation.sequences=16",
    "evaluation.final_sequences=16",
    "evaluation.final_draws=1",
)
"""Over the recipe `ptw-mrd`, whose masks depend on all earlier losses."""


def write_small_corpus(directory: Path) -> Path:
    """Prepare some hundred sequences of 32 tokens; return their directory."""
    from tidemask.corpus.prepare import prepare

    sys.path.append(str(ROOT / "tests" / "support"))
    from prose import text

    source = directory / "text.txt"
    source.write_text(text(40), encoding="utf-8")
    prepare(
        source,
        out=directory / "corpus",
        vocab_size=200,
        lowercase=True,
        sequence_length=32,
        held_out=0.2,
        workers=1,
        progress=False,
    )
    return directory / "corpus"


def new_small_run(corpus: Path, out: Path, *settings: str) -> Path:
    """Create a run that has not trained yet; return its directory."""
    from tidemask.runs.config import load_recipe
    from tidemask.runs.creation import new_run

    return new_run(load_recipe("ptw-mrd", [*SETTINGS, *settings]), corpus, out).root


def outcome(run: Path) -> dict[str, Any]:
    """Return all that a finished run leaves, but the times, in a form that can be compared."""
    from tidemask.run_record import TIME_METRICS

    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        "weights": (run / "model" / "model.safetensors").read_bytes(),
        "checkpoints": {path.name: _state(path) for path in run.glob("checkpoint-*")},
        "metrics": [[(k, v) for k, v in line.items() if k not in TIME_METRICS] for line in lines],
        "evaluation": (run / "evaluation" / "held-out--final.json").read_bytes(),
        "directory": sorted(path.name for path in run.iterdir()),
    }


def _state(checkpoint: Path) -> dict[str, Any]:
    """Hash of every file of a checkpoint but the tokenizer's, which are the corpus's.

    Of our own state, which has times in it, the class losses.
    """
    state, listed = (
        json.loads((checkpoint / name).read_text(encoding="utf-8-sig"))
        for name in ("tidemask_state.json", "checkpoint.json")
    )
    files = {
        name: entry["sha256"]
        for name, entry in listed["files"].items()
        if name != "tidemask_state.json" and not name.startswith("tokenizer")
    }
    return {**files, "class_loss": state["class_loss"]}
