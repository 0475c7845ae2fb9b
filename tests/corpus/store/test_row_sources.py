"""The source of each row, against a loop over the pieces of each row and their documents."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import tidemask
from places import ROOT
from prose import sentence
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus
from tidemask.corpus.store.row_sources import rows_by_source
from tidemask.errors import UserError


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> PreparedCorpus:
    """Three sources of short documents, the last of which fills no row."""
    root = tmp_path_factory.mktemp("mixed")
    rng = random.Random(2)
    for name, size in (("zebra", 40), ("ant", 60), ("mite", 1)):
        (root / f"{name}.txt").write_text("\n".join(sentence(rng) for _ in range(size)))
    (root / "held.txt").write_text(sentence(rng))
    (root / "sources.yaml").write_text(
        "sources:\n"
        "  - {name: zebra, text: zebra.txt, documents: line, passes: 2}\n"
        "  - {name: ant, text: ant.txt, documents: line}\n"
        "  - {name: mite, text: mite.txt, documents: line}\n"
    )
    return tidemask.prepare(
        root / "sources.yaml", out=root / "corpus", sequence_length=48, tagger="none",
        workers=1, held_out_text=root / "held.txt", progress=False,
    )  # fmt: skip


def test_row_sources_are_those_of_most_tokens(mixed: PreparedCorpus) -> None:
    expected: dict[str, list[int]] = {}
    several = 0
    for row in range(len(mixed.train)):
        pieces = mixed.train.pieces.of_rows([row])
        tokens: Counter[str] = Counter()
        for document, number in zip(pieces.document, pieces.num_tokens, strict=True):
            tokens[str(mixed.documents[document].fields["source"])] += int(number)
        several += len(tokens) > 1
        most = min(tokens, key=lambda name: (-tokens[name], name))
        expected.setdefault(most, []).append(row)
    found = rows_by_source(mixed)
    assert several
    assert {name: rows.tolist() for name, rows in found.items()} == expected
    assert sorted(np.concatenate(list(found.values()))) == list(range(len(mixed.train)))
    assert list(found) == ["ant", "zebra"]


def test_row_sources_of_a_corpus_without_them_are_refused(plain_corpus: Path) -> None:
    with pytest.raises(UserError, match=r"corpus without sources: training\.source_shares, and"):
        rows_by_source(open_corpus(plain_corpus))
    earlier = open_corpus(ROOT / "tests" / "earlier_version" / "corpus")
    with pytest.raises(UserError, match="corpus without its documents"):
        rows_by_source(earlier)
