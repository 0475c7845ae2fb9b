"""Thirty steps of three policies against losses that were recorded when rows became full.

Counts of masked tokens must agree exactly, whatever the machine; losses to what other kernels of a
CPU may change. A change that moves numbers on purpose writes the file again and says why:

    python tests/test_golden_runs.py CORPUS     # of tests/conftest.py; prints the record
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import tidemask

RECORD = Path(__file__).with_name("golden_runs.json")
SETTINGS = (
    "model.size=bert-tiny", "training.max_steps=30", "training.micro_batch_size=8",
    "training.gradient_accumulation_steps=2", "training.logging_steps=5", "training.save_steps=10",
    "training.learning_rate=1e-3", "training.precision=float32", "training.report_to=none",
    "evaluation.sequences=8", "evaluation.every_steps=10", "evaluation.final_draws=1",
    "evaluation.final_sequences=16",
)  # fmt: skip


def record_of(recipe: str, corpus: Path, out: Path) -> dict[str, list[Any]]:
    """What is recorded of a run."""
    tidemask.pretrain(corpus, out=out, recipe=recipe, overrides=SETTINGS, progress=False)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    final = json.loads((out / "evaluation" / "held-out--final.json").read_text())["metrics"]
    names = {"loss": "loss", "grad_norm": "grad_norm", "predicted_tokens": "predicted_tokens",
             "realised_ratio": "masking/realised_ratio"}  # fmt: skip
    record = {name: [line[key] for line in lines] for name, key in names.items()}
    names = [f"{unit}loss_{percent}" for unit in ("", "word_") for percent in (5, 15, 30)]
    return {**record, "held_out": [final[f"held_out/{name}"] for name in names]}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["bert", "ptw-mrd", "spanbert"])
def test_golden_runs_are_what_they_were(recipe: str, corpus: Path, tmp_path: Path) -> None:
    expected = json.loads(RECORD.read_text())[recipe]
    found = record_of(recipe, corpus, tmp_path / "run")
    assert found["predicted_tokens"] == expected["predicted_tokens"]
    assert found["realised_ratio"] == expected["realised_ratio"]
    for name in ("loss", "grad_norm", "held_out"):
        assert found[name] == pytest.approx(expected[name], rel=1e-4), name


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as out:
        corpus = Path(sys.argv[1])
        recipes = json.loads(RECORD.read_text())
        print(json.dumps({r: record_of(r, corpus, Path(out) / r) for r in recipes}, indent=1))
