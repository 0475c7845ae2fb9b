"""How well a tagger does on words with gold tags, as the manifest of a corpus has it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ClassAccuracy:
    """Of the words of one gold class.

    Attributes:
        num_words: words of it.
        num_right: those that the tagger gives the class, too.
    """

    num_words: int
    num_right: int


@dataclass(frozen=True, kw_only=True)
class TagAccuracy:
    """Of a tagger on a file with gold tags.

    Attributes:
        source: path of the file.
        sha256: of the file, hexadecimal.
        num_words: gold words, without those that have no class.
        num_right: those that have the tagger's class.
        num_right_kind: those that are content or function words by both; content words are those
            of the open classes of Universal Dependencies.
        by_class: by the name of the gold class, of those that occur.
    """

    source: str
    sha256: str
    num_words: int
    num_right: int
    num_right_kind: int
    by_class: dict[str, ClassAccuracy]

    def __post_init__(self) -> None:
        for name in ("num_right", "num_right_kind"):
            if not 0 <= getattr(self, name) <= self.num_words:
                raise ValueError(f"{name}={getattr(self, name)}. Expected at most {self.num_words}")

    @property
    def accuracy(self) -> float:
        """Share of the words that have the right class, in [0, 1]."""
        return self.num_right / self.num_words

    @property
    def kind_accuracy(self) -> float:
        """Share of the words that are rightly content or function words, in [0, 1]."""
        return self.num_right_kind / self.num_words
