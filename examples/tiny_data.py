"""What the examples share: a little text, a tokenizer, a model, and a printed table.

Nothing here is about masking, except `rows_of`: the columns that whole words and classes need.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from tidemask import word_starts_of
from tidemask.corpus.tagging.textblob_tagger import TextBlobTagger
from tidemask.corpus.tagging.words import align_classes
from tidemask.corpus.tokenizing.normalization import TextNormalization
from tidemask.corpus.tokenizing.training import tokenizer_trainer
from tidemask.token_classes import NO_CLASS

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # loader workers are forked later
torch.set_num_threads(1)  # for so small a model more threads only wait for each other

MODULES = "argparse ast collections decimal email heapq inspect logging pathlib random statistics"
"""Python's own documentation is the text."""


def parser_of(description: str) -> argparse.ArgumentParser:
    """The options that all examples have."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40, help="optimizer steps")
    parser.add_argument("--batch", type=int, default=16, help="sequences per batch")
    parser.add_argument("--accumulate", type=int, default=1, help="batches per optimizer step")
    parser.add_argument("--workers", type=int, default=2, help="loader processes")
    parser.add_argument("--tokenizer", type=Path, help="directory of a fast tokenizer")
    return parser


def texts_of() -> list[str]:
    """Paragraphs of the docstrings of the standard library, each once."""
    found: dict[str, None] = {}
    for name in MODULES.split():
        module = importlib.import_module(name)
        classes = [thing for _, thing in inspect.getmembers(module, inspect.isclass)]
        for thing in [module, *classes, *(f for c in classes for f in vars(c).values())]:
            for paragraph in (inspect.getdoc(thing) or "").split("\n\n"):
                if len(paragraph) > 60:
                    found[" ".join(paragraph.split())] = None
    return list(found)


def tokenizer_of(texts: list[str], directory: Path | None) -> Any:
    """The tokenizer in a directory, or a small one trained on the texts."""
    if directory is not None:
        return AutoTokenizer.from_pretrained(directory)
    uncased = TextNormalization(lowercase=True, strip_accents=True)
    trainer = tokenizer_trainer("wordpiece", vocab_size=1000, normalization=uncased)
    return trainer.train(lambda: texts).tokenizer


def rows_of(texts: list[str], tokenizer: Any) -> list[dict[str, Any]]:
    """Tokenised examples with the two columns that masking reads beside the ids.

    `word_starts` marks where words begin, `token_class` the part of speech of each token.
    """
    encoding = tokenizer(texts, truncation=True, max_length=64)
    starts = word_starts_of(encoding, texts)
    rows = []
    for one, tagged, word_starts in zip(
        encoding.encodings, TextBlobTagger().tag(texts), starts, strict=True
    ):
        inside = np.array([word is not None for word in one.word_ids])  # no [CLS], no [SEP]
        begins, ends = np.array(one.offsets)[inside].T
        token_class = np.full(len(inside), NO_CLASS, np.uint8)
        token_class[inside] = align_classes(tagged, begins, ends, word_starts[inside])
        ids = np.array(one.ids, np.int32)
        rows.append({"input_ids": ids, "word_starts": word_starts, "token_class": token_class})
    return rows


def model_of(tokenizer: Any) -> BertForMaskedLM:
    """A BERT so small that it learns a little within seconds."""
    torch.manual_seed(0)
    return BertForMaskedLM(
        BertConfig(
            vocab_size=max(tokenizer.get_vocab().values()) + 1,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=128,
            max_position_embeddings=64,
        )
    )


class RatioTable:
    """Prints what was masked, a line for every tenth of the run, beside what was scheduled."""

    def __init__(self, collator: Any, first_step: int = 0) -> None:
        self.ratio, self.steps = collator.masker.ratio, collator.clock.max_steps
        self.is_special = collator.masker.vocabulary.is_special
        self._start_line(first_step)

    def add(self, step: int, input_ids: torch.Tensor, labels: torch.Tensor) -> None:
        """Take in a batch as it was masked for a step."""
        if step * 10 // self.steps > self.first * 10 // self.steps:
            self.print_line()
            self._start_line(step)
        predicted = labels.cpu() >= 0
        maskable = predicted | ~self.is_special[input_ids.cpu()]
        self.last = step
        self.masked += int(predicted.sum())
        self.maskable += int(maskable.sum())
        self.scheduled += self.ratio(step / self.steps) * int(maskable.sum())

    def print_line(self) -> None:
        """The line of the steps since the last."""
        print(
            f"steps {self.first:4d} - {self.last:4d}   "
            f"scheduled ratio {self.scheduled / max(1, self.maskable):.3f}   "
            f"realised ratio {self.masked / max(1, self.maskable):.3f}",
            flush=True,
        )

    def _start_line(self, step: int) -> None:
        self.first = self.last = step
        self.masked = self.maskable = 0
        self.scheduled = 0.0


def print_classes(collator: Any, *, shown: int = 6) -> None:
    """The hardest and the easiest classes, and how much each is masked."""
    losses = collator.class_loss.value()
    steps = collator.clock.max_steps
    weights = collator.masker.class_weights(losses, progress=1.0, step=steps)
    rows = list(
        zip(losses.tolist(), weights.tolist(), collator.class_loss.class_names, strict=True)
    )
    seen = sorted(row for row in rows if row[0] == row[0])  # NaN: a class was never predicted
    middle = slice(shown // 2, max(shown // 2, len(seen) - shown // 2))
    del seen[middle]
    for loss, weight, name in seen:
        print(f"class {name:6s} loss {loss:.2f} nats   weight {weight:.2f}")
