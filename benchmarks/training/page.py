"""The page of the docs about the speed of training, from the data that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from benchmarks.machine import machine_line
from benchmarks.training.in_studies import section

Row = Mapping[str, Any]

_INTRODUCTION = """\
# How fast is training?

*Written by `python benchmarks/training/speed.py --table` from `{source}`; do not edit.*

The same model on sequences of the same prepared corpus (generated text, about {entries} vocabulary
entries), 15 % of the tokens masked where nothing else is said. Each contestant trains in a process
of its own, and they take turns of a few steps, so that all meet the same disturbances. A step is
everything between the ends of two: fetching, masking, forward and backward pass, clipping, the
optimizer, and what the trainer does besides. Given is the median step as tokens per second,
quartiles in brackets.

- **stock Trainer**: `transformers.Trainer` with `DataCollatorForLanguageModeling`, its defaults
  wherever nothing must be said (its AdamW is the fused one), its head at every position.
- **stock Trainer, sparse_prediction**: the same with ModernBERT's own option to compute the head at
  masked positions alone.
- **tidemask**: `tidemask pretrain` as users run it, with its defaults; `ptw-mrd` masks words by
  class loss, and 32 % of the tokens in these first steps of its schedule, so it predicts twice as
  many.
{dropout}
`times` is against the stock Trainer in its usual form, the first line of each table. `model FLOP/s`
counts the products that the step needs with the head at the masked positions alone, forward and
backward, whatever a contestant computes beyond them: on a GPU with its share of what the maker
states for bfloat16 (model FLOP utilisation), on a CPU in float32 with its share of what a product
of 1,024 x 1,024 matrices reached on one core between the turns. `masking` and `loading` are shares
of the step, as `metrics.jsonl` has them.
"""


_DROPOUT = """\
- **attention_dropout 0**, **dropout 0**: the same with `model.attention_dropout=0` or
  `model.dropout=0`.
"""


def page(result: Mapping[str, Any], gpu: Mapping[str, Any] | None = None) -> str:
    """The page in Markdown.

    Args:
        result: what `speed.py` keeps of a run on a CPU.
        gpu: the same of a run on a GPU, if there was one.
    """
    rows = [*result["rows"], *(gpu["rows"] if gpu else [])]
    has_dropout = any("dropout" in row["group"] for row in rows)
    introduction = _INTRODUCTION.format(
        source="benchmarks/results/training-cpu.json",
        entries="32,000",
        dropout=_DROPOUT if has_dropout else "",
    )
    parts = [
        introduction,
        f"## On one core\n\n{machine_line(result)}\n",
        *_tables(result["rows"]),
    ]
    if gpu is None:
        parts.append(
            "## On a GPU\n\nNot measured yet: no GPU was at hand. "
            "`python benchmarks/training/speed.py --gpu` measures BERT-base in bf16 at 128 and 512 "
            "tokens.\n"
        )
    else:
        parts += [f"## On a GPU\n\n{machine_line(gpu)}\n", *_tables(gpu["rows"])]
    parts.append(section())
    return "\n".join(parts)


def _tables(rows: Sequence[Row]) -> list[str]:
    tables = []
    for (model, shape), group in groupby(rows, key=lambda row: (row["model"], row["shape"])):
        lines = [
            f"### {model}, {shape}\n",
            "| contestant | precision | recipe | tokens/s | times | peak memory | model FLOP/s "
            "| masking | loading |",
            "|---|---|---|--:|--:|--:|--:|--:|--:|",
            *map(_line, group),
        ]
        tables.append("\n".join(lines) + "\n")
    return tables


def _line(row: Row) -> str:
    low, high = row["quartiles"]
    cells = [
        row["group"],
        row["precision"],
        f"`{row['recipe']}`",
        f"{row['tokens_per_second']:,.0f} ({low:,.0f}–{high:,.0f})",
        f"{row['times_stock']:.2f}",
        f"{row['peak_memory_bytes'] / 2**20:,.0f} MiB",
        _arithmetic(row),
        *(_share(row.get(f"{name}_share")) for name in ("masking", "loading")),
    ]
    return "| " + " | ".join(cells) + " |"


def _arithmetic(row: Row) -> str:
    flops = row["flops_per_second"] / 1e9
    if "flop_utilisation" not in row:
        return f"{flops:,.1f} G"
    return f"{flops:,.0f} G ({100 * row['flop_utilisation']:.1f} %)"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"
