"""Model directories with the tokenizer of a corpus, and settings of a short run from one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tiny_models import tiny

PADDED_IDS = 24
"""Ids that a model has beyond its tokenizer's, as ModernBERT and DeBERTa-v3 have them."""


def saved(
    corpus: Path, out: Path, name: str = "bert", *, extra_ids: int = PADDED_IDS, **changes: Any
) -> Path:
    """A model directory with the tokenizer of a corpus."""
    tokenizer = load_tokenizer(str(corpus / "tokenizer")).tokenizer
    vocab_size = open_corpus(corpus).manifest.vocab_size + extra_ids
    special = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": None, "eos_token_id": None}
    if name.startswith("modernbert"):
        special |= {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    tiny(name, **{"vocab_size": vocab_size, **special, **changes}).save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out


def further(directory: Path, *settings: str) -> list[str]:
    """Settings of a short run from a directory, over those of `TINY`."""
    own = ["model.size=null", "model.dropout=null", f"model.warm_start={directory}"]
    return [*own, "training.max_steps=3", "training.save_steps=2", *settings]
