"""How many minimal pairs per second are scored on one core, beside minicons; and whether alike.

    python benchmarks/scoring/speed.py --table        measure, keep the data, write the page
    python benchmarks/scoring/speed.py --quick        a look within a minute; nothing is kept
    python benchmarks/scoring/speed.py --quick --json rows.json
    python benchmarks/scoring/speed.py --table-only   write the page from the data that are kept

minicons is no dependency of tidemask: `pip install --no-deps minicons==0.3.39 wonderwords`. Without
it tidemask is measured alone, and nothing is compared.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import SpeedFiles, parse_speed, speed_parser
from benchmarks.scoring.page import page

FILES = SpeedFiles("scoring", page)

VARIANTS = ("original", "within_word_l2r")
COMPARED_PAIRS = 200
TIDEMASK, MINICONS = "tidemask", "minicons"


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: turns of each scorer.
        pairs: that tidemask scores in a turn.
        peer_pairs: that minicons scores in a turn.
        peer_at_once: numbers of sentences that minicons gets at once; each is timed.
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
class PairScorer:
    """A library that scores pairs, some sentences at a time."""

    group: str
    at_once: str
    num_pairs: int
    call: Callable[[], Any]


def measure(size: str, effort: Effort) -> list[dict[str, Any]]:
    """Return the rows of all scorers with one size of model and the WordPiece tokenizer."""
    from benchmarks.timing import time_in_turns

    scorers = _scorers(size, effort)
    timings = time_in_turns([lambda _, s=s: s.call() for s in scorers], rounds=effort.rounds)
    return _with_ratios(
        [
            {
                "group": scorer.group,
                "at_once": scorer.at_once,
                "model": size,
                **timing.row(scorer.num_pairs, unit="pairs"),
            }
            for scorer, timing in zip(scorers, timings, strict=True)
        ]
    )


def _scorers(size: str, effort: Effort) -> list[PairScorer]:
    from benchmarks.scoring.data import model, pairs, tokenizer
    from benchmarks.scoring.peer import MiniconsScorer, import_minicons
    from tidemask.tasks.zero_shot.minimal_pairs import score_pairs

    made, language = model(size, "WordPiece"), tokenizer("WordPiece")
    own = pairs(effort.pairs)
    scorers = [PairScorer(TIDEMASK, "all", len(own), lambda: score_pairs(made, language, own))]
    if import_minicons() is None:
        return scorers
    peer = MiniconsScorer(made, language)
    few = own[: effort.peer_pairs]
    sentences = [sentence for pair in few for sentence in (pair.good, pair.bad)]
    for at_once in effort.peer_at_once:
        call = partial(peer.plls, sentences, "original", at_once)
        scorers.append(PairScorer(MINICONS, str(at_once), len(few), call))
    return scorers


def _with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row with its speed as a multiple of the fastest of minicons, if it took part."""
    theirs = [row["pairs_per_second"] for row in rows if row["group"] == MINICONS]
    for row in rows:
        row["times_minicons"] = row["pairs_per_second"] / max(theirs) if theirs else None
    return rows


def compare(effort: Effort) -> list[dict[str, Any]]:
    """Return how far both libraries' scores differ, for each tokenizer and variant."""
    from benchmarks.scoring.data import TOKENIZERS, model, pairs, tokenizer
    from benchmarks.scoring.peer import MiniconsScorer, import_minicons
    from tidemask.tasks.zero_shot.minimal_pairs import score_pairs
    from tidemask.tasks.zero_shot.scoring import ScoringSettings

    if import_minicons() is None:
        return []
    compared = pairs(effort.compared_pairs, seed=6)
    sentences = [sentence for pair in compared for sentence in (pair.good, pair.bad)]
    rows = []
    for kind in TOKENIZERS:
        made, language = model("bert-tiny", kind), tokenizer(kind)
        peer = MiniconsScorer(made, language)
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


def run(effort: Effort, sizes: Sequence[str] = ("bert-tiny", "bert-mini")) -> dict[str, Any]:
    """Measure and compare; return the rows and what they were measured on."""
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
    """Run the command."""
    parser = speed_parser(FILES, "Minimal pairs per second, on one core.", quick_seconds=60)
    options = parse_speed(parser, FILES, arguments)
    if options.table_only:
        FILES.write_page()
        return
    result = run(QUICK, ("bert-tiny",)) if options.quick else run(FULL)
    _show(result)
    FILES.finish(options, result, result)


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
