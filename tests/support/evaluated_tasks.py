"""Data for one task of each kind, settings with which they take seconds, and what is displayed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prose import sentence
from tidemask.progress.display import ProgressDisplay

Command = Callable[..., tuple[int, str, str]]
"""What the fixture `tidemask` gives."""

QUICK = (
    "fine_tuning.epochs=1", "fine_tuning.num_seeds=2", "fine_tuning.learning_rates=[1e-3, 3e-3]",
    "fine_tuning.max_length=24", "minimal_pairs.limit=4", "squad.max_length=32",
    "pseudo_perplexity.sequences=4",
)  # fmt: skip


class RecordingDisplay(ProgressDisplay):
    """Keeps what it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.last: tuple[str, int, int | None] | None = None
        self.notes_before_results: list[str] = []

    def on_progress(self, stage: str, done: int, total: int | None) -> None:
        self.calls += 1
        self.last = stage, done, total

    def on_note(self, sentence: str) -> None:
        self.calls += 1
        if self.last is None or self.last[1] == 0:
            self.notes_before_results.append(sentence)


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_tasks(root: Path) -> Path:
    """A directory with data for one task of each kind, in our own words."""
    rng = random.Random(0)
    for split, number in (("train", 24), ("dev", 12)):
        rows = [{"sentence": sentence(rng), "label": n % 2, "idx": n} for n in range(number)]
        _lines(root / "cola" / f"{split}.jsonl", rows)
        _lines(root / "stsb" / f"{split}.jsonl", [
            {"sentence1": sentence(rng), "sentence2": sentence(rng), "label": n / 3.0}
            for n in range(number)
        ])  # fmt: skip
        context = [f"Marta paints the {noun} near a bridge." for noun in ("kettle", "lantern")]
        _lines(root / "squad" / f"{split}.jsonl", [
            {"id": f"{split}-{n}", "title": "", "context": context[n % 2],
             "question": "Who paints?", "answers": {"text": ["Marta"], "answer_start": [0]}}
            for n in range(number)
        ])  # fmt: skip
        tagged = "Marta B-PER\npaints O\nthe O\nriver O\n\n" * number
        (root / "conll2003").mkdir(exist_ok=True)
        (root / "conll2003" / f"{split}.conll").write_text(tagged)
    pairs = [
        {"sentence_good": f"the river {verb}", "sentence_bad": f"river the {verb}", "UID": uid,
         "linguistics_term": "order", "field": "syntax", "pairID": str(n)}
        for n, verb in enumerate("finds breaks lifts leaves paints".split())
        for uid in ("one", "two")
    ]  # fmt: skip
    _lines(root / "blimp" / "blimp.jsonl", pairs)
    return root
