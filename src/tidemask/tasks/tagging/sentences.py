"""Sentences of tagged words, and the schemes in which entity tags are written.

Entities are tagged word by word. Every scheme becomes IOB2 here: `B-X` begins an entity of type
X, `I-X` continues it, `O` is outside. What counts as an entity is what `conlleval`, the scorer of
the CoNLL shared tasks, counts: `I-X` begins one, too, unless an entity of type X precedes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tidemask.errors import UserError

OUTSIDE = "O"
"""Tag of a word that belongs to no entity."""

TagKind = Literal["entities", "words"]
"""Whether tags mark entities, with prefixes, or each word has a tag of its own."""

_BEGINS = frozenset("BSU")
_ENDS = frozenset("ELSU")
_PREFIXES = frozenset("BIMELSU")
"""Begin, inside (`M` in BMES), end (`L` in BILOU), single (`U` in BILOU)."""


@dataclass(frozen=True)
class TaggedSentence:
    """Words of one sentence, each with its tag.

    Attributes:
        words: at least one.
        tags: as many.
        place: where it was read, for errors: "train.conll, line 12" is the place of its first word.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    place: str

    def __post_init__(self) -> None:
        if len(self.words) != len(self.tags):
            raise UserError(
                f"a sentence has {len(self.words)} words and {len(self.tags)} tags: {self.place}. "
                "Expected one tag for each word. Fix the file."
            )


def check_word(word: str, tag: str, place: str) -> None:
    """Refuse a word or a tag without any letter.

    Raises:
        UserError: one is empty; the message names the place.
    """
    for name, text in (("word", word), ("tag", tag)):
        if not text:
            other = f"word {word!r}" if word else f"tag {tag!r}"
            raise UserError(
                f"empty {name}: {place}, {other}. Expected a word and its tag. Fix the line, or "
                "remove it."
            )


def is_entity_tag(tag: str) -> bool:
    """Whether a tag is `O`, or a prefix, alone or with a hyphen and a type: `B`, `B-PER`."""
    return tag == OUTSIDE or (
        tag[:1] in _PREFIXES and (len(tag) == 1 or (len(tag) > 2 and tag[1] == "-"))
    )


def to_iob2(sentence: TaggedSentence) -> TaggedSentence:
    """The same entities in IOB2, from IOB1, IOB2, BIOES, BILOU or BMES.

    IOB1 writes `I-X` for the first word of an entity, and `B-X` only where another of the same
    type ends right before. No scheme has to be named: the same rule reads all of them. Prefixes
    alone (`B`, `I`), as in corpora with one type of entity, are entities of one unnamed type.

    Raises:
        UserError: a tag is neither `O` nor a prefix, alone or with a hyphen and a type.
    """
    # A word begins an entity if its prefix says so, or if no entity of its type is open. An entity
    # stays open until a prefix of its last word, a tag outside, or one of another type.
    converted = []
    inside = None  # type of the open entity
    for position, tag in enumerate(sentence.tags):
        if tag == OUTSIDE:
            inside = None
            converted.append(tag)
            continue
        if not is_entity_tag(tag):
            raise UserError(
                f"unknown entity tag: {tag!r} of word {position + 1}, "
                f"{sentence.words[position]!r}: {sentence.place}. Expected O, or B, I, E or S "
                "with a hyphen and a type, such as B-PER, or alone. Choose another column, or "
                "kind=words for plain tags."
            )
        prefix, entity = tag[0], tag[2:]
        begins = prefix in _BEGINS or entity != inside
        converted.append(_tag("B" if begins else "I", entity))
        inside = None if prefix in _ENDS else entity
    return TaggedSentence(sentence.words, tuple(converted), sentence.place)


def iob2_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """`O`, then `B-X` and `I-X` of every type that occurs, in alphabetical order of the types."""
    types = sorted({tag[2:] for tag in tags if tag != OUTSIDE})
    return (OUTSIDE, *(_tag(prefix, entity) for entity in types for prefix in "BI"))


def _tag(prefix: str, entity: str) -> str:
    return f"{prefix}-{entity}" if entity else prefix


def check_tags(sentences: Sequence[TaggedSentence], known: Sequence[str], origin: str) -> None:
    """Refuse tags that are not among the known ones.

    Args:
        sentences: of one split, in the scheme of `known`.
        known: tags of the task.
        origin: where the known ones come from, for the message: "of train", "of the task".

    Raises:
        UserError: some tag is unknown; the message names its first word.
    """
    allowed = frozenset(known)
    for sentence in sentences:
        if allowed.issuperset(sentence.tags):
            continue
        position, tag = next(
            (position, tag) for position, tag in enumerate(sentence.tags) if tag not in allowed
        )
        shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        raise UserError(
            f"unknown tag: {tag!r} of word {position + 1}, {sentence.words[position]!r}: "
            f"{sentence.place}. Expected one of the tags {origin}: {shown}. "
            "Choose another column or field, or name all tags of the task in tags=."
        )
