"""Dataclasses of arrays and texts, as arrays in a file and back.

Texts are kept as UTF-8 with the place where each ends: NumPy's own are as wide as the longest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.integer[Any]]

KIND = "kind"
"""Name of the array that says of which class the others are."""

_ENDS = "_ends"


@dataclass(frozen=True, kw_only=True)
class KeptArrays:
    """Fields that are arrays or tuples of texts, or `None`, where that is their default."""

    kind: ClassVar[str]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is written into a file."""
        found: dict[str, NDArray[Any]] = {KIND: np.array(self.kind)}
        for name, value in vars(self).items():
            if isinstance(value, tuple):
                encoded = [text.encode(errors="surrogatepass") for text in value]
                found[name] = np.frombuffer(b"".join(encoded), np.uint8)
                found[name + _ENDS] = compact(np.cumsum([len(text) for text in encoded]))
            elif value is not None:
                found[name] = value
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What such arrays hold; others among them are passed over.

        Raises:
            ValueError: an array is missing, or of another length.
        """
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            if field.name + _ENDS in arrays:
                values[field.name] = _texts(arrays[field.name], arrays[field.name + _ENDS])
            elif field.name in arrays:
                values[field.name] = arrays[field.name]
            elif field.default is not None:
                raise ValueError(f"no array {field.name}")
        return cls(**values)

    def _check_lengths(self, **lengths: int) -> None:
        """Refuse arrays of other lengths.

        Raises:
            ValueError: one has another.
        """
        for name, length in lengths.items():
            value = getattr(self, name)
            if value is not None and len(value) != length:
                raise ValueError(f"{name} has the length {len(value)}. Expected {length}")


def compact(numbers: Sequence[int] | Integers) -> Integers:
    """Whole numbers of at least 0 in the smallest unsigned type that holds them all.

    Example:
        >>> compact([3, 255]).dtype.name, compact([3, 256]).dtype.name
        ('uint8', 'uint16')
    """
    array = np.asarray(numbers, np.int64)
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))


def _texts(content: NDArray[np.uint8], ends: Integers) -> tuple[str, ...]:
    whole = content.tobytes()
    places = pairwise([0, *ends.tolist()])
    return tuple(whole[start:end].decode(errors="surrogatepass") for start, end in places)
