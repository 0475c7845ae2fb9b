"""A small corpus of two sources, `big` and `small`, of which one has four times as much text."""

from __future__ import annotations

from pathlib import Path

from prose import text
from tidemask import prepare


def corpus_of_two_sources(root: Path) -> Path:
    """Make it in `root/corpus`."""
    for name, size, seed in (("big", 40, 1), ("small", 10, 2)):
        (root / f"{name}.txt").write_text(text(size, seed=seed, num_sentences=6))
    (root / "sources.yaml").write_text(
        "sources:\n  - {name: big, text: big.txt}\n  - {name: small, text: small.txt}\n"
    )
    prepare(
        root / "sources.yaml", out=root / "corpus", vocab_size=200, sequence_length=32,
        documents="blank-lines", tagger="none", workers=1, progress=False,
    )  # fmt: skip
    return root / "corpus"
