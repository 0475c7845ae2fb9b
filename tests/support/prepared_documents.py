"""Documents of a small grammar, and a small corpus prepared of them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import tidemask
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.corpus import PreparedCorpus
from tidemask.corpus.store.rows import Rows
from tidemask.corpus.store.split import CorpusSplit

NOUNS = ["cat", "dog", "mat", "house", "river", "garden", "letter", "window", "sailor", "captain"]
VERBS = ["sees", "finds", "likes", "washes", "paints", "remembers"]
ADJECTIVES = ["old", "small", "green", "quiet", "strange"]
SETTINGS = PrepareSettings(
    lowercase=True, vocab_size=300, sequence_length=32, held_out=0.2, workers=1
)


def sentence(draw: random.Random) -> str:
    """One sentence of this grammar."""
    noun, verb, other = draw.choice(NOUNS), draw.choice(VERBS), draw.choice(NOUNS)
    number = draw.randint(0, 999)
    return f"The {draw.choice(ADJECTIVES)} {noun} {verb} {number} {other}s, and the {other} ran."


def make_documents(num_documents: int = 40, seed: int = 0) -> list[Document]:
    """Documents of one to twelve sentences; the same for a seed."""
    draw = random.Random(seed)
    return [
        Document("\n".join(sentence(draw) for _ in range(draw.randint(1, 12))), f"text {index}")
        for index in range(num_documents)
    ]


def prepare(
    tmp_path: Path, documents: list[Document], name: str = "corpus", **changes: Any
) -> PreparedCorpus:
    """A corpus of documents, with changes of `SETTINGS`."""
    return prepare_corpus(
        lambda: documents, out=tmp_path / name, settings=replace(SETTINGS, **changes)
    )


def prepare_files(paths: list[Path], out: Path) -> PreparedCorpus:
    """A corpus of files, with the same settings but for the case of letters."""
    return tidemask.prepare(
        paths, out=out, vocab_size=300, sequence_length=32, held_out=0.2, workers=1, progress=False,
        documents="blank-lines",
    )  # fmt: skip


def all_rows(split: CorpusSplit) -> Rows:
    """Every row of a split."""
    return split.rows(range(len(split)))
