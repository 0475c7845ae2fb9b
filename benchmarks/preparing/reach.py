"""What preparing much text takes: processor time and memory of all processes, by the command line.

    python benchmarks/preparing/reach.py --table --books 50M=books-50M --books 10M=books-10M.txt.xz
    python benchmarks/preparing/reach.py --table --short 10000000 --deduplicate exact
    python benchmarks/preparing/reach.py --table --spacy en_ud_tagger --books 1M=books-1M.txt.xz
    python benchmarks/preparing/reach.py --table-only

Each row is one `tidemask prepare` with its own tokenizer, from the first import to the last file,
and is kept with the load before it; it takes the place of an earlier row of the same name. Short
documents are 20 words each, made up and always the same. Of a spaCy pipeline it is measured, in
one process, what all else takes beside it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.command import OneLineParser, write_json
from benchmarks.preparing.page import REACH, SHORT_ROW
from benchmarks.preparing.watching import watched

_VOCAB_SIZE = 8192
_SHORT_WORDS = 20
_BATCH = 100_000
_SEED = 20261129
_LOOK_SECONDS = 1.0


def short_documents(count: int) -> Iterator[str]:
    """Documents of 20 made-up words, drawn by Zipf's law of 21,000; always the same ones."""
    import numpy as np

    from benchmarks.text import synthetic_language

    entries = synthetic_language().entries
    words = [word for name in ("NOUN", "VERB", "PROPN") for word in entries[name]]
    rng = np.random.default_rng(_SEED)
    reached = np.cumsum(1 / (np.arange(len(words)) + 2.7))
    order = rng.permutation(len(words))
    for start in range(0, count, _BATCH):
        draws = rng.random((min(_BATCH, count - start), _SHORT_WORDS)) * reached[-1]
        for row in order[np.searchsorted(reached, draws)].tolist():
            yield " ".join([words[index] for index in row])


def prepared(text: Path, workers: int, tagger: str, options: Sequence[str]) -> dict[str, Any]:
    """Prepare by the command line; what it took, and how much text it was."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "corpus"
        arguments = [
            *("prepare", str(text), "--out", str(out), "--tagger", tagger),
            *("--vocab-size", str(_VOCAB_SIZE), "--workers", str(workers), *options),
        ]
        load = os.getloadavg()[0]
        found = watched([sys.executable, "-m", "tidemask", *arguments], look_seconds=_LOOK_SECONDS)
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        splits = [manifest[split] for split in ("train", "held_out")]
        return {
            "tagger": tagger,
            "options": list(options),
            "workers": workers,
            "load_before": round(load, 2),
            "num_words": sum(split["num_words"] for split in splits),
            "num_documents": sum(split["num_documents"] for split in splits),
            "seconds": found.seconds,
            "cpu_seconds": found.cpu_seconds,
            "megabytes": found.most_bytes / 1e6,
        }


def beside_spacy(text: Path, pipeline: str) -> dict[str, Any]:
    """Prepare in this process; the processor time of spaCy's own `pipe`, and of all else."""
    from spacy.language import Language

    from tidemask.corpus.prepare import prepare
    from tidemask.progress.display import ProgressDisplay

    original = Language.pipe
    inside = 0.0
    begun: dict[str, float] = {}

    class Clock(ProgressDisplay):
        def on_progress(self, stage: str, *_: object) -> None:
            begun.setdefault(stage, time.process_time())

    def timed(self: Language, texts: Any, **options: Any) -> Iterator[Any]:
        nonlocal inside
        documents = original(self, texts, **options)
        while True:
            start = time.process_time()
            document = next(documents, None)
            inside += time.process_time() - start
            if document is None:
                return
            yield document

    Language.pipe = timed
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        corpus = prepare(
            text, out=Path(name) / "corpus", tagger=f"spacy:{pipeline}", workers=1,
            vocab_size=_VOCAB_SIZE, progress=Clock(),
        )  # fmt: skip
    end = time.process_time()
    stages = [*begun.values(), end]
    manifest = corpus.manifest
    return {
        "tagger": "spacy",
        "load_before": round(load, 2),
        "num_words": manifest.train.num_words + manifest.held_out.num_words,
        "cpu_stages": dict(zip(begun, (b - a for a, b in pairwise(stages)), strict=True)),
        "spacy_cpu_seconds": inside,
    }


def keep(name: str, row: Mapping[str, Any]) -> None:
    """Keep a row under its name, with the machine and the versions it was measured with."""
    from benchmarks.machine import conditions

    measured = conditions()
    del measured["load_before"]
    kept = json.loads(REACH.read_text(encoding="utf-8")) if REACH.is_file() else {}
    write_json(REACH, {**kept, name: {**row, "measured": measured}})
    print(f"{name}: {json.dumps(row)}", flush=True)


def _measure_short(count: int, deduplicate: str, workers: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        text = Path(directory) / "short.txt"
        with text.open("w", encoding="utf-8") as file:
            file.writelines(f"{document}\n" for document in short_documents(count))
        options = ["--documents", "line", "--deduplicate", deduplicate]
        row = prepared(text, workers, "none", options)
    keep(SHORT_ROW.format(count=count, words=_SHORT_WORDS, deduplicate=deduplicate), row)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = OneLineParser(prog="preparing/reach.py", description="What much text takes.")
    parser.add_argument("--books", metavar="NAME=TEXT", action="append", default=[])
    parser.add_argument("--tagger", action="append", default=[], help="textblob and none if left")
    parser.add_argument("--short", metavar="N", type=int, help="that many short documents")
    parser.add_argument("--deduplicate", choices=("exact", "near"), default="exact")
    parser.add_argument("--spacy", metavar="NAME_OR_PATH", help="what all else takes beside it")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--table", action="store_true", help="write the page of the docs")
    parser.add_argument("--table-only", action="store_true", help="write it from kept rows")
    options = parser.parse_args(arguments)
    if not (options.books or options.short or options.table_only):
        parser.error("nothing to measure. Expected --books, --short or --table-only")
    for given in options.books:
        name, _, path = given.partition("=")
        text = Path(path)
        if not (name and path and text.exists()):
            parser.error(f"--books {given}: expected NAME=TEXT with a text that is there")
        if options.spacy is not None:
            keep(f"books {name}, spacy", beside_spacy(text, options.spacy))
            continue
        for tagger in options.tagger or ["textblob", "none"]:
            row = prepared(text.resolve(), options.workers, tagger, ["--documents", "blank-lines"])
            keep(f"books {name}, {tagger}", row)
    if options.short is not None:
        _measure_short(options.short, options.deduplicate, options.workers)
    if options.table or options.table_only:
        from benchmarks.preparing.speed import FILES

        FILES.write_page()


if __name__ == "__main__":
    main()
