"""The definition of a study: policies, seeds, the measure that decides, the budget."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tidemask.errors import did_you_mean
from tidemask.run_record import HELD_OUT, HELD_OUT_CELLS, MEAN_LOSS, OWN_LOSS
from tidemask.runs.settings_reading import read_settings
from tidemask.settings import Settings, check_at_least, check_integer, shown

Equal = Literal["steps", "predicted_tokens", "flops", "seconds"]

MAX_SEEDS = 1_000
MAX_RETRIES = 10
MAX_RANKS = 1 << 16

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Arm(Settings):
    """One of the policies that are compared."""

    recipe: str
    """Name of a shipped recipe, or a YAML file, relative to the file of the study."""
    overrides: tuple[str, ...] = ()
    """Settings over the recipe's and over those of the study, as `section.field=value`."""


@dataclass(frozen=True, kw_only=True)
class StudyEvaluation(Settings):
    """What is measured of every finished run, beside its held-out text."""

    tasks: tuple[str, ...] = ()
    """Names of tasks and groups, or YAML files of your own tasks, as `tidemask evaluate` takes."""
    settings: tuple[str, ...] = ()
    """Settings of the tasks, as `section.field=value`."""
    tasks_from: str | None = None
    """Directory with one directory for each task; `null` takes data from the hub."""
    task_data: dict[str, str] = field(default_factory=dict)
    """Directories or files of single tasks, by their names."""
    checkpoints: str = "last"
    """Which models of a run are measured: `last`, `all`, or steps such as `500,1000,final`."""


@dataclass(frozen=True, kw_only=True)
class StudyDefinition(Settings):
    """A study, as its YAML file has it.

    Example:
        >>> from tidemask.studies.definition import Arm, StudyDefinition
        >>> arms = {"constant": Arm(recipe="bert"), "decay": Arm(recipe="mrd-cosine")}
        >>> study = StudyDefinition(corpus="corpus", arms=arms, baseline="constant", seeds=[0, 1])
        >>> study.seeds, study.equal
        ((0, 1), 'steps')
    """

    question: str = ""
    """What the study is to answer, in one sentence; the page begins with it."""
    corpus: str | dict[str, str]
    """A prepared corpus, or several by name; each arm is trained on each of them."""
    arms: dict[str, Arm]
    """The policies that are compared, by the names that the page shows."""
    baseline: str
    """The arm that the others are compared with."""
    seeds: tuple[int, ...]
    """Seed n gives every arm the same initial weights, data order and dropout."""
    primary: str = "held_out/loss"
    """The measure that decides; all others are exploratory. It is declared before the first run."""
    margin: float | None = None
    """Differences of the primary measure below it count as equal; `null` tests no equivalence."""
    settings: tuple[str, ...] = ()
    """Settings over those of every recipe, as `section.field=value`."""
    equal: Equal = "steps"
    """What all arms spend alike. The length in `settings` is that of the baseline; the steps of the
    other arms follow from it. Schedules are functions of progress, so each arm has all of its."""
    evaluation: StudyEvaluation = field(default_factory=StudyEvaluation)
    """What is measured of every finished run."""
    retries: int = 1
    """How often a run that died is begun again, from its last checkpoint."""
    processes: int = 1
    """Processes of one run, started by torchrun; one for each GPU that a run spans."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_names()
        self._check_seeds()
        if self.baseline not in self.arms:
            raise ValueError(
                f"baseline={self.baseline}. Expected one of the arms: {', '.join(self.arms)}."
                f"{did_you_mean(self.baseline, self.arms)}"
            )
        if self.margin is not None:
            check_at_least("margin", self.margin, 0.0)
            if self.margin == 0.0 or math.isinf(self.margin):
                raise ValueError(f"margin={self.margin:g}. Expected a number above 0, or null.")
        self._check_primary()
        check_integer("retries", self.retries, minimum=0, below=MAX_RETRIES + 1)
        check_integer("processes", self.processes, minimum=1, below=MAX_RANKS + 1)

    def _check_primary(self) -> None:
        """A held-out loss by a name that there is; which tasks there are is known later."""
        losses = [MEAN_LOSS, OWN_LOSS, *(cell.loss for cell in HELD_OUT_CELLS)]
        is_of_task = not self.primary.startswith(HELD_OUT) and bool(self.evaluation.tasks)
        if self.primary not in losses and not is_of_task:
            raise ValueError(
                f"primary={shown(self.primary)}. Expected one of {', '.join(losses)}, or the name "
                f"of a task in evaluation.tasks.{did_you_mean(self.primary, losses)}"
            )

    def _check_names(self) -> None:
        """Arms and corpora are directories of the study, so that their names are plain."""
        if len(self.arms) < 2:
            raise ValueError(f"arms: {len(self.arms)}. Expected two or more, one the baseline.")
        if not self.corpora or (isinstance(self.corpus, dict) and "" in self.corpus):
            raise ValueError(
                f"corpus={shown(self.corpus)}. Expected a prepared corpus, or several by name."
            )
        for kind, names in (("arms", self.arms), ("corpus", self.corpora)):
            for name in names:
                if name and not _NAME.fullmatch(name):
                    raise ValueError(
                        f"{kind}: {name!r}. Expected names of letters, digits and . _ + - that "
                        "begin with a letter or digit; they become directories."
                    )
            folded = [name.casefold() for name in names]
            if twice := [name for name in names if folded.count(name.casefold()) > 1]:
                raise ValueError(
                    f"{kind}: {', '.join(twice)}. Expected names that differ in more than capitals."
                )

    def _check_seeds(self) -> None:
        if not self.seeds:
            raise ValueError("seeds=[]. Expected at least one; five pairs support an interval.")
        if len(self.seeds) > MAX_SEEDS:
            raise ValueError(f"seeds: {len(self.seeds)} of them. Expected at most {MAX_SEEDS:,}.")
        for seed in self.seeds:
            check_integer("seeds", seed, minimum=0)
        if twice := sorted({seed for seed in self.seeds if self.seeds.count(seed) > 1}):
            raise ValueError(f"seeds: {twice[0]} is there twice. Expected each once.")

    @property
    def corpora(self) -> dict[str, str]:
        """The corpora by name; a single one has the name ""."""
        return {"": self.corpus} if isinstance(self.corpus, str) else self.corpus


def read_study(path: Path) -> StudyDefinition:
    """The definition of a study from its YAML file, with paths as they stand there.

    Raises:
        UserError: the file is missing or damaged, or holds unknown keys or wrong values, all named.
    """
    return read_settings({"study": StudyDefinition}, path)
