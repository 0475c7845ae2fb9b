"""How many tokens a second `tidemask annotate` gives a value, by source, on one core.

    python benchmarks/annotation/speed.py CORPUS              every source that needs no model
    python benchmarks/annotation/speed.py CORPUS --rounds 1 --sources list tfidf

The corpus is one that `tidemask prepare` made. Lists of phrases are drawn from its own words, by a
fixed seed. Given are seconds of CPU, which other programs disturb less than the clock does, of the
passes before values are asked for and of the values themselves; rows are read, and what workers
would send is made, in both. What is written to the disk is not.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser
from benchmarks.machine import conditions, machine_line
from tidemask.annotation.corpus_documents import document_blocks
from tidemask.annotation.row_seams import RowSeams
from tidemask.annotation.source import SourceRequest
from tidemask.annotation.sources import load_source
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.progress import ignore

SOURCES = {
    "list": "list of 2,000 words and 500 pairs",
    "tfidf": "tfidf",
    "pmi": "pmi:5",
}
_SEED = 20240229
_WORDS, _PAIRS = 2000, 500


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU of a source: of its passes before, and of the values."""

    before: float
    values: float


def listed(corpus: PreparedCorpus, path: Path) -> None:
    """Write words of the corpus that are neither rare nor frequent, and pairs of them."""
    backend = load_tokenizer(corpus.tokenizer_directory).tokenizer
    rows = corpus.train.rows(range(min(len(corpus.train), 4000))).input_ids
    text = [backend.decode(row, skip_special_tokens=True) for row in rows]
    words = [[word for word in line.lower().split() if word.isalpha()] for line in text]
    counts = Counter(word for line in words for word in line)
    pairs = Counter(pair for line in words for pair in pairwise(line))
    chosen = random.Random(_SEED)
    some = sorted(word for word, count in counts.items() if 3 <= count <= 200)
    often = sorted(pair for pair, count in pairs.items() if count >= 3)
    phrases = chosen.sample(some, min(len(some), _WORDS))
    phrases += [" ".join(pair) for pair in chosen.sample(often, min(len(often), _PAIRS))]
    path.write_text("\n".join(f"{phrase}\tLISTED" for phrase in phrases), encoding="utf-8")


def measured(corpus: PreparedCorpus, name: str) -> Cost:
    """The cost of one source for the training split, in this process."""
    request = SourceRequest(
        corpus=corpus, column="speed", name=name, argument=name.partition(":")[2], attribute=None,
        kind=None, on_progress=ignore, on_note=ignore,
    )  # fmt: skip
    start = time.process_time()
    source = load_source(request)
    begun = time.process_time()
    seams = RowSeams(load_tokenizer(corpus.tokenizer_directory).encoder())
    for block in document_blocks(corpus.train, seams):
        source.values(block.documents)
    return Cost(begun - start, time.process_time() - begun)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure sources in turns and print a table in Markdown."""
    parser = OneLineParser(prog="annotation/speed.py", description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each source")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: expected 1 or more")
    try:
        corpus = open_corpus(options.corpus)
    except UserError as error:
        parser.error(str(error))
    costs: dict[str, list[Cost]] = {name: [] for name in options.sources}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "list.txt"
        listed(corpus, path)
        full = {"list": f"list:{path}", "tfidf": "tfidf", "pmi": "pmi:5"}
        for turn in range(options.rounds + 1):
            for name, of_source in costs.items():
                cost = measured(corpus, full[name])
                if turn:  # the first imports and fills caches
                    of_source.append(cost)
    num_tokens = corpus.manifest.train.num_tokens
    print(machine_line(conditions()))
    print(f"\n{num_tokens:,} tokens, {options.rounds} rounds\n")
    print("| source | passes before, s | values, s | tokens/s of values | of all |")
    print("|---|--:|--:|--:|--:|")
    for name, of_source in costs.items():
        before, values = (
            median(getattr(c, kind) for c in of_source) for kind in ("before", "values")
        )
        print(
            f"| {SOURCES[name]} | {before:.2f} | {values:.2f} | {num_tokens / values:,.0f} | "
            f"{num_tokens / (before + values):,.0f} |"
        )


if __name__ == "__main__":
    main()
