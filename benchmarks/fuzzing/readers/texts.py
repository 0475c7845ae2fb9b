"""Who reads texts: the preparation of a corpus from each form that they may have."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing.fuzzed import FuzzedName, Reader, files_in
from benchmarks.fuzzing.world import CLAIM

_PREPARE = ("prepare", "tale.txt", "--out", "made", "--workers", "1")
_WITH_TOKENIZER = (*_PREPARE, "--tokenizer", "corpus/tokenizer")

NAMES = (FuzzedName("tale.txt", _WITH_TOKENIZER), FuzzedName("made", _WITH_TOKENIZER))


def readers(root: Path) -> list[Reader]:
    """Commands on texts, the files of each, and what it leaves."""
    zipped = [f"zipped.txt.{ending}" for ending in ("gz", "xz", "bz2", "zst")]
    tables = [
        f"text.{ending}" for ending in ("jsonl", "jsonl.gz", "csv", "tsv", "parquet", "arrow")
    ]
    others = _WITH_TOKENIZER[2:]
    tagged = ("--words", "tagger", "--tagger")
    return [
        ((*_PREPARE, "--vocab-size", "200"), ["tale.txt", CLAIM], None),
        (_WITH_TOKENIZER, ["tale.txt", *files_in(root, "corpus/tokenizer")], None),
        (
            (*_WITH_TOKENIZER, "--extend-vocabulary", "words.txt", "--tagger", "none"),
            ["words.txt"],
            None,
        ),
        *((("prepare", name, *others), [name], None) for name in zipped),
        *((("prepare", name, *others, "--text-field", "text"), [name], None) for name in tables),
        (("prepare", "sources.yaml", *others), ["sources.yaml", "text.jsonl"], None),
        (
            ("prepare", "tasks/pos/train.conllu", *others, *tagged, "conllu"),
            ["tasks/pos/train.conllu"],
            None,
        ),
        (
            ("prepare", "tasks/ner/train.tsv", *others, *tagged, "column:1"),
            ["tasks/ner/train.tsv"],
            None,
        ),
        (
            ("prepare", "tasks/saved", *others, "--text-field", "sentence"),
            files_in(root, "tasks/saved"),
            None,
        ),
        (("prepare", "--again", "corpus", "--out", "made"), ["corpus/manifest.json"], None),
    ]
