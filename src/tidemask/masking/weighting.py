"""Weightings: which tokens are masked more.

A weighting gives every token a weight; `selection.py` turns weights and a ratio into draws. The
weight of a token is that of its class, from a table or from what the model has learned of it, or
that of its vocabulary entry, or what a column of the corpus has for it, or what a function of the
user's returns. Uniform weighting has no weights.

Any weighting can be blended in over progress: `(1 - b) neutral + b W`, where `b` follows a schedule
and the neutral weight stands for "as often as without weights".

Dimensions: `K` classes, `V` vocabulary entries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from tidemask.errors import did_you_mean
from tidemask.masking.learned_weighting import ByClassStatistic, ByModelScore, horizon_of_run
from tidemask.masking.schedule import Constant, Schedule
from tidemask.settings import OneOf, Settings, check_at_least
from tidemask.token_classes import UPOS_COLUMN, VOCABULARY, ColumnKind

_ALWAYS = Constant(ratio=1.0)

Estimator = Literal["decayed_sums", "step_means"]
"""How class losses are accumulated: `decayed_sums` as docs/methods/pos-tagging-weighted-masking.md
has it, `step_means` as the paper's own code, for comparison."""


@dataclass(frozen=True, kw_only=True)
class Uniform(Settings):
    """Every maskable token is equally likely to be selected."""

    weighting: Literal["uniform"] = "uniform"


@dataclass(frozen=True, kw_only=True)
class ByClassLoss(Settings):
    """Classes that the model has not learned yet are masked more (PTW)."""

    weighting: Literal["class_loss"] = "class_loss"
    classes: str = UPOS_COLUMN
    """What the classes are. `upos`: those that preparation recorded, the 17 universal
    part-of-speech tags. `vocabulary`: the entries themselves. Else the name of a column of classes,
    as `tidemask annotate` writes it."""
    horizon_steps: int | Literal["auto"] = "auto"
    """Memory of the class loss in optimizer steps; `auto` is min(1000, 5 % of the run)."""
    sharpness: float = 2.0
    """`beta`: how steeply weights follow the standardised class loss; at least 0."""
    estimator: Estimator = "decayed_sums"
    """How losses are accumulated; see `ClassLoss`."""
    blend_in: bool = True
    """Whether weights are uniform for the first horizon and blend in over the second."""
    blend: Schedule = _ALWAYS
    """How much of the weighting holds at each progress, 0 for uniform; beside `blend_in`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("sharpness", self.sharpness, 0.0)
        if self.horizon_steps != "auto":
            check_at_least("horizon_steps", self.horizon_steps, 1)

    def horizon(self, max_steps: int) -> float:
        """Memory of the class loss in optimizer steps for a run of `max_steps`."""
        return horizon_of_run(self.horizon_steps, max_steps)


@dataclass(frozen=True, kw_only=True)
class ByTable(Settings):
    """A fixed weight for each class: mask only nouns, say, or function words half as often."""

    weighting: Literal["table"] = "table"
    classes: str = UPOS_COLUMN
    """What the classes are: `upos`, or the name of a column of classes."""
    weights: dict[str, float]
    """Weight of each class by its name, at least 0; only their quotients matter."""
    others: float = 0.0
    """Weight of classes that are not named, and of tokens without class, at least 0."""
    blend: Schedule = _ALWAYS
    """How much of the weighting holds at each progress; towards the weight 1 for all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, weight in {**self.weights, "others": self.others}.items():
            if not 0.0 <= weight < math.inf:
                where = name if name == "others" else f"weights.{name}"
                raise ValueError(f"{where}={weight:g}. Expected a finite weight of at least 0.")
        if not any(weight > 0 for weight in (*self.weights.values(), self.others)):
            raise ValueError(
                f"weights of {', '.join(self.weights) or 'no class'} and others are all 0. "
                "Expected at least one above 0."
            )

    def class_weights(self, class_names: Sequence[str]) -> list[float]:
        """Weight of each of the classes, and last of no class.

        Raises:
            ValueError: the table names a class that there is not.
        """
        for name in self.weights:
            if name not in class_names:
                raise ValueError(
                    f"masking.content.weights.{name} names no class. "
                    f"Expected some of {', '.join(class_names)}.{did_you_mean(name, class_names)}"
                )
        return [self.weights.get(name, self.others) for name in class_names] + [self.others]


@dataclass(frozen=True, kw_only=True)
class ByFrequency(Settings):
    """Rare vocabulary entries are masked more, by an inverse power of their corpus frequency."""

    weighting: Literal["frequency"] = "frequency"
    power: float = 0.5
    """Exponent: 0 is uniform, 1 masks every entry equally often; at least 0."""
    least_count: int = 10
    """Counts below this one count as this many, at least 1."""
    blend: Schedule = _ALWAYS
    """How much of the weighting holds at each progress; towards the mean weight of the corpus."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("power", self.power, 0.0)
        check_at_least("least_count", self.least_count, 1)


@dataclass(frozen=True, kw_only=True)
class ByEntries(Settings):
    """Vocabulary entries have the weights that a file lists: of informative words, of keywords."""

    weighting: Literal["entries"] = "entries"
    weights: str
    """The file: JSON, a mapping from entries to weights (.json); else lines of an entry, a tab and
    its weight."""
    others: float = 1.0
    """Weight of entries that are not in the file, at least 0."""
    fingerprint: str | None = None
    """SHA-256 of its text, hexadecimal; a run records it and refuses a changed file. `None` before
    that, for whatever the file has."""
    blend: Schedule = _ALWAYS
    """How much of the weighting holds at each progress; towards the weight 1 for all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("others", self.others, 0.0)


@dataclass(frozen=True, kw_only=True)
class ByColumn(Settings):
    """Weights that a column of the corpus has for each token: a TF-IDF, a score of a keyword."""

    weighting: Literal["column"] = "column"
    column: str
    """The column of weights; only their quotients within a sequence matter."""
    blend: Schedule = _ALWAYS
    """How much of the weighting holds at each progress; towards the mean weight of a sequence."""


@dataclass(frozen=True, kw_only=True)
class ByFunction(Settings):
    """Weights from a function that is given to the `Masker`: for use from Python."""

    weighting: Literal["function"] = "function"
    blend: Schedule = _ALWAYS
    """How much of the weighting holds at each progress; towards the weight 1 for all."""


Weighting = Annotated[
    Uniform
    | ByClassLoss
    | ByClassStatistic
    | ByModelScore
    | ByTable
    | ByFrequency
    | ByEntries
    | ByColumn
    | ByFunction,
    OneOf("weighting"),
]
"""Any weighting but a mixture of several (`mixture.py`)."""


def class_column(content: Weighting) -> str | None:
    """The column whose classes a weighting gives weights to; `None` if classes have none."""
    if not isinstance(content, ByTable | ByClassLoss | ByClassStatistic):
        return None
    if content.classes == VOCABULARY:
        return None
    return content.classes


def columns_of(content: Weighting) -> dict[str, ColumnKind]:
    """The columns that a weighting reads, with their kinds, beside those of preparation."""
    if isinstance(content, ByColumn):
        return {content.column: "weight"}
    name = class_column(content)
    return {} if name in (None, UPOS_COLUMN) else {str(name): "class"}


_FOLLOWED = {
    ByClassLoss: ("classes", "horizon_steps", "estimator"),
    ByClassStatistic: (
        *("statistic", "classes", "horizon_steps", "fast_horizon_steps"),
        *("prior_tokens", "update_every_steps"),
    ),
}
"""Settings of a weighting that say what it follows, and how that is kept."""


def check_one_followed(contents: Sequence[Weighting]) -> None:
    """Refuse weightings of one policy that follow different class losses or statistics.

    Raises:
        ValueError: names the first setting that differs, with both values.
    """
    learning = [content for content in contents if type(content) in _FOLLOWED]
    for content in learning:
        first: Any = learning[0]
        for name in ("weighting", *_FOLLOWED[type(first)]):
            one, other = getattr(first, name), getattr(content, name)
            if one != other:
                raise ValueError(
                    f"content.{name}={one} in one part and {name}={other} in another. Expected "
                    "the same in all: a run has one class loss, or one class statistic."
                )


def check_one_score(contents: Sequence[Weighting]) -> None:
    """Refuse weightings of one policy that need different scores of the same positions.

    Raises:
        ValueError: names both scores.
    """
    scores = {content.score for content in contents if isinstance(content, ByModelScore)}
    if len(scores) > 1:
        raise ValueError(
            f"content.score={' and '.join(sorted(scores))} in parts of one policy. Expected the "
            "same in all: a step has one scoring pass."
        )


def blend_at(content: Weighting, *, progress: float, step: int, max_steps: int) -> float:
    """How far a weighting is blended in at a step: 0 for uniform, 1 for the weighting alone.

    The weighting's own schedule; with `blend_in` times 0 in the first horizon of what is learned of
    the classes, rising to 1 over the second.
    """
    if isinstance(content, Uniform):
        return 0.0
    blend = content.blend(progress)
    if not isinstance(content, ByClassLoss | ByClassStatistic) or not content.blend_in:
        return blend
    horizon = content.horizon(max_steps)
    return min(1.0, max(0.0, (step - horizon) / horizon)) * blend
