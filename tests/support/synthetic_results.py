"""Results of downstream tasks in run directories, with made-up but lifelike scores."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tidemask.run_record import RunDirectory

METRICS = {
    "blimp": "accuracy",
    "pseudo-perplexity": "pseudo_perplexity",
    "cola": "matthews_correlation",
    "sst2": "accuracy",
    "mrpc": "f1",
    "stsb": "spearman",
    "qqp": "f1",
    "mnli": "accuracy",
    "qnli": "accuracy",
    "rte": "accuracy",
    "wnli": "accuracy",
    "squad": "f1",
    "conll2003": "f1",
    "pos": "accuracy",
}
"""The main metric of each task that can be made."""

ZERO_SHOT = ("blimp", "pseudo-perplexity")

_FROM_TO = {
    "blimp": (0.5, 0.72),
    "pseudo-perplexity": (900.0, 31.0),
    "cola": (0.03, 0.12),
    "sst2": (0.74, 0.84),
    "rte": (0.527, 0.53),
    "squad": (0.12, 0.52),
}
"""Scores of random weights and of the final model; other tasks have the default of `_content`."""


@dataclass(frozen=True, kw_only=True)
class SyntheticResults:
    """Results to be made for a run; every field has an effect that a test can look for."""

    tasks: tuple[str, ...] = ("blimp", "pseudo-perplexity", "sst2", "mnli")
    checkpoints: tuple[str, ...] = ("checkpoint-200", "checkpoint-500", "final")
    seeds: tuple[int, ...] = (0, 1, 2)
    random: bool = True
    gain: float = 1.0
    epochs: float = 3.0
    last_step: int = 1000


def write_results(root: Path, made: SyntheticResults) -> Path:
    """Add results to the run directory `root`; random weights score the same in every run."""
    run = RunDirectory(root)
    run.evaluation.mkdir(exist_ok=True)
    for content in _contents(made):
        path = run.result(content["task"], content["checkpoint"], content.get("seed"))
        path.write_text(json.dumps(content))
    return root


def _contents(made: SyntheticResults) -> Iterator[dict[str, Any]]:
    for task in made.tasks:
        for checkpoint in (*made.checkpoints, *(["random"] if made.random else [])):
            for seed in (None,) if task in ZERO_SHOT else made.seeds:
                yield _content(made, task, checkpoint, seed)


def _content(
    made: SyntheticResults, task: str, checkpoint: str, seed: int | None
) -> dict[str, Any]:
    gain = 0.0 if checkpoint == "random" else made.gain
    rng = np.random.default_rng(
        [zlib.crc32(task.encode()), zlib.crc32(checkpoint.encode()), seed or 0, int(1000 * gain)]
    )
    first, last = _FROM_TO.get(task, (0.4, 0.7))
    learned = gain * (1 - np.exp(-4 * _step(made, checkpoint) / made.last_step))
    spread = 0.006 if seed is not None else 0.0
    if task == "pseudo-perplexity":
        score = float(first * (last / first) ** learned)
    else:
        score = float(first + (last - first) * learned + spread * rng.standard_normal())
    content: dict[str, Any] = {
        "task": task,
        "checkpoint": checkpoint,
        "metrics": {METRICS[task]: score, "num_examples": 872},
        "main_metric": METRICS[task],
        "settings": {"max_length": 128},
        "data": {"dev": "sha256:77aa"},
        "model": {"fingerprint": "sha256:12cd"},
        "versions": {"torch": "2.13.0"},
        "notes": ["2 of 872 sequences were cut at 128 tokens."] if task == "sst2" else [],
        "seconds": 12.5,
    }
    if seed is not None:
        content["seed"] = seed
        content["settings"] |= {"epochs": made.epochs, "num_seeds": len(made.seeds)}
        content["learning_rate"] = 1e-4
        content["trials"] = [{"learning_rate": 1e-4, "metrics": content["metrics"]}]
    return content


def _step(made: SyntheticResults, checkpoint: str) -> int:
    if checkpoint == "final":
        return made.last_step
    return int(checkpoint.removeprefix("checkpoint-")) if "-" in checkpoint else 0
