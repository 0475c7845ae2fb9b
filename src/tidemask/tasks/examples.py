"""Examples of a downstream task: rows with their places, from JSON Lines, and parts of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tidemask.corpus.sources.decoding import read_records
from tidemask.errors import UserError
from tidemask.reading import parse_json
from tidemask.reading.compression import COMPRESSED


def file_endings(ending: str) -> tuple[str, ...]:
    """An ending of file names, plain and compressed."""
    return (ending, *(ending + compressed for compressed in COMPRESSED))


JSON_LINES = file_endings(".jsonl")
"""What the names of files of JSON Lines end in."""


@dataclass(frozen=True)
class Example:
    """One row of a task.

    Attributes:
        fields: its values by name.
        place: file and line, or data set and row, for messages.
        names: what the numbers of a field stand for, where the data set itself says so.
    """

    fields: Mapping[str, Any]
    place: str
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def text(self, field: str) -> str:
        """A field that must be text.

        Raises:
            UserError: it is missing or something else.
        """
        value = self.value(field)
        if not isinstance(value, str):
            raise UserError(
                f"field is not text: {self.place}: {field}={value!r}. Expected a string."
            )
        return value

    def value(self, field: str) -> Any:
        """A field that must be there.

        Raises:
            UserError: it is missing.
        """
        if field not in self.fields:
            raise UserError(
                f"field missing: {self.place} has no {field}, only "
                f"{', '.join(map(str, self.fields)) or 'nothing'}. Name the fields of the file, or "
                "fix it."
            )
        return self.fields[field]


def json_lines(path: Path) -> Iterator[Example]:
    """The objects of a file of JSON Lines, compressed or not; blank lines are skipped.

    Raises:
        UserError: a line is not a JSON object, has a key twice, half of a surrogate pair or a
            number that is not finite, or the file cannot be read.
    """
    for number, line in enumerate(read_records(path), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        fields = parse_json(
            line, dict[str, Any], f"example: {place}", advice="Expected one JSON object per line."
        )
        yield Example(fields, place)


def split_by_group(
    examples: Sequence[Example], field: str, *, share: float
) -> tuple[list[Example], list[Example]]:
    """Split examples in two; the hash of its group decides the part of an example.

    Args:
        examples: of one split.
        field: names the group, which is never in both parts, such as the question of several pairs.
        share: expected size of the second part, in (0, 1).
    """
    parts: tuple[list[Example], list[Example]] = ([], [])
    for example in examples:
        digest = hashlib.sha256(str(example.value(field)).encode()).digest()
        parts[int.from_bytes(digest[:8], "big") < share * 2**64].append(example)
    return parts


_Row = TypeVar("_Row")


def fixed_subset(examples: Sequence[_Row], max_examples: int) -> list[_Row]:
    """The first `max_examples` of a fixed shuffle; all examples if it is 0."""
    if not 0 < max_examples < len(examples):
        return list(examples)
    order = np.random.default_rng(0).permutation(len(examples))[:max_examples]
    return [examples[index] for index in order]
