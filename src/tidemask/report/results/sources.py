"""What is compared: run directories with what is known of them beforehand, and the question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidemask.run_record import MEAN_LOSS


@dataclass(frozen=True, kw_only=True)
class RunSource:
    """A run directory, and what a study says of it.

    Attributes:
        directory: of the run.
        policy: name of its arm; `None` to find it from the settings of all runs.
        corpus: name of its corpus, where arms are trained on several.
        had_machine_alone: whether no other run of the study shared the machine; `None` where that
            is not known.
    """

    directory: Path
    policy: str | None = None
    corpus: str | None = None
    had_machine_alone: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ComparisonQuestion:
    """What a comparison is to answer.

    Attributes:
        text: the question in words; empty where none was asked.
        baseline: the policy that others are compared with; `None` for the first.
        primary: the measure that decides.
        margin: differences up to this size do not matter, in the unit of the measure.
        is_declared: whether a study declared it before its first run.
        notes: what a reader should know of the runs, one sentence each.
    """

    text: str = ""
    baseline: str | None = None
    primary: str = MEAN_LOSS
    margin: float | None = None
    is_declared: bool = False
    notes: tuple[str, ...] = ()
