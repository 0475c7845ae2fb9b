"""Texts in batches of bounded length, which keeps what is made of them small."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_BATCH_CHARACTERS = 1 << 17


def in_batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in lists, each of which ends with the text that makes it 131,072 characters."""
    batch: list[str] = []
    num_characters = 0
    for text in texts:
        batch.append(text)
        num_characters += len(text)
        if num_characters >= _BATCH_CHARACTERS:
            yield batch
            batch, num_characters = [], 0
    if batch:
        yield batch
