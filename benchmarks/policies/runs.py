"""One short run for each family of masking policies, on text that every installation has."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
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
    """A run by its name, with the recipe and what differs from it.

    Attributes:
        name: of its directory.
        figure: that it is drawn in.
        recipe: of its policy.
        overrides: what differs from the recipe.
        scored_by: the run whose model scores the corpus for this one, if its policy needs that.
    """

    name: str
    figure: str
    recipe: str
    overrides: Sequence[str] = ()
    scored_by: str = ""


RUNS = (
    PolicyRun("decay", "ratio", "mrd-cosine"),
    PolicyRun("matched", "ratio", "constant-matched"),
    PolicyRun("ptw", "class-loss", "ptw"),
    PolicyRun("learnability", "statistics", "learnability"),
    PolicyRun("progress", "statistics", "learnability", ("masking.content.statistic=progress",)),
    PolicyRun(
        "mixture",
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
        "phases",
        "phases",
        "bert",
        ("masking.phases=[{until: 0.5, unit: token}, {until: 1.0, unit: span}]",),
    ),
    PolicyRun(
        "reference",
        "reference",
        "reference-entropy",
        ("masking.content.blend={schedule: constant, ratio: 0.5}",),
        scored_by="matched",
    ),
    PolicyRun("scored", "scored", "self-masking"),
    PolicyRun("bandit", "bandit", "bandit-ratio"),
)


def runs_for(figures: Collection[str]) -> list[PolicyRun]:
    """The runs that figures are drawn of, and those whose models score the corpus for them."""
    drawn = [run for run in RUNS if run.figure in figures]
    scoring = {run.scored_by for run in drawn}
    return [run for run in RUNS if run in drawn or run.name in scoring]


def add_columns(corpus: Path, work: Path, terms: Mapping[str, str] = TERMS) -> None:
    """Annotate a corpus with the columns that need no model, unless it has them."""
    words = [f"{word}\t{name}\n" for name, listed in terms.items() for word in listed.split()]
    (work / "terms.txt").write_text("".join(words), encoding="utf-8")
    _add_column(corpus, "terms", f"list:{work / 'terms.txt'}")
    _add_column(corpus, "tfidf", "tfidf")


def train_all(
    runs: Sequence[PolicyRun],
    corpus: Path,
    work: Path,
    *,
    steps: int,
    settings: Sequence[str] = SETTINGS,
) -> None:
    """Train the runs that are not finished yet into `work/NAME`, in their order."""
    from tidemask import pretrain

    lengths = (f"training.max_steps={steps}", f"evaluation.every_steps={max(1, steps // 6)}")
    for run in runs:
        print(f"run: {run.name}", file=sys.stderr, flush=True)
        if run.scored_by:
            _add_column(corpus, "entropy", f"model:{work / run.scored_by}", attribute="entropy")
        pretrain(
            corpus,
            out=work / run.name,
            recipe=run.recipe,
            overrides=[*settings, *lengths, f"training.save_steps={steps}", *run.overrides],
            resume="auto",
            progress=False,
        )


def _add_column(corpus: Path, column: str, source: str, *, attribute: str | None = None) -> None:
    from tidemask import annotate

    if not (corpus / "columns" / column).exists():
        annotate(
            corpus, column=column, source=source, attribute=attribute, workers=1, progress=False
        )
