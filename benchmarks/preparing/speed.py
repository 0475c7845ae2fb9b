"""How fast text is prepared, and how much memory that takes, beside `datasets.map`.

    python benchmarks/preparing/speed.py --table --text books.txt.xz
    python benchmarks/preparing/speed.py --quick            generated text; nothing is kept
    python benchmarks/preparing/speed.py --table --text books.txt.xz --spacy en_core_web_sm

Each turn is a process of its own, whose imports are not timed; contestants take turns. Memory is
the largest sum of proportional set sizes of a turn's processes, looked at ten times a second.
"""

from __future__ import annotations

import json
import lzma
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import ROOT
from benchmarks.command import SpeedFiles, parse_speed, speed_parser
from benchmarks.preparing.page import page
from benchmarks.preparing.turn import DATASETS
from benchmarks.preparing.watching import watched

FILES = SpeedFiles("preparing", page)

_TURN = Path(__file__).with_name("turn.py")
_LOOK_SECONDS = 0.1
VOCAB_SIZE = 8192


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: turns of each contestant.
        generated_words: of the text, where none is given.
    """

    rounds: int
    generated_words: int


FULL = Effort(rounds=3, generated_words=1_000_000)
QUICK = Effort(rounds=1, generated_words=60_000)


def plain_text(given: Path | None, directory: Path, effort: Effort) -> Path:
    """The text of all contestants as a plain file, documents between blank lines."""
    path = directory / "text.txt"
    if given is None:
        sys.path.append(str(ROOT / "tests" / "support"))
        from prose import text

        path.write_text(text(effort.generated_words // 240), encoding="utf-8")
    else:
        content = given.read_bytes()
        path.write_bytes(lzma.decompress(content) if given.suffix == ".xz" else content)
    return path


def run(given: Path | None, effort: Effort, taggers: Sequence[str], workers: int) -> dict[str, Any]:
    """Measure all contestants in turns; return their rows and what they were measured on."""
    from benchmarks.machine import conditions

    result = conditions()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        text = plain_text(given, directory, effort)
        options = {"text": str(text), "workers": workers, "vocab_size": VOCAB_SIZE}
        # The tokenizer is trained once; all contestants then use it, as `datasets` trains none.
        trained = _turn({**options, "contestant": "none", "tokenizer": None}, directory)
        tokenizer = directory / "tokenizer"
        (trained["out"] / "tokenizer").rename(tokenizer)
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in (*taggers, DATASETS)}
        order = list(turns)
        rng = random.Random(0)
        for _ in range(effort.rounds):
            rng.shuffle(order)
            for contestant in order:
                given_options = {**options, "contestant": contestant, "tokenizer": str(tokenizer)}
                turns[contestant].append(_turn(given_options, directory))
        result["text"] = given.name if given else "generated"
        result["num_words"], result["workers"] = trained["num_words"], workers
        result["training_tokenizer_seconds"] = trained["stages"]["training tokenizer"]
        result["rows"] = [_row(name, turns[name], trained["num_words"]) for name in turns]
    return result


def _turn(options: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Run one turn; returns what it prints, its place and the most memory of its processes."""
    out = directory / f"out-{time.monotonic_ns()}"
    command = [sys.executable, str(_TURN), json.dumps({**options, "out": str(out)})]
    turn = watched(command, look_seconds=_LOOK_SECONDS)
    found: dict[str, Any] = json.loads(turn.printed.splitlines()[-1])
    return {**found, "out": out, "bytes": turn.most_bytes}


def _row(name: str, turns: Sequence[Mapping[str, Any]], num_words: int) -> dict[str, Any]:
    seconds = sorted(turn["seconds"] for turn in turns)
    return {
        "contestant": name,
        "words_per_second": num_words / median(seconds),
        "range": [num_words / seconds[-1], num_words / seconds[0]],
        "stages": {
            stage: median(turn["stages"][stage] for turn in turns) for stage in turns[0]["stages"]
        },
        "megabytes": max(turn["bytes"] for turn in turns) / 1e6,
        "num_turns": len(turns),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = speed_parser(FILES, "Words per second of preparation.", quick_seconds=120)
    parser.add_argument("--text", type=Path, help="plain or .xz; generated if left out")
    parser.add_argument("--spacy", metavar="NAME_OR_PATH", help="a pipeline that takes part")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    options = parse_speed(parser, FILES, arguments)
    if options.text is not None and not options.text.is_file():
        parser.error(f"--text {options.text}: expected a file")
    if options.table_only:
        FILES.write_page()
        return
    taggers = ["none", "textblob", *([f"spacy:{options.spacy}"] if options.spacy else [])]
    effort = QUICK if options.quick else FULL
    result = run(options.text, effort, taggers, options.workers)
    _show(result)
    FILES.finish(options, result, result)


def _show(result: Mapping[str, Any]) -> None:
    for row in result["rows"]:
        stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in row["stages"].items())
        print(
            f"{row['contestant']:20.20} {row['words_per_second']:9,.0f} words/s "
            f"{row['megabytes']:6,.0f} MB   {stages}"
        )


if __name__ == "__main__":
    main()
