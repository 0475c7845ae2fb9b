"""The page of the docs about the speed of scoring, from the data that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from benchmarks.machine import machine_line

Row = Mapping[str, Any]

_INTRODUCTION = """\
# How fast are minimal pairs scored?

*Written by `python benchmarks/scoring/speed.py --table` from `{source}`; do not edit.*

Pseudo-log-likelihood of both sentences of generated minimal pairs, about as long as BLiMP's, under
a BERT with random weights in float32, with a WordPiece tokenizer of about 30,000 entries. Both
libraries score the same pairs with the same model in the same process, and take turns in an order
that is drawn for each round, so that both meet the same disturbances. Given is the median turn as
pairs per second, quartiles in brackets; `times` is against the fastest of minicons.

- **tidemask**: `tidemask.tasks.zero_shot.minimal_pairs.score_pairs`, all pairs at once.
- **minicons**: `MaskedLMScorer.sequence_score`, summed, some sentences at a time.
"""

_EQUALITY = """\
## The same scores

Largest difference between the two libraries' pseudo-log-likelihoods of the sentences of {pairs}
generated pairs, nats, under a `bert-tiny` with random weights. Both compute in float32.

| tokenizer | variant | mean score | largest difference |
|---|---|--:|--:|
"""


def page(result: Mapping[str, Any], gpu: Mapping[str, Any] | None = None) -> str:
    """Return the page in Markdown of what `speed.py` keeps; there are no results on a GPU."""
    del gpu
    introduction = _INTRODUCTION.format(source="benchmarks/results/scoring-cpu.json")
    parts = [introduction, f"## On one core\n\n{machine_line(result)}\n", _table(result["rows"])]
    equality = result["equality"]
    if equality:
        parts.append(_EQUALITY.format(pairs=equality[0]["num_pairs"]) + _differences(equality))
    else:
        parts.append("minicons was not installed: nothing was compared.\n")
    return "\n".join(parts)


def _table(rows: list[Row]) -> str:
    lines = [
        "| model | contestant | sentences at a time | pairs/s | times |",
        "|---|---|--:|--:|--:|",
    ]
    for model, group in groupby(rows, key=lambda row: row["model"]):
        for row in group:
            low, high = row["quartiles"]
            times = row["times_minicons"]
            lines.append(
                f"| {model} | {row['group']} | {row['at_once']} | "
                f"{row['pairs_per_second']:.1f} ({low:.1f}–{high:.1f}) | "
                f"{'' if times is None else f'{times:.2f}'} |"
            )
    return "\n".join(lines) + "\n"


def _differences(rows: list[Row]) -> str:
    lines = [
        f"| {row['tokenizer']} | `{row['variant']}` | {row['mean_score']:.1f} | "
        f"{row['largest_difference']:.1e} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"
