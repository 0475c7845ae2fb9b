"""One preparation of a text, timed by stage, in a process of its own.

    python benchmarks/preparing/turn.py '{"contestant": "textblob", "text": "text.txt", ...}'

What is imported is imported before the clock starts. The last line printed is JSON: seconds in all
and by stage, CPU seconds of the process that reads and writes by stage, and words.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

DATASETS = "datasets.map"
"""The contestant that is no tagger: tokenise and group, as scripts for masked models do."""


def prepared(options: Mapping[str, Any]) -> dict[str, Any]:
    """Prepare with tidemask; seconds by stage, which follow one another."""
    from tidemask.corpus.prepare import prepare
    from tidemask.progress.display import ProgressDisplay

    begun: dict[str, tuple[float, float]] = {}

    def now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    class Clock(ProgressDisplay):
        def on_progress(self, stage: str, *_: object) -> None:
            begun.setdefault(stage, now())

    given = (
        {"tokenizer": options["tokenizer"]}
        if options["tokenizer"]
        else {"vocab_size": options["vocab_size"]}
    )
    start = time.perf_counter()
    corpus = prepare(
        options["text"], out=options["out"], tagger=options["contestant"],
        documents="blank-lines", workers=options["workers"], progress=Clock(), **given,
    )  # fmt: skip
    times = [*begun.values(), now()]
    stages, cpu_stages = (
        dict(zip(begun, (b[kind] - a[kind] for a, b in pairwise(times)), strict=True))
        for kind in (0, 1)
    )
    manifest = corpus.manifest
    return {
        "seconds": times[-1][0] - start,
        "stages": stages,
        "cpu_stages": cpu_stages,
        "num_words": manifest.train.num_words + manifest.held_out.num_words,
    }


def mapped(options: Mapping[str, Any]) -> dict[str, Any]:
    """Tokenise and group with `datasets`, in as many processes; words are not known to it."""
    from datasets import disable_progress_bars, load_dataset
    from transformers import AutoTokenizer

    from tidemask.pretrained import from_pretrained

    disable_progress_bars()
    tokenizer = from_pretrained(AutoTokenizer, options["tokenizer"])
    length = 128
    start = time.perf_counter()
    rows = load_dataset(
        "text", data_files=options["text"], sample_by="paragraph", split="train",
        cache_dir=str(Path(options["out"]) / "cache"),
    )  # fmt: skip

    def tokenise(batch: dict[str, list[str]]) -> Any:
        return tokenizer(batch["text"], return_special_tokens_mask=True)

    def group(batch: dict[str, list[list[int]]]) -> dict[str, list[list[int]]]:
        joined = {name: [one for row in rows for one in row] for name, rows in batch.items()}
        total = len(joined["input_ids"]) // length * length
        return {
            name: [values[start : start + length] for start in range(0, total, length)]
            for name, values in joined.items()
        }

    workers = options["workers"] if options["workers"] > 1 else None
    read = time.perf_counter()
    encoded = rows.map(tokenise, batched=True, num_proc=workers, remove_columns=["text"])
    tokenised = time.perf_counter()
    encoded.map(group, batched=True, num_proc=workers)
    end = time.perf_counter()
    stages = {
        "reading text": read - start,
        "tokenizing": tokenised - read,
        "grouping": end - tokenised,
    }
    return {"seconds": end - start, "stages": stages}


def main() -> None:
    """Run one turn."""
    options = json.loads(sys.argv[1])
    import tidemask.corpus.prepare  # noqa: F401

    found = mapped(options) if options["contestant"] == DATASETS else prepared(options)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
