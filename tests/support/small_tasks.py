"""Tiny models on disk, and tasks that they can learn, for the tests of fine-tuned tasks."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prose import sentence
from scored_material import wordpiece
from tidemask.tasks.classification.features import TextTaskSettings
from tidemask.tasks.classification.task import TextTask
from tidemask.tasks.data import TaskData
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.model_under_test import ModelUnderTest
from tiny_models import tiny

QUICK = FineTuneSettings(epochs=1, num_seeds=2, learning_rates=(1e-3,), max_length=24)
"""One short epoch; nothing is learned."""


def tiny_model_under_test(directory: Path, name: str = "bert", **changes: Any) -> ModelUnderTest:
    """A tiny model of an architecture, with a WordPiece tokenizer, saved."""
    tokenizer = wordpiece()
    model = tiny(name, **{"vocab_size": len(tokenizer), "pad_token_id": 0, **changes})
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return ModelUnderTest(directory=directory, tokenizer_directory=directory)


def rows(number: int, *, seed: int = 0, label: str = "label") -> list[dict[str, Any]]:
    """Sentences, about half of which name the river; which do is the label."""
    rng = random.Random(seed)
    made = []
    for _ in range(number):
        words = sentence(rng).replace("river", "stone")
        named = rng.random() < 0.5
        made.append({"sentence": f"River, {words}" if named else words, label: int(named)})
    return made


def write_rows(directory: Path, **splits: Sequence[Mapping[str, Any]]) -> Path:
    """The splits as JSON Lines."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, examples in splits.items():
        lines = "".join(json.dumps(example) + "\n" for example in examples)
        (directory / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return directory


def text_task(directory: Path, fine_tuning: FineTuneSettings = QUICK, **settings: Any) -> TextTask:
    """A text task on the splits in a directory."""
    chosen = TextTaskSettings(**{"name": "river", **settings})
    return TextTask(chosen, TaskData(task="river", directory=directory), fine_tuning)
