"""How many tokens per second masking takes on one core, beside transformers, seqmask and bounds.

What each call does:

    python benchmarks/masking/speed.py --table        measure, keep the data, write the page
    python benchmarks/masking/speed.py --quick        a look within 45 seconds; nothing is kept
    python benchmarks/masking/speed.py --quick --json rows.json
    python benchmarks/masking/speed.py --table-only   write the page from the data that are kept
    python benchmarks/masking/speed.py --gpu          masking beside a training step on a GPU
    python benchmarks/masking/speed.py --compile      a fused, compiled pass as well
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import SpeedFiles, parse_speed, speed_parser
from benchmarks.masking.page import page

FILES = SpeedFiles("masking", page)
SHAPES = ((256, 512), (32, 128))
_QUICK_SECONDS = 6.0
_SMALL_TOKENS = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How often things are measured.

    Attributes:
        rounds: turns of each candidate at each shape.
        max_seconds: no new round begins after this time at each shape; `None` for no limit.
        checked_calls: calls whose share of masked tokens is taken.
    """

    rounds: int
    max_seconds: float | None = None
    checked_calls: int = 4


FULL = Effort(rounds=40)
QUICK = Effort(rounds=7, max_seconds=_QUICK_SECONDS, checked_calls=1)


def measure(
    shape: tuple[int, int], effort: Effort, *, compiled: bool = False
) -> list[dict[str, Any]]:
    """Return the rows of all candidates at one shape."""
    from benchmarks.masking import peers, policies
    from benchmarks.masking.candidates import labelled_shares
    from benchmarks.masking.data import masking_data
    from benchmarks.timing import time_in_turns

    data = masking_data(*shape)
    candidates = [*policies.candidates(data), *peers.candidates(data)]
    if compiled:
        from benchmarks.masking import compiled as compiled_masking

        candidates += compiled_masking.candidates(data)
    maskable = data.batch.maskable
    shares = [labelled_shares(c, maskable, calls=effort.checked_calls) for c in candidates]
    timings = time_in_turns(
        [candidate.call for candidate in candidates],
        rounds=effort.rounds,
        calls_per_turn=4 if data.num_tokens < _SMALL_TOKENS else 1,
        max_seconds=effort.max_seconds,
    )
    return [
        {
            "group": candidate.group,
            "policy": candidate.policy,
            "shape": f"{shape[0]}x{shape[1]}",
            "mode": candidate.mode,
            **timing.row(data.num_tokens),
            "masked_share": sum(share) / len(share),
        }
        for candidate, timing, share in zip(candidates, timings, shares, strict=True)
    ]


def run(effort: Effort, *, compiled: bool = False) -> dict[str, Any]:
    """Measure at every shape; return the rows and what they were measured on."""
    import torch

    from benchmarks.machine import conditions

    torch.set_num_threads(1)
    result = conditions()
    rows = []
    for shape in SHAPES:
        print(f"measuring at {shape[0]}x{shape[1]} ...", file=sys.stderr, flush=True)
        rows += measure(shape, effort, compiled=compiled)
    return {**result, "clock": "core", "rows": rows}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = speed_parser(FILES, "Tokens per second of masking, on one core.", quick_seconds=45)
    parser.add_argument("--rounds", type=int, help=f"turns of each (default {FULL.rounds})")
    parser.add_argument("--compile", action="store_true", help="time torch.compile as well")
    parser.add_argument("--gpu", action="store_true", help="masking beside a training step")
    options = parse_speed(parser, FILES, arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: expected at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = _parse(arguments)
    if options.table_only:
        FILES.write_page()
        return
    result = _measured(options)
    _show(result["rows"])
    FILES.finish(options, result, result["rows"])


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    if options.gpu:
        from benchmarks.masking import gpu

        return gpu.run(quick=options.quick)
    effort = QUICK if options.quick else FULL
    if options.rounds is not None:
        effort = Effort(rounds=options.rounds, checked_calls=effort.checked_calls)
    return run(effort, compiled=options.compile)


def _show(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        if "tokens_per_second" not in row:
            print(json.dumps(row))
            continue
        low, high = (value / 1e6 for value in row["quartiles"])
        print(
            f"{row['shape']:8} {row['mode']:10} {row['group']:13} {row['policy']:47} "
            f"{row['tokens_per_second'] / 1e6:8.2f} M tokens/s  ({low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
