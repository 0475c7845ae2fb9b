"""How many minimal pairs per second are scored on one core, beside minicons; and whether alike.

    python benchmarks/scoring/speed.py --table        measure, keep the data, write the page
    python benchmarks/scoring/speed.py --quick        a look within a minute; nothing is kept
    python benchmarks/scoring/speed.py --quick --json rows.json
    python benchmarks/scoring/speed.py --table-only   write the page from the data that are kept

minicons is no dependency of tidemask: `pip install --no-deps minicons==0.3.39 wonderwords`. Without
it tidemask is measured alone, and nothing is compared.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import ROOT
from benchmarks.command import OneLineParser

RESULTS = ROOT / "benchmarks" / "results" / "scoring-cpu.json"
PAGE = ROOT / "docs" / "benchmarks" / "scoring.md"

VARIANTS = ("original", "within_word_l2r")
COMPARED_PAIRS = 200
TIDEMASK, MINICONS = "tidemask", "minicons"


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: turns of each contestant.
        pairs: that tidemask scores in a turn.
        peer_pairs: that minicons scores in a turn.
        peer_at_once: numbers of sentences that minicons gets at once; each is a contestant.
        compared_pairs: whose scores are compared, for each tokenizer and variant.
    """

    rounds: int
    pairs: int = 200
    peer_pairs: int = 20
    peer_at_once: tuple[int, ...] = (2, 10)
    compared_pairs: int = COMPARED_PAIRS


FULL = Effort(rounds=5)
QUICK = Effort(rounds=3, pairs=100, peer_pairs=10, peer_at_once=(10,), compared_pairs=20)


@dataclass(frozen=True)
class Contestant:
    """Something that scores pairs."""

    group: str
    at_once: str
    num_pairs: int
    call: Callable[[], Any]


def measure(size: str, effort: Effort) -> list[dict[str, Any]]:
    """Rows of all contestants with one size of model and the WordPiece tokenizer."""
    from benchmarks.timing import Timing

    contestants = _contestants(size, effort)
    seconds: list[list[float]] = [[] for _ in contestants]
    order = list(range(len(contestants)))
    shuffled = random.Random(0)
    for contestant in contestants:
        contestant.call()  # lazy imports, memory
    for _ in range(effort.rounds):
        shuffled.shuffle(order)
        for index in order:
            start = time.perf_counter()
            contestants[index].call()
            seconds[index].append(time.perf_counter() - start)
    rows = []
    for contestant, times in zip(contestants, seconds, strict=True):
        timing = Timing.of(times)
        rows.append(
            {
                "group": contestant.group,
                "at_once": contestant.at_once,
                "model": size,
                "pairs_per_second": contestant.num_pairs / timing.median,
                "quartiles": [
                    contestant.num_pairs / timing.upper,
                    contestant.num_pairs / timing.lower,
                ],
                "num_calls": timing.num_calls,
            }
        )
    return _with_ratios(rows)


def _contestants(size: str, effort: Effort) -> list[Contestant]:
    from benchmarks.scoring.data import model, pairs, tokenizer
    from benchmarks.scoring.peer import Peer, import_minicons
    from tidemask.tasks.zero_shot.minimal_pairs import score_pairs

    made, language = model(size, "WordPiece"), tokenizer("WordPiece")
    own = pairs(effort.pairs)
    found = [Contestant(TIDEMASK, "all", len(own), lambda: score_pairs(made, language, own))]
    if import_minicons() is None:
        return found
    peer = Peer(made, language)
    few = own[: effort.peer_pairs]
    sentences = [sentence for pair in few for sentence in (pair.good, pair.bad)]

    def contestant(at_once: int) -> Contestant:
        def call() -> list[float]:
            return peer.plls(sentences, "original", at_once)

        return Contestant(MINICONS, str(at_once), len(few), call)

    return [*found, *map(contestant, effort.peer_at_once)]


def _with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row with its speed as a multiple of the fastest of minicons, if it took part."""
    theirs = [row["pairs_per_second"] for row in rows if row["group"] == MINICONS]
    for row in rows:
        row["times_minicons"] = row["pairs_per_second"] / max(theirs) if theirs else None
    return rows


def compare(effort: Effort) -> list[dict[str, Any]]:
    """Largest difference between both libraries' scores, for each tokenizer and variant."""
    from benchmarks.scoring.data import TOKENIZERS, model, pairs, tokenizer
    from benchmarks.scoring.peer import Peer, import_minicons
    from tidemask.tasks.zero_shot.minimal_pairs import score_pairs
    from tidemask.tasks.zero_shot.scoring import ScoringSettings

    if import_minicons() is None:
        return []
    compared = pairs(effort.compared_pairs, seed=6)
    sentences = [sentence for pair in compared for sentence in (pair.good, pair.bad)]
    rows = []
    for kind in TOKENIZERS:
        made, language = model("bert-tiny", kind), tokenizer(kind)
        peer = Peer(made, language)
        for variant in VARIANTS:
            theirs = peer.plls(sentences, variant, 10)
            scores = score_pairs(made, language, compared, ScoringSettings(variant=variant))
            differences = [
                *abs(scores.good - theirs[::2]),
                *abs(scores.bad - theirs[1::2]),
            ]
            rows.append(
                {
                    "tokenizer": kind,
                    "variant": variant,
                    "num_pairs": len(compared),
                    "largest_difference": float(max(differences)),
                    "mean_score": float(sum(theirs) / len(theirs)),
                }
            )
    return rows


def _checked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OneLineParser(prog="scoring.py", description="Minimal pairs per second, on one core.")
    parser.add_argument("--quick", action="store_true", help="ends within 60 s; keeps no results")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    parser.add_argument("--table", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--table-only", action="store_true", help="write it from kept results")
    chosen = parser.parse_args(arguments)
    if chosen.json is not None and (chosen.json.is_dir() or not chosen.json.parent.is_dir()):
        parser.error(f"--json {chosen.json}: expected a file in a directory that exists")
    if chosen.table_only and (chosen.quick or chosen.json):
        parser.error("--table-only measures nothing: it goes with no other option")
    if chosen.table_only and not RESULTS.is_file():
        parser.error(f"--table-only: there are no results at {RESULTS}")
    if chosen.table and chosen.quick:
        parser.error("--table is written from a full run: leave out --quick")
    return chosen


def run(effort: Effort, sizes: Sequence[str] = ("bert-tiny", "bert-mini")) -> dict[str, Any]:
    """Measure and compare; the rows and what they were measured on."""
    import torch

    from benchmarks.machine import conditions
    from benchmarks.scoring.peer import import_minicons

    torch.set_num_threads(1)
    result = conditions()
    if import_minicons() is None:
        print("minicons is not installed: tidemask is measured alone", file=sys.stderr)
    result["rows"] = [row for size in sizes for row in measure(size, effort)]
    result["equality"] = compare(effort)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    chosen = _checked(arguments)
    if not chosen.table_only:
        quick = chosen.quick
        result = run(QUICK, ("bert-tiny",)) if quick else run(FULL)
        _show(result)
        written = json.dumps(result, indent=1) + "\n"
        if chosen.json is not None:
            chosen.json.write_text(written, encoding="utf-8")
        if not quick:
            RESULTS.write_text(written, encoding="utf-8")
            print(f"results: {RESULTS}", file=sys.stderr)
    if chosen.table or chosen.table_only:
        from benchmarks.scoring.page import page

        kept = json.loads(RESULTS.read_text(encoding="utf-8"))
        PAGE.write_text(page(kept), encoding="utf-8")
        print(f"page: {PAGE}", file=sys.stderr)


def _show(result: dict[str, Any]) -> None:
    for row in result["rows"]:
        low, high = row["quartiles"]
        times = row["times_minicons"]
        print(
            f"{row['model']:10} {row['group']:9} {row['at_once']:>4} at once "
            f"{row['pairs_per_second']:8.1f} pairs/s ({low:.1f} to {high:.1f})"
            + ("" if times is None else f"  {times:.2f} times minicons")
        )
    for row in result["equality"]:
        print(
            f"{row['tokenizer']:15} {row['variant']:16} {row['num_pairs']} pairs: largest "
            f"difference {row['largest_difference']:.1e} nats of {row['mean_score']:.1f}"
        )


if __name__ == "__main__":
    main()
