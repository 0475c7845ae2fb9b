"""A corpus of known texts, and where each of its tokens stands in them, by means of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

import tidemask
from prose import text

LENGTH = 16
POSITIONS = 40
"""Of the tiny model, less than the tokens of the longer texts."""
_END = "A naïve fox — state-of-the-art, often."
"""Of each of the longer texts, so that a vocabulary has its letters."""

TEXTS = [
    *(f"{one} {_END}" for one in text(12, num_sentences=6).strip().split("\n\n")),
    "Mr. Old met the old dog.\nThe Old dog saw a red fox — naïve, state-of-the-art.",
    "fox",
]
"""Texts of several rows and texts within one; the two last are short."""


def write_texts(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": one}) + "\n" for one in texts), encoding="utf-8")
    return path


def prepared(root: Path, **settings: Any) -> Path:
    """The texts as a corpus in `root`; held out is one in five."""
    source = write_texts(root / "texts.jsonl", TEXTS)
    usual = {"sequence_length": LENGTH, "held_out": 0.2, "tagger": "none", "workers": 1}
    usual |= {"vocab_size": 300, "deduplicate": "none", "progress": False}
    tidemask.prepare(source, out=root / "corpus", **{**usual, **settings})
    return root / "corpus"


def tiny_model(corpus: Path, directory: Path) -> Path:
    """A model with random weights and the tokenizer of the corpus."""
    tokenizer = AutoTokenizer.from_pretrained(corpus / "tokenizer")
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=POSITIONS, initializer_range=0.5,
    )  # fmt: skip
    torch.manual_seed(0)
    BertForMaskedLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@dataclass(frozen=True)
class PlacedToken:
    """Where a token stands: in the rows, and in its text."""

    split: str
    row: int
    position: int
    document: int
    text: int
    start: int
    end: int


def placed_tokens(corpus: Path) -> Iterator[PlacedToken]:
    """Every token of text of a corpus of `TEXTS`, in the order of the rows.

    Those of white space alone are left out: they may go with the word after them or with none.
    """
    tokenizer = AutoTokenizer.from_pretrained(corpus / "tokenizer")
    place = [row["place"] for row in _rows(corpus / "documents")]
    offsets = [
        tokenizer(one, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        for one in TEXTS
    ]
    for split in ("train", "held_out"):
        for piece in _rows(corpus / "pieces" / split):
            number = place[piece["document"]] - 1
            for i in range(piece["num_tokens"]):
                start, end = offsets[number][piece["token_offset"] + i]
                start += len(TEXTS[number][start:end]) - len(TEXTS[number][start:end].lstrip())
                place_in_row = split, piece["row"], piece["position"] + i
                if start < end:
                    yield PlacedToken(*place_in_row, piece["document"], number, start, end)


def _rows(directory: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(directory.glob("*.arrow")):
        with pa.ipc.open_stream(path.read_bytes()) as stream:
            yield from stream.read_all().to_pylist()


def column_values(corpus: Path, name: str) -> dict[str, list[list[Any]]]:
    """The values of a column by split, row and position, read with pyarrow alone."""
    return {
        split: [row["values"] for row in _rows(corpus / "columns" / name / split)]
        for split in ("train", "held_out")
    }
