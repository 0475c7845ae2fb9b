"""What a column can take of spaCy's analysis of a text, each with the classes that it may have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.source import SourceError
from tidemask.errors import UserError, did_you_mean
from tidemask.token_classes import NO_CLASS, ColumnKind

ATTRIBUTES: tuple[str, ...] = ("ent_type", "entities", "noun_chunks", "dep", "morph:FEATURE")
"""How attributes are asked for."""

_CLASSIFIERS = frozenset(
    {"textcat", "textcat_multilabel", "entity_linker", "lemmatizer", "trainable_lemmatizer"}
)
_ENTITIES = frozenset({"ner", "beam_ner", "entity_ruler", "span_ruler"})
_PARSERS = frozenset({"parser", "beam_parser", "senter", "sentencizer"})


@dataclass(frozen=True)
class PipelineAttribute:
    """One of `ATTRIBUTES`.

    Attributes:
        name: as it was asked for.
        kind: of its column.
        assigned: what a component of the pipeline has to set, any of these in spaCy's notation.
        unneeded: factories of components on which it does not depend.
        values: of the tokens of a text: names, `""` for none; or numbers of spans, -1 for none.
    """

    name: str
    kind: ColumnKind
    assigned: tuple[str, ...]
    unneeded: frozenset[str]
    values: Callable[[Any], list[str] | NDArray[np.int64]]

    def class_names(self, nlp: Any) -> tuple[str, ...]:
        """The classes that a pipeline may give, in the order of the alphabet; empty for groups."""
        if self.kind != "class":
            return ()
        feature = self.name.partition(":")[2]
        names = {
            value
            for label in _labels(nlp, self.assigned)
            for value in (_feature_values(label, feature) if feature else [label])
        }
        return tuple(sorted(names | ({"ROOT", "dep"} if names and self.name == "dep" else set())))

    def is_set_by(self, nlp: Any) -> bool:
        """Whether a component of the pipeline sets it."""
        if self.name == "noun_chunks" and nlp.vocab.get_noun_chunks is None:
            return False
        return any(True for _ in _components(nlp, self.assigned))


def attribute_named(name: str | None) -> PipelineAttribute:
    """The attribute of a name; the types of entities without one.

    Raises:
        UserError: there is none of that name.
    """
    name = name or "ent_type"
    feature = name.removeprefix("morph:")
    if feature and feature != name:
        return PipelineAttribute(
            name,
            "class",
            ("token.morph",),
            _CLASSIFIERS | _ENTITIES | _PARSERS,
            lambda doc: [",".join(token.morph.get(feature)) for token in doc],
        )
    for attribute in _ATTRIBUTES:
        if attribute.name == name:
            return attribute
    raise UserError(
        f"unknown attribute: {name!r}. Expected one of {', '.join(ATTRIBUTES)}."
        f"{did_you_mean(name, ATTRIBUTES)}"
    )


def _spans(doc: Any, spans: Iterable[Any]) -> NDArray[np.int64]:
    """Of each token, the number of its span."""
    numbers = np.full(len(doc), -1, np.int64)
    for number, span in enumerate(spans):
        numbers[span.start : span.end] = number
    return numbers


_ATTRIBUTES = (
    PipelineAttribute(
        "ent_type",
        "class",
        ("doc.ents", "token.ent_type"),
        _CLASSIFIERS,
        lambda doc: [token.ent_type_ for token in doc],
    ),
    PipelineAttribute(
        "entities",
        "group",
        ("doc.ents", "token.ent_type"),
        _CLASSIFIERS,
        lambda doc: _spans(doc, doc.ents),
    ),
    PipelineAttribute(
        "noun_chunks",
        "group",
        ("token.dep",),
        _CLASSIFIERS | _ENTITIES,
        lambda doc: _spans(doc, doc.noun_chunks),
    ),
    PipelineAttribute(
        "dep",
        "class",
        ("token.dep",),
        _CLASSIFIERS | _ENTITIES,
        lambda doc: [token.dep_ for token in doc],
    ),
)


def _components(nlp: Any, assigned: tuple[str, ...]) -> Iterator[Any]:
    """The components of a pipeline that set any of some attributes, and run."""
    for name in nlp.pipe_names:
        component, sets = nlp.get_pipe(name), nlp.get_pipe_meta(name).assigns
        if set(sets) & set(assigned) or (
            "token.morph" in assigned and hasattr(component, "patterns") and _rules(component)
        ):
            yield component


def _labels(nlp: Any, assigned: tuple[str, ...]) -> Iterator[str]:
    """What such components may give; rules for tokens (`attribute_ruler`) have morphology only."""
    for component in _components(nlp, assigned):
        if "token.morph" in assigned:
            yield from _rules(component)
        yield from getattr(component, "labels", ())


def _rules(component: Any) -> list[str]:
    """The morphology that rules for tokens give."""
    patterns = getattr(component, "patterns", ())
    attributes = [rule.get("attrs", {}) for rule in patterns if isinstance(rule, dict)]
    return [each["MORPH"] for each in attributes if isinstance(each.get("MORPH"), str)]


def _feature_values(morphology: str, feature: str) -> list[str]:
    """The value of a feature in a list such as `Number=Sing|Tense=Past`, if it is there."""
    pairs = (pair.partition("=") for pair in morphology.split("|"))
    return [value for name, _, value in pairs if name == feature and value]


def class_indices(names: list[str], class_names: tuple[str, ...], what: str) -> NDArray[np.int64]:
    """The classes of tokens by their names.

    Args:
        names: of the tokens, `""` for none.
        class_names: that there are.
        what: gave them, for the message.

    Raises:
        SourceError: a name is not among those that the pipeline names.
    """
    table = {name: index for index, name in enumerate(class_names)} | {"": NO_CLASS}
    try:
        return np.array([table[name] for name in names], np.int64)
    except KeyError as error:
        raise SourceError(
            f"unexpected class: {what} gave {error.args[0]!r}, which is not among the labels of "
            "its components. Expected one of them. Choose another attribute or pipeline."
        ) from error
