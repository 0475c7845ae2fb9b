"""How many tokens per second training takes: tidemask beside the stock Trainer, on the same text.

    python benchmarks/training/speed.py --table        measure, keep the data, write the page
    python benchmarks/training/speed.py --quick        one small model within 50 s; nothing is kept
    python benchmarks/training/speed.py --quick --json rows.json
    python benchmarks/training/speed.py --table-only   write the page from the data that are kept
    python benchmarks/training/speed.py --gpu          BERT-base in bf16 on a CUDA device

Each candidate trains in a process of its own, and they take turns: while one makes its steps, the
others wait. All of them train the same model on sequences of the same prepared corpus.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import SpeedFiles, parse_speed, speed_parser
from benchmarks.training.page import page

FILES = SpeedFiles("training", page)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = speed_parser(FILES, "Tokens per second of training.", quick_seconds=50)
    parser.add_argument("--gpu", action="store_true", help="BERT-base in bf16 on a CUDA device")
    options = parse_speed(parser, FILES, arguments)
    if options.quick and options.gpu:
        parser.error("--quick keeps no results: leave out --gpu")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = _parse(arguments)
    if options.table_only:
        FILES.write_page()
        return
    from benchmarks.machine import conditions
    from benchmarks.training import comparison

    result = conditions()
    comparisons = comparison.GPU if options.gpu else comparison.CPU
    result["rows"] = comparison.measure(comparison.QUICK if options.quick else comparisons)
    _show(result["rows"])
    FILES.finish(options, result, result["rows"])


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


if __name__ == "__main__":
    main()
