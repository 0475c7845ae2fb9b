"""The page of the docs, written from the data of a measurement; no figure has another source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.masking.candidates import REFERENCE

Row = dict[str, Any]

_MODES = ("alone", "as called")
_SUMMARY = (
    ("transformers", REFERENCE),
    ("transformers", "whole words"),
    ("seqmask", REFERENCE),
    ("seqmask", "focus, weighted"),
    ("seqmask", "spans of tokens"),
    ("numpy", "draw, compare, choose"),
    ("torch", "draw, compare, choose"),
    ("memory copy", "copy and fill"),
    ("torch.compile", "token, uniform, expected"),
    ("tidemask", "token, uniform, expected"),
    ("tidemask", "word, uniform, expected"),
    ("tidemask", "word, class loss, expected"),
    ("tidemask", "word, class loss, fixed"),
    ("tidemask", "word, column, expected"),
    ("tidemask", "word, class loss and column mixed, expected"),
    ("tidemask", "span, uniform, expected"),
    ("tidemask", "group, uniform, expected"),
    ("tidemask", "token, uniform, masked diffusion"),
)

_HEAD = """# Speed of masking

<!-- Written by `python benchmarks/masking/speed.py --table`; change it there. -->

All figures are from [`masking-cpu.json`](../../benchmarks/results/masking-cpu.json), measured on
one core ({processor}, {cores} cores in the machine) on {date} with {versions}; tidemask at revision
`{revision}`{plus}; load of the machine before the run {load_before}.

    python benchmarks/masking/speed.py --table

measures and writes this page again; `--quick` takes a look within 45 seconds and keeps nothing.

In short: as called, every policy is quicker than transformers' collator on uniform tokens. Alone,
on large batches, most are quicker than its masking of uniform tokens; spans by weights and some
weights by position are not. On small batches the time is that of some hundred small torch
operations, whatever the number of tokens, and transformers' masking alone is quicker (factors
below 1 in the last table). [seqmask](https://pypi.org/project/seqmask/)
is another masking package.

## How it is measured

- One thread, one process. In each round every contestant has one turn, in an order drawn for that
  round: one call that is not timed, since the caches hold what the contestant before left there,
  then calls until 10 ms have passed. A figure is the median over all timed calls ({num_calls}),
  with the middle half of the calls in brackets. A call's time includes freeing what it
  returned.{clock}
- Tokens are all positions of a batch. The text is generated, under a WordPiece tokenizer of about
  30,000 entries, at about 1.3 subwords per word; sequences have equal length and no padding.
- Every contestant masks 15 % of the maskable tokens (masked diffusion: 50 % in the mean), and the
  data hold the share that it did mask.
- *Alone* is masking by itself, from int64 ids that are left as they are: `Masker` on a `Batch`.
  transformers' `torch_mask_tokens` writes into its input, so it is given a copy, made within its
  time, and the mask of special tokens; seqmask and the numpy bound get numpy arrays.
- *As called* begins with a list of examples and ends with tensors. tidemask's collator gets what a
  prepared corpus holds: rows of numpy arrays (uint16 ids, and word starts or classes where the
  policy needs them). transformers' gets lists of Python integers with `special_tokens_mask`, as a
  tokenizer returns them, and on a line of its own the same as numpy rows, which it turns into
  lists. The others have no collator: rows are stacked for them.
- transformers' whole words need `offset_mapping` and sequences of equal length, and always put the
  mask token, with a warning. The bounds put the mask token and draw no random ones.
- From before the first call glibc keeps freed memory, for all alike, as it does in any process that
  has trained for a moment. In a fresh process, without it, faulting memory in would dominate all
  the faster contestants.
- The factors compare with transformers' `DataCollatorForLanguageModeling` on uniform tokens in the
  same mode and shape.
"""

_CLASS_WEIGHTED = "word, class loss, expected"
_HALF_AS_QUICK = (
    "word, column, expected",
    "word, class loss and uniform mixed, expected",
    "word, class loss and frequency mixed, expected",
    "word, class loss and column mixed, expected",
)
_AIM = """
## Half as quick as class-weighted words

That was the aim for weights of a column, and for a mixture of two weightings. As a share of the
speed of words weighted by class loss:

"""

_MISSED = """
What stands below 0.5 misses it. A mixture of classes and a column has two budgets to solve for each
sequence, one over a table of classes and one over all positions, and looks up both chances at each
position: it takes nearly as long as its two parts one after the other.
"""

_COMPILED = """- *torch.compile* is not in the package: uniform tokens written as one expression
  from the same keys, compiled, its masks compared with those of `Masker` before it is timed. It
  shows what fusing the passes would give.
"""


def page(result: Row, gpu: Row | None = None) -> str:
    """The page as Markdown.

    Args:
        result: what `speed.py` keeps: conditions and rows.
        gpu: the same of `speed.py --gpu`; `None` if it was not measured.
    """
    rows = result["rows"]
    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    sections = [
        _HEAD.format(**result | _written(result)),
        _COMPILED * any(row["group"] == "torch.compile" for row in rows),
        "\n## At a glance\n\nM tokens/s.\n\n" + _summary(rows, shapes) + _aim(rows, shapes),
    ]
    sections += [
        f"\n## All at {shape}\n\nM tokens/s.\n\n" + _table(rows, shape) for shape in shapes
    ]
    if gpu is not None:
        sections.append(_gpu(gpu))
    return "".join(sections)


def _written(result: Row) -> Row:
    counts: dict[str, list[int]] = {}
    for row in result["rows"]:
        counts.setdefault(row["shape"], []).append(row["num_calls"])
    core = "\n  Times are those in which the thread had a core: other processes do not count."
    return {
        "clock": core if result.get("clock") == "core" else "",
        "versions": ", ".join(f"{k} {v}" for k, v in result["versions"].items()),
        "plus": " (`+`: with changes that were not committed)" * ("+" in result["revision"]),
        "num_calls": "; ".join(
            f"{min(found)} to {max(found)} at {shape}" for shape, found in counts.items()
        ),
    }


def _summary(rows: Sequence[Row], shapes: Sequence[str]) -> str:
    columns = [(shape, mode) for shape in shapes for mode in _MODES]
    lines = [
        "| | " + " | ".join(f"{shape}, {mode}" for shape, mode in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for group, policy in _SUMMARY:
        found = [_find(rows, group, policy, shape, mode) for shape, mode in columns]
        if any(found):
            cells = [_rate(row["tokens_per_second"]) if row else "" for row in found]
            lines.append(f"| {group}: {policy} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _aim(rows: Sequence[Row], shapes: Sequence[str]) -> str:
    """How a column and mixtures of two stand beside class-weighted words; empty without these."""
    columns = [(shape, mode) for shape in shapes for mode in _MODES]
    lines = [
        "| | " + " | ".join(f"{shape}, {mode}" for shape, mode in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for policy in _HALF_AS_QUICK:
        cells = []
        for place in columns:
            row = _find(rows, "tidemask", policy, *place)
            words = _find(rows, "tidemask", _CLASS_WEIGHTED, *place)
            if row is None or words is None:
                return ""
            cells.append(_significant(row["tokens_per_second"] / words["tokens_per_second"]))
        lines.append(f"| {policy} | " + " | ".join(cells) + " |")
    return _AIM + "\n".join(lines) + "\n" + _MISSED


def _table(rows: Sequence[Row], shape: str) -> str:
    lines = [
        "| | policy | alone | × | as called | × |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for group, policy in _names(row for row in rows if row["shape"] == shape):
        cells = []
        for mode in _MODES:
            row = _find(rows, group, policy, shape, mode)
            cells += _cells(row, _find(rows, "transformers", REFERENCE, shape, mode))
        lines.append(f"| {group} | {policy} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _names(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Contestants in the order of their groups' first rows, tidemask last."""
    names = dict.fromkeys((row["group"], row["policy"]) for row in rows)
    return sorted(names, key=lambda name: name[0] == "tidemask")


def _find(rows: Sequence[Row], group: str, policy: str, shape: str, mode: str) -> Row | None:
    wanted = (group, policy, shape, mode)
    return next(
        (r for r in rows if (r["group"], r["policy"], r["shape"], r["mode"]) == wanted), None
    )


def _cells(row: Row | None, reference: Row | None) -> list[str]:
    """Rate with its middle half, and how many times the reference it is."""
    if row is None:
        return ["", ""]
    low, high = row["quartiles"]
    rate = f"{_rate(row['tokens_per_second'])} ({_rate(low)}–{_rate(high)})"
    if reference is None:
        return [rate, ""]
    return [rate, _significant(row["tokens_per_second"] / reference["tokens_per_second"])]


def _rate(tokens_per_second: float) -> str:
    return _significant(tokens_per_second / 1e6)


def _significant(value: float) -> str:
    """About two and a half significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _gpu(gpu: Row) -> str:
    """Masking beside a training step of BERT-base on a GPU."""
    versions = ", ".join(f"{k} {v}" for k, v in gpu["versions"].items())
    lines = [
        "\n## On a GPU\n\n",
        "From [`masking-gpu.json`](../../benchmarks/results/masking-gpu.json): "
        f"{gpu['device']}, {gpu['date']}, {versions}, revision `{gpu['revision']}`. A step is "
        "forward, backward and AdamW of BERT-base in bfloat16 autocast, logits at the selected "
        "positions only; the batch is on the device. Masking runs under "
        '`torch.cuda.set_sync_debug_mode("error")`, which refuses every wait for the device.\n\n',
        "| policy | shape | on the device, µs | to launch, µs | step, ms | share of it |\n",
        "|---|---|---:|---:|---:|---:|\n",
    ]
    lines += [
        f"| {row['policy']} | {row['shape']} | {row['microseconds']:.0f} "
        f"| {row['host_microseconds']:.0f} | {row['step_milliseconds']:.1f} "
        f"| {100 * row['share_of_step']:.2f} % |\n"
        for row in gpu["rows"]
    ]
    return "".join(lines)
