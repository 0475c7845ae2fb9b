"""The policies that are searched: how they are drawn, what they are called, what settings they are.

Ratios are whole per cent. How much is masked follows one of four curves between two ratios; what is
masked are tokens, words or spans, all alike or with weights, whose share of the choice may itself
rise or fall over the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tidemask.errors import UserError

ScheduleKind = Literal["constant", "linear", "cosine", "step"]
"""`step`: the start in the first half of the run, the end in the second."""
Unit = Literal["token", "word", "span"]
Content = Literal["uniform", "frequency", "class_loss"]
"""Which tokens are masked more: none, rare ones, or parts of speech that are still hard."""
Blend = Literal["full", "rising", "falling"]
"""How much of the weighting holds: all of it, or a share that rises from 0 or falls to it."""

SCHEDULES: tuple[ScheduleKind, ...] = ("constant", "linear", "cosine", "step")
UNITS: tuple[Unit, ...] = ("token", "word", "span")
CONTENTS: tuple[Content, ...] = ("uniform", "frequency", "class_loss")
BLENDS: tuple[Blend, ...] = ("full", "rising", "falling")

MIN_START, MIN_END, MAX_RATIO = 5, 2, 70
"""Bounds of the ratios, per cent. A run that ends near 0 predicts hardly anything at its end."""

_NAME = re.compile(
    rf"(?P<schedule>{'|'.join(SCHEDULES)})-(?P<start>\d{{1,2}})(-(?P<end>\d{{1,2}}))?-(?P<unit>{'|'.join(UNITS)})"
    rf"(-(?P<content>{'|'.join(CONTENTS)})-(?P<blend>{'|'.join(BLENDS)}))?"
)

SEARCHED_SETTINGS = ("masking.ratio", "masking.unit", "masking.content")
"""Settings that the search chooses."""


class Suggests(Protocol):
    """What gives a policy its parameters: a trial of Optuna."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of some choices."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        """A whole number between two, both included."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How much is masked over a run, and what.

    Attributes:
        schedule: curve of the ratio.
        start: ratio at its beginning, per cent.
        end: ratio at its end; of a constant the same.
        unit: what is masked whole.
        content: which tokens are masked more.
        blend: how much of that holds over the run; `full` where all tokens are alike.

    Example:
        >>> decay = Policy(schedule="linear", start=30, end=15, unit="word")
        >>> decay.name, decay.is_constant
        ('linear-30-15-word', False)
        >>> decay.overrides[0]
        'masking.ratio={"schedule": "linear", "start": 0.3, "end": 0.15}'
    """

    schedule: ScheduleKind
    start: int
    end: int
    unit: Unit
    content: Content = "uniform"
    blend: Blend = "full"

    @property
    def name(self) -> str:
        """Says all of it, so that equal names are equal policies."""
        ratios = [str(self.start)] if self.schedule == "constant" else [f"{self.start}-{self.end}"]
        weights = [] if self.content == "uniform" else [self.content, self.blend]
        return "-".join([self.schedule, *ratios, self.unit, *weights])

    @property
    def is_constant(self) -> bool:
        """Whether nothing of it changes over the run and all tokens are alike."""
        return self.start == self.end and self.content == "uniform"

    @property
    def parameters(self) -> dict[str, Any]:
        """What `suggested` makes it of."""
        found: dict[str, Any] = {"schedule": self.schedule, "start": self.start}
        if self.schedule != "constant":
            found["end"] = self.end
        found |= {"unit": self.unit, "content": self.content}
        return found if self.content == "uniform" else {**found, "blend": self.blend}

    @property
    def overrides(self) -> tuple[str, ...]:
        """Its settings, as `section.field=value`."""
        settings = {"ratio": self._ratio(), "unit": self.unit, "content": self._content()}
        return tuple(f"masking.{name}={json.dumps(value)}" for name, value in settings.items())

    @property
    def summary(self) -> str:
        """It in one sentence."""
        over = {"linear": "on a straight line", "cosine": "on half a cosine wave",
                "step": "at half the run"}  # fmt: skip
        ratio = (
            f"{self.start} %"
            if self.schedule == "constant"
            else f"{self.start} % to {self.end} % {over[self.schedule]}"
        )
        kinds = {
            "uniform": "",
            "frequency": ", rare vocabulary entries more often",
            "class_loss": ", in proportion to how hard their part of speech still is",
        }
        blends = {"full": "", "rising": ", more so the longer the run",
                  "falling": ", less so the longer the run"}  # fmt: skip
        units = {"token": "single tokens", "word": "whole words", "span": "spans"}
        return f"{ratio}, in {units[self.unit]}{kinds[self.content]}{blends[self.blend]}."

    def _ratio(self) -> dict[str, Any]:
        start, end = self.start / 100, self.end / 100
        if self.schedule == "constant":
            return {"schedule": "constant", "ratio": start}
        if self.schedule == "step":
            phases = [{"until": 0.5, "ratio": start}, {"until": 1.0, "ratio": end}]
            return {"schedule": "phases", "phases": phases}
        return {"schedule": self.schedule, "start": start, "end": end}

    def _content(self) -> dict[str, Any]:
        if self.content == "uniform" or self.blend == "full":
            return {"weighting": self.content}
        ends = {"rising": (0.0, 1.0), "falling": (1.0, 0.0)}[self.blend]
        return {
            "weighting": self.content,
            "blend": {"schedule": "linear", "start": ends[0], "end": ends[1]},
        }


def policy_named(name: str) -> Policy:
    """The policy that has a name, whether or not its record is there.

    Raises:
        UserError: no policy is called so.

    Example:
        >>> policy_named("linear-30-15-word-frequency-rising").start
        30
    """
    if found := _NAME.fullmatch(name):
        parts: dict[str, Any] = {key: part for key, part in found.groupdict().items() if part}
        start = int(parts.pop("start"))
        policy = Policy(start=start, end=int(parts.pop("end", start)), **parts)
        if policy.name == name:
            return policy
    raise UserError(
        f"no policy of a search: {name}. Expected a name such as constant-15-token or "
        "linear-30-15-word-frequency-rising."
    )


def suggested(trial: Suggests, contents: Sequence[Content]) -> Policy:
    """The policy of a trial; a curve between two equal ratios is a constant.

    Args:
        trial: gives the parameters; those of a curve or of weights only where there is one.
        contents: which weightings are searched.
    """
    schedule: ScheduleKind = trial.suggest_categorical("schedule", SCHEDULES)
    start = trial.suggest_int("start", MIN_START, MAX_RATIO, log=True)
    end = start
    if schedule != "constant":
        end = trial.suggest_int("end", MIN_END, MAX_RATIO, log=True)
        schedule = schedule if end != start else "constant"
    unit: Unit = trial.suggest_categorical("unit", UNITS)
    content: Content = trial.suggest_categorical("content", tuple(contents))
    blend: Blend = "full"
    if content != "uniform":
        blend = trial.suggest_categorical("blend", BLENDS)
    return Policy(schedule=schedule, start=start, end=end, unit=unit, content=content, blend=blend)


def searched_contents(*, has_classes: bool) -> tuple[Content, ...]:
    """Which weightings can be searched on a corpus, with parts of speech or without."""
    return CONTENTS if has_classes else CONTENTS[:2]


USUAL_CONSTANT = Policy(schedule="constant", start=15, end=15, unit="token")
"""BERT's, which is always tried first."""


def known_policies(contents: Iterable[Content]) -> list[Policy]:
    """What is always tried before anything is drawn: the usual constants and published decays.

    15, 30 and 40 % of single tokens are BERT's, ModernBERT's, and that of Wettig et al. (2023); the
    decays from 30 and from 32 % are those of Ankner et al. (2024) and Yang et al. (2023). They are
    in the order of our own studies (`docs/results/index.md`): the decay that was level with the
    best constant is the second, so that a search which has time for two runs can compare, and
    weights by part of speech, which were behind whole words masked alike, come last.
    """
    constants = [
        Policy(schedule="constant", start=ratio, end=ratio, unit=unit)
        for unit in ("token", "word")
        for ratio in (15, 30, 40)
    ]
    floored = Policy(schedule="cosine", start=45, end=15, unit="token")
    linear = Policy(schedule="linear", start=30, end=15, unit="token")
    cosine = Policy(schedule="cosine", start=32, end=2, unit="token")
    by_class = Policy(schedule="cosine", start=32, end=2, unit="word", content="class_loss")
    weighted = [by_class] if "class_loss" in contents else []
    return [constants[0], floored, *constants[1:3], linear, cosine, *constants[3:], *weighted]
