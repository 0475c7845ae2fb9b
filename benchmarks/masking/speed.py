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

from benchmarks import ROOT
from benchmarks.command import OneLineParser

RESULTS = ROOT / "benchmarks" / "results" / "masking-cpu.json"
GPU_RESULTS = ROOT / "benchmarks" / "results" / "masking-gpu.json"
PAGE = ROOT / "docs" / "benchmarks" / "masking.md"

SHAPES = ((256, 512), (32, 128))
_QUICK_SECONDS = 6.0
_SMALL_TOKENS = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How often things are measured.

    Attributes:
        rounds: turns of each contestant at each shape.
        seconds: no new round begins after this time at each shape; `None` for no limit.
        checked_calls: calls whose share of masked tokens is taken.
    """

    rounds: int
    seconds: float | None = None
    checked_calls: int = 4


FULL = Effort(rounds=40)
QUICK = Effort(rounds=7, seconds=_QUICK_SECONDS, checked_calls=1)


def measure(
    shape: tuple[int, int], effort: Effort, *, compiled: bool = False
) -> list[dict[str, Any]]:
    """Rows of all contestants at one shape."""
    from benchmarks.masking import peers, policies
    from benchmarks.text import material
    from benchmarks.timing import labelled_shares, take_turns

    made = material(*shape)
    contestants = [*policies.contestants(made), *peers.contestants(made)]
    if compiled:
        from benchmarks.masking import compiled

        contestants += compiled.contestants(made)
    maskable = made.batch.maskable
    shares = [labelled_shares(c, maskable, calls=effort.checked_calls) for c in contestants]
    timings = take_turns(
        contestants,
        rounds=effort.rounds,
        calls=4 if made.num_tokens < _SMALL_TOKENS else 1,
        seconds=effort.seconds,
    )
    return [
        {
            "group": contestant.group,
            "policy": contestant.policy,
            "shape": f"{shape[0]}x{shape[1]}",
            "mode": contestant.mode,
            **timing.row(made.num_tokens),
            "masked_share": sum(share) / len(share),
        }
        for contestant, timing, share in zip(contestants, timings, shares, strict=True)
    ]


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="masking.py", description="Tokens per second of masking, on one core."
    )
    parser.add_argument("--quick", action="store_true", help="ends within 45 s; keeps no results")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--rounds", type=int, help=f"turns of each (default {FULL.rounds})")
    parser.add_argument("--compile", action="store_true", help="time torch.compile as well")
    parser.add_argument("--table", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--table-only", action="store_true", help="write it from kept results")
    parser.add_argument("--gpu", action="store_true", help="masking beside a training step")
    return parser


def _checked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.rounds is not None and chosen.rounds < 1:
        parser.error(f"--rounds {chosen.rounds}: expected at least 1")
    if chosen.json is not None and (chosen.json.is_dir() or not chosen.json.parent.is_dir()):
        parser.error(f"--json {chosen.json}: expected a file in a directory that exists")
    if chosen.table_only and (chosen.quick or chosen.gpu or chosen.json):
        parser.error("--table-only measures nothing: it goes with no other option")
    if chosen.table_only and not RESULTS.is_file():
        parser.error(f"--table-only: there are no results at {RESULTS}")
    if chosen.table and chosen.quick:
        parser.error("--table is written from a full run: leave out --quick")
    if chosen.gpu:
        import torch

        if not torch.cuda.is_available():
            parser.error("--gpu: there is no CUDA device")
    return chosen


def run(effort: Effort, *, compiled: bool = False) -> dict[str, Any]:
    """Measure at every shape; the rows and what they were measured on."""
    import torch

    from benchmarks.machine import conditions

    torch.set_num_threads(1)
    found = conditions()
    rows = []
    for shape in SHAPES:
        print(f"measuring at {shape[0]}x{shape[1]} ...", file=sys.stderr, flush=True)
        rows += measure(shape, effort, compiled=compiled)
    return {**found, "rows": rows}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    chosen = _checked(arguments)
    if chosen.table_only:
        _write_page()
        return
    if chosen.gpu:
        from benchmarks.masking import gpu

        result = gpu.run(quick=chosen.quick)
        kept = GPU_RESULTS
    else:
        effort = QUICK if chosen.quick else FULL
        if chosen.rounds is not None:
            effort = Effort(rounds=chosen.rounds, checked_calls=effort.checked_calls)
        result = run(effort, compiled=chosen.compile)
        kept = RESULTS
    _show(result["rows"])
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(result["rows"], indent=1) + "\n", encoding="utf-8")
    if not chosen.quick:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"results: {kept}", file=sys.stderr)
    if chosen.table:
        _write_page()


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


def _write_page() -> None:
    from benchmarks.masking.page import page

    gpu = json.loads(GPU_RESULTS.read_text(encoding="utf-8")) if GPU_RESULTS.is_file() else None
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8")), gpu), encoding="utf-8")
    print(f"page: {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
