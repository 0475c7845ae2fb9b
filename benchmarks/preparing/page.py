"""The page of the docs about the speed of preparation, from the data that are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks import ROOT
from benchmarks.machine import machine_line
from benchmarks.preparing.turn import DATASETS

REACH = ROOT / "benchmarks" / "results" / "preparing-reach-cpu.json"
"""What `reach.py` keeps: its rows by name."""

SHORT_ROW = "{count:,} documents of {words} words, none, {deduplicate}"
"""Name of a row of made-up documents."""

_NAMES_SHORT_ROW = "documents of"

_INTRODUCTION = """\
# How fast is text prepared?

*Written by `python benchmarks/preparing/speed.py --table` from `{source}`; do not edit.*

{words:,} words of `{text}` as one plain file, {workers} processes, rows of 128 tokens. Each turn
is a process of its own, whose imports are not timed; the contestants take turns. All use one
WordPiece tokenizer, which tidemask trained in {training:.1f} s before. Given is the median turn in
words per second, the slowest and the fastest in brackets, the seconds of each stage, and the most
memory that all processes of a turn had together (proportional set size). `start` is what comes
before the first stage: the tagger and the tokenizer are loaded, and the file is hashed. It hardly
grows with the text, so a longer one has more words per second.

- **{taggers}**: `tidemask.prepare` with that tagger. It reads the text twice: once to
  find copies and choose what is held out, once to encode.
- **datasets.map**: the tokenizer of transformers and grouping into rows, `batched`, as scripts for
  masked language models do. It finds no copies, holds nothing out, and knows no words or tags.
"""

_REACH_INTRODUCTION = """\

## By the command line

*From `{source}`; `python benchmarks/preparing/reach.py` measures and keeps a row.*

One `tidemask prepare` each, with a tokenizer of its own that is trained first: words per second of
processor time of all processes together, from the first import to the last file, and the most
memory that they had together, looked at once a second.{short}
The load is that of the minute before the row; where others used the machine, seconds on the clock
say nothing. Training the tokenizer and reading the text are done by one process. The lines before
the table are of the latest row on each processor; each row has its own revision and day.
"""


def page(result: Mapping[str, Any], gpu: Mapping[str, Any] | None = None) -> str:
    """Return the page in Markdown of what `speed.py` keeps; there are no results on a GPU."""
    del gpu
    contestants = [row["contestant"] for row in result["rows"]]
    introduction = _INTRODUCTION.format(
        source="benchmarks/results/preparing-cpu.json",
        words=result["num_words"],
        text=result["text"],
        workers=result["workers"],
        training=result["training_tokenizer_seconds"],
        taggers=", ".join(name for name in contestants if name != DATASETS),
    )
    return f"{introduction}\n{machine_line(result)}\n\n{_table(result)}{reach_section()}"


def reach_section() -> str:
    """The rows that `reach.py` keeps, in Markdown; nothing where there are none."""
    if not REACH.is_file():
        return ""
    kept = json.loads(REACH.read_text(encoding="utf-8"))
    by_command = {name: row for name, row in kept.items() if "megabytes" in row}
    beside_spacy = {name: row for name, row in kept.items() if "spacy_cpu_seconds" in row}
    has_short = any(_NAMES_SHORT_ROW in name for name in by_command)
    short = " The words of documents of 20 are made up." if has_short else ""
    parts = [_REACH_INTRODUCTION.format(source=REACH.relative_to(ROOT), short=short)]
    latest = {row["measured"]["processor"]: row["measured"] for row in kept.values()}
    with_rows = {"load_before": "with each row"}
    parts += [f"\n{machine_line(measured | with_rows)}\n" for measured in latest.values()]
    if by_command:
        parts.append(_reach_table(by_command))
    parts += [_spacy_line(name, row) for name, row in beside_spacy.items()]
    return "".join(parts)


def _reach_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "",
        "| text, tagger | words | documents | words a CPU second | CPU s | s "
        "| memory, MB | load | on | revision |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|---|",
    ]
    lines += [
        f"| {name} | {row['num_words']:,} | {row['num_documents']:,} | "
        f"{row['num_words'] / row['cpu_seconds']:,.0f} | {row['cpu_seconds']:,.0f} | "
        f"{row['seconds']:,.0f} | {row['megabytes']:,.0f} | {row['load_before']:.1f} | "
        f"{row['measured']['processor'].split(' (')[0]} | "
        f"{row['measured']['revision']}, {row['measured']['date']} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def _spacy_line(name: str, row: Mapping[str, Any]) -> str:
    """What all else takes beside a spaCy pipeline, in one process."""
    stages = row["cpu_stages"]
    training = stages["training tokenizer"]
    spacy = row["spacy_cpu_seconds"]
    rest = sum(stages.values()) - training - spacy
    return (
        f"\nOf {name} ({row['num_words']:,} words, one process, load {row['load_before']:.1f}) "
        f"spaCy's own `pipe` took {spacy:.1f} CPU seconds, and all else {rest:.1f}, which is "
        f"{100 * rest / spacy:.0f} % of it; training the tokenizer took {training:.1f} more.\n"
    )


def _table(result: Mapping[str, Any]) -> str:
    lines = ["| contestant | words/s | memory, MB | stages |", "|---|--:|--:|---|"]
    for row in result["rows"]:
        low, high = row["range"]
        whole = result["num_words"] / row["words_per_second"]
        start = max(0.0, whole - sum(row["stages"].values()))
        of_stages = {"start": start, **row["stages"]}
        stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in of_stages.items())
        lines.append(
            f"| {row['contestant']} | {row['words_per_second']:,.0f} ({low:,.0f}–{high:,.0f}) | "
            f"{row['megabytes']:,.0f} | {stages} |"
        )
    return "\n".join(lines) + "\n"
