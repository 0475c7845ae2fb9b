"""One short run for each family of masking policies, on text that every installation has."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STEPS = 300

SETTINGS = (
    "model.size=modernbert-tiny-local",
    "model.dropout=0.0",
    "training.micro_batch_size=16",
    "training.learning_rate=4.5e-3",
    "training.precision=float32",
    "training.logging_steps=4",
    "training.report_to=none",
    "evaluation.sequences=32",
    "evaluation.final_sequences=32",
    "evaluation.final_draws=1",
)
"""Over those of every recipe; the model is the demonstration's, which learns within minutes."""

TERMS = {
    "CONTAINER": "list dict dictionary tuple set sequence mapping iterable array",
    "ERROR": "error errors exception exceptions traceback warning failure",
    "FILE": "file files path paths directory filename stream",
}
"""A word list of the text's field, with a class for each word."""


@dataclass(frozen=True)
class PolicyRun:
    """A run by its name, with the recipe and what differs from it."""

    name: str
    recipe: str
    overrides: Sequence[str] = ()


RUNS = (
    PolicyRun("decay", "mrd-cosine"),
    PolicyRun("matched", "constant-matched"),
    PolicyRun("ptw", "ptw"),
    PolicyRun("learnability", "learnability"),
    PolicyRun("progress", "learnability", ("masking.content.statistic=progress",)),
    PolicyRun(
        "mixture",
        "ptw",
        (
            "masking.content={weighting: mixture, parts: ["
            "{share: {schedule: linear, start: 1.0, end: 0.2}, content: {weighting: uniform}}, "
            "{share: {schedule: linear, start: 0.0, end: 0.8}, content: {weighting: class_loss}}]}",
        ),
    ),
    PolicyRun(
        "columns",
        "bert",
        (
            "masking.unit=word",
            "masking.content={weighting: mixture, parts: ["
            "{share: 0.2, content: {weighting: table, classes: terms, "
            "weights: {CONTAINER: 1, ERROR: 1, FILE: 1}}}, "
            "{share: 0.3, content: {weighting: column, column: tfidf}}, "
            "{share: 0.5, content: {weighting: uniform}}]}",
        ),
    ),
    PolicyRun(
        "phases", "bert", ("masking.phases=[{until: 0.5, unit: token}, {until: 1.0, unit: span}]",)
    ),
    PolicyRun("scored", "self-masking"),
    PolicyRun("bandit", "bandit-ratio"),
)


def add_columns(corpus: Path, work: Path, terms: Mapping[str, str] = TERMS) -> None:
    """Annotate a corpus with the columns that the policies name, unless it has them."""
    from tidemask import annotate

    words = [f"{word}\t{name}\n" for name, listed in terms.items() for word in listed.split()]
    (work / "terms.txt").write_text("".join(words), encoding="utf-8")
    for column, source in (("terms", f"list:{work / 'terms.txt'}"), ("tfidf", "tfidf")):
        if not (corpus / "columns" / column).exists():
            annotate(corpus, column=column, source=source, workers=1, progress=False)


def train_all(corpus: Path, work: Path, *, steps: int, settings: Sequence[str] = SETTINGS) -> None:
    """Train the runs that are not finished yet into `work/NAME`."""
    from tidemask import pretrain

    lengths = (f"training.max_steps={steps}", f"evaluation.every_steps={max(1, steps // 6)}")
    for run in RUNS:
        print(f"run: {run.name}", file=sys.stderr, flush=True)
        pretrain(
            corpus,
            out=work / run.name,
            recipe=run.recipe,
            overrides=[*settings, *lengths, f"training.save_steps={steps}", *run.overrides],
            resume="auto",
            progress=False,
        )
