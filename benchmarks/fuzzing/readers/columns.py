"""Who reads annotation columns, and the lists and spans that they are made of."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing.fuzzed import FuzzedName, Reader, files_in, run_left
from benchmarks.fuzzing.readers.runs import TRAIN


def _by_columns(*settings: str) -> tuple[str, ...]:
    """Train on the corpus with columns, by one of them."""
    others = (part for part in TRAIN[2:] if not part.startswith("masking.content."))
    return ("pretrain", "annotated", *others, *settings)


_BY_CLASS = _by_columns(
    "masking.content={weighting: class_loss, classes: terms, horizon_steps: 1}",
    "masking.unit={group: phrases}",
)
_BY_WEIGHT = _by_columns("masking.content={weighting: column, column: scores}")


def _annotating(source: str, kind: str) -> tuple[str, ...]:
    given = ("--column", "new", "--from", source, "--kind", kind, "--workers", "1")
    return ("annotate", "annotated", *given)


def _by_entries(file: str) -> tuple[str, ...]:
    setting = f"masking.content={{weighting: entries, weights: {file}}}"
    return ("preview", "corpus", "--recipe", "bert", setting)


NAMES = (FuzzedName("terms.txt", _annotating("list:terms.txt", "class")),)


def readers(root: Path) -> list[Reader]:
    """Commands on columns and their sources, the files of each, and what it leaves."""
    columns = "annotated/columns"
    by_class = [*files_in(root, f"{columns}/terms"), *files_in(root, f"{columns}/phrases")]
    lists = [
        ("list:terms.txt", "class"),
        ("list:terms.txt", "group"),
        ("list:scores.txt", "weight"),
    ]
    spans = [(f"file:spans.{ending}", "class") for ending in ("jsonl", "parquet")]
    return [
        (_BY_CLASS, by_class, run_left("new")),
        (_BY_WEIGHT, files_in(root, f"{columns}/scores"), run_left("new")),
        (("preview", *_BY_CLASS[1:2], *_BY_CLASS[-2:]), by_class, None),
        (("inspect", "annotated"), files_in(root, columns), None),
        *(
            (_annotating(source, kind), [source.partition(":")[2]], None)
            for source, kind in (*lists, *spans)
        ),
        (
            _annotating("list:terms.txt", "class"),
            [*files_in(root, "annotated/train"), *files_in(root, "annotated/tokenizer")],
            lambda world, _: (world / "annotated/columns/new/column.json").read_bytes(),
        ),
        *(
            (_by_entries(f"entries.{ending}"), [f"entries.{ending}"], None)
            for ending in ("tsv", "json")
        ),
    ]
