"""The tasks by name, and where their data lies."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from tidemask.errors import UserError
from tidemask.settings import Settings, check_at_least
from tidemask.tasks.classification.features import TextTaskSettings
from tidemask.tasks.classification.glue import GLUE, HUB, XNLI_EN
from tidemask.tasks.classification.task import TextTask
from tidemask.tasks.data import TaskData
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.squad.task import VERSIONS, SquadSettings, squad_task
from tidemask.tasks.tagging.data import TaggingTaskSettings
from tidemask.tasks.tagging.task import HUB as TAGGING_HUB
from tidemask.tasks.tagging.task import TAGGING, TaggingTask
from tidemask.tasks.task import Task
from tidemask.tasks.zero_shot.minimal_pairs import MinimalPairsTask
from tidemask.tasks.zero_shot.pseudo_perplexity import PseudoPerplexitySettings
from tidemask.tasks.zero_shot.scoring import ScoringSettings

GROUPS: Mapping[str, tuple[str, ...]] = {"glue": tuple(GLUE), "ner": ("conll2003",)}
"""Names for several tasks, or other names for one."""

ALL = "all"
"""Every task whose data is found."""


BLIMP, PAIRS = "blimp", "pairs"
"""The tasks on minimal pairs: BLiMP, and files of one's own."""


@dataclass(frozen=True, kw_only=True)
class MinimalPairsSettings(Settings):
    """How many minimal pairs are scored."""

    limit: int = 0
    """Only so many pairs of each paradigm, for a quick look; 0 takes all."""

    def __post_init__(self) -> None:
        check_at_least("limit", self.limit, 0)


@dataclass(frozen=True, kw_only=True)
class TaskSettings(Settings):
    """How tasks measure; the same for every model."""

    fine_tuning: FineTuneSettings = field(default_factory=FineTuneSettings)
    """Of every fine-tuned task."""
    squad: SquadSettings = field(default_factory=SquadSettings)
    """Of question answering: windows and answers."""
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    """Of minimal pairs: how a sentence gets its pseudo-log-likelihood."""
    minimal_pairs: MinimalPairsSettings = field(default_factory=MinimalPairsSettings)
    """Of minimal pairs: how many."""
    pseudo_perplexity: PseudoPerplexitySettings = field(default_factory=PseudoPerplexitySettings)
    """The sample of held-out text."""


@dataclass(frozen=True, kw_only=True)
class UserTask(TextTaskSettings):
    """A task of one's own, as a YAML file says it."""

    data: str
    """Directory with train.jsonl and dev.jsonl, from where the file lies; or a name on the hub."""
    fine_tuning: FineTuneSettings = field(default_factory=FineTuneSettings)
    """How models are trained on it; where its file does not say, as on every other task."""


@dataclass(frozen=True, kw_only=True)
class UserTaggingTask(TaggingTaskSettings):
    """A tagging task of one's own, as a YAML file says it."""

    data: str
    """Directory with a file for each split, or what their names begin with, from where the file
    lies; or a name on the hub."""
    fine_tuning: FineTuneSettings = field(default_factory=FineTuneSettings)
    """How models are trained on it; where its file does not say, as on every other task."""


USER_TASKS: Mapping[str, type[UserTask | UserTaggingTask]] = {
    "classification": UserTask,
    "regression": UserTask,
    "entities": UserTaggingTask,
    "words": UserTaggingTask,
}
"""What a task of one's own is, by its `kind`."""


@dataclass(frozen=True, kw_only=True)
class TaskDataLocations:
    """Where the data of tasks is.

    Attributes:
        root: a directory with one directory for each task; `None` takes the data from the hub.
        named: directories or files of single tasks, which take precedence.
    """

    root: Path | None = None
    named: Mapping[str, Path] = field(default_factory=dict)

    def of(self, task: str) -> Path | None:
        """The directory or file of a task; `None` is the hub."""
        return self.named.get(task, self.root / task if self.root else None)

    def has(self, task: str) -> bool:
        """Whether there is data for a task on this machine."""
        place = self.of(task)
        return place is not None and (task in self.named or place.is_dir())


_Maker = Callable[[str, TaskSettings, TaskDataLocations], Task]


def _text_task(name: str, settings: TaskSettings, locations: TaskDataLocations) -> Task:
    known = XNLI_EN if name == XNLI_EN.name else GLUE[name]
    data = TaskData(task=name, directory=locations.of(name), hub=HUB[name])
    return TextTask(known, data, settings.fine_tuning)


def _tagging_task(name: str, settings: TaskSettings, locations: TaskDataLocations) -> Task:
    data = TaskData(task=name, directory=locations.of(name), hub=TAGGING_HUB[name])
    return TaggingTask(TAGGING[name], data, settings.fine_tuning)


def _squad_task(name: str, settings: TaskSettings, locations: TaskDataLocations) -> Task:
    return squad_task(name, locations.of(name), settings.squad, settings.fine_tuning)


def _minimal_pairs(name: str, settings: TaskSettings, locations: TaskDataLocations) -> Task:
    place = locations.of(name)
    if place is None:
        raise UserError(
            f"no data for task {name}: its pairs are read from files alone. Name the directory of "
            f"all tasks with --tasks-from, or these with --task-data {name}=PATH."
        )
    return MinimalPairsTask(
        path=place, name=name, settings=settings.scoring, limit=settings.minimal_pairs.limit
    )


TASKS: Mapping[str, _Maker] = {
    BLIMP: _minimal_pairs,
    PAIRS: _minimal_pairs,
    **dict.fromkeys(GLUE, _text_task),
    XNLI_EN.name: _text_task,
    **dict.fromkeys(VERSIONS, _squad_task),
    **dict.fromkeys(TAGGING, _tagging_task),
}
"""What makes each task."""


def expanded(names: Sequence[str], locations: TaskDataLocations, also: Sequence[str]) -> list[str]:
    """Names of single tasks, each once, in the order asked for.

    Args:
        names: tasks, groups, `all`, or YAML files of one's own tasks.
        locations: decides which tasks `all` means.
        also: tasks beside those of `TASKS`, such as those that need a run's corpus.

    Raises:
        UserError: there is no such task, or none was named.
    """
    known = (*also, *TASKS)
    found: list[str] = []
    for name in names:
        if name == ALL:
            found += [*also, *(task for task in TASKS if locations.has(task))]
        elif name in GROUPS:
            found += GROUPS[name]
        elif name in known or is_file(name):
            found.append(name)
        else:
            near = difflib.get_close_matches(name, (*known, *GROUPS), n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UserError(
                f"no such task: {name}.{hint} Known are {', '.join((*known, *GROUPS))}, {ALL} for "
                "those whose data is found, and YAML files of your own."
            )
    if not found:
        raise UserError("no task: none was named. Name some with --tasks.")
    return list(dict.fromkeys(found))


def is_file(name: str) -> bool:
    """Whether a task is named by a file."""
    return name.endswith((".yaml", ".yml"))


def user_task(task: UserTask | UserTaggingTask, base: Path) -> Task:
    """A task of one's own.

    Args:
        task: what its file says.
        base: the directory of the file.
    """
    directory = (base / Path(task.data).expanduser()).resolve()
    is_here = directory.is_dir() or task.data.startswith((".", "/", "~"))
    data = TaskData(
        task=task.name,
        directory=directory if is_here else None,
        hub=() if is_here else tuple(task.data.split()),
    )
    if isinstance(task, UserTaggingTask):
        return TaggingTask(_part(task, TaggingTaskSettings), data, task.fine_tuning)
    return TextTask(_part(task, TextTaskSettings), data, task.fine_tuning)


_T = TypeVar("_T", TaggingTaskSettings, TextTaskSettings)


def _part(task: _T, kind: type[_T]) -> _T:
    """The settings of a task without where its data lies and how it is trained."""
    return kind(**{field.name: getattr(task, field.name) for field in fields(kind)})
