"""How many tokens per second training takes: tidemask beside the stock Trainer, on the same text.

    python benchmarks/training/speed.py --table        measure, keep the data, write the page
    python benchmarks/training/speed.py --quick        one small model within 50 s; nothing is kept
    python benchmarks/training/speed.py --quick --json rows.json
    python benchmarks/training/speed.py --table-only   write the page from the data that are kept
    python benchmarks/training/speed.py --gpu          BERT-base in bf16 on a CUDA device

Each contestant trains in a process of its own, and they take turns: while one makes its steps, the
others wait. All of them train the same model on sequences of the same prepared corpus.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import ROOT
from benchmarks.command import OneLineParser

RESULTS = ROOT / "benchmarks" / "results" / "training-cpu.json"
GPU_RESULTS = ROOT / "benchmarks" / "results" / "training-gpu.json"
PAGE = ROOT / "docs" / "benchmarks" / "training.md"

STOCK, SPARSE, TIDEMASK = "stock Trainer", "stock Trainer, sparse_prediction", "tidemask"
COMPILED = "bf16+compile"


@dataclass(frozen=True, kw_only=True)
class Match:
    """One model at one shape, and who trains it.

    Attributes:
        model: a name of `MODEL_SIZES`.
        batch_size: sequences of a step.
        length: tokens of each.
        entries: group, precision and recipe of each contestant.
        turns: how often each has its turn.
        steps: optimizer steps of a turn.
        seconds: no further turn begins after this time, but two are made; `None` for no limit.
    """

    model: str
    batch_size: int
    length: int
    entries: tuple[tuple[str, str, str], ...]
    turns: int
    steps: int
    seconds: float | None = None

    @property
    def shape(self) -> str:
        """Sequences x tokens."""
        return f"{self.batch_size}x{self.length}"


_BOTH = ((STOCK, "float32", "bert"), (TIDEMASK, "float32", "bert"))
_ALL = (
    *_BOTH,
    (TIDEMASK, "float32", "ptw-mrd"),
    (STOCK, "bf16", "bert"),
    (TIDEMASK, "bf16", "bert"),
    (STOCK, COMPILED, "bert"),
    (TIDEMASK, COMPILED, "bert"),
)
_SPARSE = (*_BOTH, (SPARSE, "float32", "bert"))
CPU = (
    Match(model="bert-tiny", batch_size=32, length=128, entries=_ALL, turns=6, steps=4),
    Match(model="bert-mini", batch_size=32, length=128, entries=_BOTH, turns=6, steps=3),
    Match(model="modernbert-tiny", batch_size=32, length=128, entries=_SPARSE, turns=6, steps=3),
)
QUICK = (
    Match(
        model="bert-tiny",
        batch_size=32,
        length=128,
        entries=_BOTH,
        turns=6,
        steps=3,
        seconds=15,
    ),
)
_GPU = (
    (STOCK, "bf16", "bert"),
    (STOCK, COMPILED, "bert"),
    (TIDEMASK, "bf16", "bert"),
    (TIDEMASK, COMPILED, "bert"),
    (TIDEMASK, COMPILED, "ptw-mrd"),
)
GPU = (
    Match(model="bert-base", batch_size=256, length=128, entries=_GPU, turns=6, steps=20),
    Match(model="bert-base", batch_size=64, length=512, entries=_GPU, turns=6, steps=20),
)


def measure(matches: Sequence[Match]) -> list[dict[str, Any]]:
    """Rows of all contestants of all matches."""
    from benchmarks.training.comparison import play
    from benchmarks.training.data import write_corpus

    rows = []
    for match in matches:
        print(f"{match.model} at {match.shape} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            sequences = 4 * match.batch_size
            vocab_size = write_corpus(Path(folder), num_sequences=sequences, length=match.length)
            rows += play(match, Path(folder) / "corpus", vocab_size)
    return rows


def _checked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OneLineParser(prog="training.py", description="Tokens per second of training.")
    parser.add_argument("--quick", action="store_true", help="ends within 50 s; keeps no results")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--table", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--table-only", action="store_true", help="write it from kept results")
    parser.add_argument("--gpu", action="store_true", help="BERT-base in bf16 on a CUDA device")
    chosen = parser.parse_args(arguments)
    if chosen.json is not None and (chosen.json.is_dir() or not chosen.json.parent.is_dir()):
        parser.error(f"--json {chosen.json}: expected a file in a directory that exists")
    if chosen.table_only and (chosen.quick or chosen.gpu or chosen.json):
        parser.error("--table-only measures nothing: it goes with no other option")
    if chosen.table_only and not RESULTS.is_file():
        parser.error(f"--table-only: there are no results at {RESULTS}")
    if chosen.quick and (chosen.table or chosen.gpu):
        parser.error("--quick keeps no results: leave out --table and --gpu")
    if chosen.gpu:
        import torch

        if not torch.cuda.is_available():
            parser.error("--gpu: there is no CUDA device")
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    chosen = _checked(arguments)
    if not chosen.table_only:
        from benchmarks.machine import conditions

        result = conditions()
        matches, kept = (GPU, GPU_RESULTS) if chosen.gpu else (CPU, RESULTS)
        result["rows"] = measure(QUICK if chosen.quick else matches)
        _show(result["rows"])
        if chosen.json is not None:
            chosen.json.write_text(json.dumps(result["rows"], indent=1) + "\n", encoding="utf-8")
        if not chosen.quick:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            print(f"results: {kept}", file=sys.stderr)
    if chosen.table or chosen.table_only:
        _write_page()


def _show(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        shares = ", ".join(
            f"{name} {100 * row[f'{name}_share']:.2f} %"
            for name in ("masking", "loading")
            if f"{name}_share" in row
        )
        print(
            f"{row['model']:16} {row['shape']:8} {row['group']:33} {row['precision']:13} "
            f"{row['recipe']:8} {row['tokens_per_second']:10,.0f} tokens/s "
            f"{row['times_stock']:5.2f}x {row['peak_memory_bytes'] / 2**20:7,.0f} MiB "
            f"{row['flops_per_second'] / 1e9:9,.1f} GFLOP/s  {shares}"
        )


def _write_page() -> None:
    from benchmarks.training.page import page

    gpu = json.loads(GPU_RESULTS.read_text(encoding="utf-8")) if GPU_RESULTS.is_file() else None
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8")), gpu), encoding="utf-8")
    print(f"page: {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
