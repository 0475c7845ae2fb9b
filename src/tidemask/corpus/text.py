"""Files to documents."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """A continuous text.

    Attributes:
        text: its characters, not empty.
        source: the file or package it comes from.
        held_out: whether it belongs to the held-out split; `None` leaves that to its content hash.
    """

    text: str
    source: str
    held_out: bool | None = None
