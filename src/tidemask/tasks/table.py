"""The tasks by name, and where their data is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from tidemask.errors import UserError, did_you_mean
from tidemask.files.paths import given_path
from tidemask.settings import Settings, check_at_least
from tidemask.tasks.classification.features import TextTaskSettings
from tidemask.tasks.classification.glue import GLUE, GLUE_HUB, XNLI_EN
from tidemask.tasks.classification.task import TextTask
from tidemask.tasks.data import TaskData
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.squad.task import SQUAD_HUB, VERSIONS, SquadSettings, SquadTask
from tidemask.tasks.tagging.data import TaggingTaskSettings, has_split_files
from tidemask.tasks.tagging.task import TAGGING, TAGGING_HUB, TaggingTask
from tidemask.tasks.task import TaskWithData
from tidemask.tasks.zero_shot.minimal_pairs import MinimalPairsTask
from tidemask.tasks.zero_shot.pseudo_perplexity import PseudoPerplexitySettings
from tidemask.tasks.zero_shot.scoring import ScoringSettings

ALIASES: Mapping[str, str] = {"ner": "conll2003"}
"""Other names of tasks; data that is placed under such a name is that of its task."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "glue": tuple(GLUE),
    **{alias: (task,) for alias, task in ALIASES.items()},
}
"""Names of several tasks, and other names of single ones."""

ALL = "all"
"""Name of all tasks whose data is found."""

BLIMP, PAIRS = "blimp", "pairs"
"""The tasks on minimal pairs: BLiMP, and a user's own files."""


@dataclass(frozen=True, kw_only=True)
class MinimalPairsSettings(Settings):
    """Which minimal pairs are scored, and where their sentences are."""

    limit: int = 0
    """Maximum number of pairs of each paradigm, for a quick look; 0 takes all."""
    good: str | None = None
    """Column or field of the acceptable sentence; unset (null) finds the usual names."""
    bad: str | None = None
    """Column or field of the other sentence; set together with `good`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("limit", self.limit, 0)
        if (self.good is None) != (self.bad is None) or (self.good and self.good == self.bad):
            raise ValueError(f"good={self.good}, bad={self.bad}. Expected two names, or none.")

    @property
    def columns(self) -> tuple[str, str] | None:
        """Names of both; `None` finds the usual ones."""
        return None if self.good is None or self.bad is None else (self.good, self.bad)


@dataclass(frozen=True, kw_only=True)
class TaskSettings(Settings):
    """Settings of all tasks, the same for every model."""

    fine_tuning: FineTuneSettings = field(default_factory=FineTuneSettings)
    """Settings of every fine-tuned task."""
    squad: SquadSettings = field(default_factory=SquadSettings)
    """Settings of question answering: windows and answers."""
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    """How a sentence of a minimal pair gets its pseudo-log-likelihood."""
    minimal_pairs: MinimalPairsSettings = field(default_factory=MinimalPairsSettings)
    """Which minimal pairs are scored, and where their sentences are."""
    pseudo_perplexity: PseudoPerplexitySettings = field(default_factory=PseudoPerplexitySettings)
    """Settings of pseudo-perplexity: the sample of held-out text."""


@dataclass(frozen=True, kw_only=True)
class UserTask(TextTaskSettings):
    """A user's own task on texts, as its YAML file describes it."""

    data: str
    """Directory with train.jsonl and dev.jsonl, relative to the YAML file; or a name on the hub."""
    fine_tuning: FineTuneSettings = field(default_factory=FineTuneSettings)
    """How models are trained on it; what its file does not set is as on every other task."""


@dataclass(frozen=True, kw_only=True)
class UserTaggingTask(TaggingTaskSettings):
    """A user's own tagging task, as its YAML file describes it."""

    data: str
    """Directory with a file for each split, or what their names begin with, relative to the YAML
    file; or a name on the hub."""
    fine_tuning: FineTuneSettings = field(default_factory=FineTuneSettings)
    """How models are trained on it; what its file does not set is as on every other task."""


USER_TASKS: Mapping[str, type[UserTask | UserTaggingTask]] = {
    "classification": UserTask,
    "regression": UserTask,
    "entities": UserTaggingTask,
    "words": UserTaggingTask,
}
"""Classes of users' own tasks, by their `kind`."""


@dataclass(frozen=True, kw_only=True)
class TaskDataLocations:
    """Where the data of tasks is.

    Attributes:
        root: a directory with one directory for each task; `None` takes the data from the hub.
        named: directories or files of single tasks by name, which take precedence.

    Raises:
        UserError: a task is named twice, by its own name and by another.
    """

    root: Path | None = None
    named: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named: dict[str, Path] = {}
        for name, path in self.named.items():
            task = ALIASES.get(name, name)
            if named.setdefault(task, path) != path:
                raise UserError(
                    f"two places for one task: {task} is in {named[task]} and {path} by task_data "
                    "(--task-data), under two of its names. Expected one. Name one."
                )
        object.__setattr__(self, "named", named)

    def of(self, task: str) -> Path | None:
        """The directory or file of a task; `None` is the hub."""
        if task in self.named or self.root is None:
            return self.named.get(task)
        names = (task, *(alias for alias, known in ALIASES.items() if known == task))
        places = [self.root / name for name in names]
        return next((place for place in places if place.is_dir()), places[0])

    def has(self, task: str) -> bool:
        """Whether there is data for a task on this machine."""
        place = self.of(task)
        return place is not None and (task in self.named or place.is_dir())


_HUB = {**GLUE_HUB, **TAGGING_HUB, **SQUAD_HUB}

_Maker = Callable[[str, TaskSettings, TaskDataLocations], TaskWithData]


def _text_task(name: str, settings: TaskSettings, locations: TaskDataLocations) -> TaskWithData:
    known = XNLI_EN if name == XNLI_EN.name else GLUE[name]
    return TextTask(known, _data(name, locations), settings.fine_tuning)


def _tagging_task(name: str, settings: TaskSettings, locations: TaskDataLocations) -> TaskWithData:
    return TaggingTask(TAGGING[name], _data(name, locations), settings.fine_tuning)


def _squad_task(name: str, settings: TaskSettings, locations: TaskDataLocations) -> TaskWithData:
    return SquadTask(name, settings.squad, _data(name, locations), settings.fine_tuning)


def _data(name: str, locations: TaskDataLocations) -> TaskData:
    return TaskData(task=name, directory=locations.of(name), hub=_HUB[name])


def _minimal_pairs(name: str, settings: TaskSettings, locations: TaskDataLocations) -> TaskWithData:
    place = locations.of(name)
    if place is None:
        raise UserError(
            f"no data for task {name}: its pairs are read from files alone. Name the directory of "
            f"all tasks as `tasks_from` (--tasks-from), or that of these in `task_data` "
            f"(--task-data {name}=PATH)."
        )
    return MinimalPairsTask(
        path=place,
        name=name,
        settings=settings.scoring,
        limit=settings.minimal_pairs.limit,
        columns=settings.minimal_pairs.columns,
    )


TASKS: Mapping[str, _Maker] = {
    BLIMP: _minimal_pairs,
    PAIRS: _minimal_pairs,
    **dict.fromkeys(GLUE, _text_task),
    XNLI_EN.name: _text_task,
    **dict.fromkeys(VERSIONS, _squad_task),
    **dict.fromkeys(TAGGING, _tagging_task),
}
"""The function that makes each task, by its name."""


def expanded(names: Sequence[str], locations: TaskDataLocations, also: Sequence[str]) -> list[str]:
    """Names of single tasks, each once, in the order asked for.

    Args:
        names: tasks, groups, `all`, or YAML files of users' own tasks.
        locations: decides which tasks `all` means.
        also: tasks beside those of `TASKS`, such as those that need a run's corpus.

    Raises:
        UserError: there is no such task, or `names` is empty.
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
            hint = did_you_mean(name, (*known, *GROUPS))
            raise UserError(
                f"no such task: {name}.{hint} Known are {', '.join((*known, *GROUPS))}, {ALL} for "
                "those whose data is found, and YAML files of your own."
            )
    if not found:
        raise UserError("no task: none was named. Name some in `tasks` (--tasks).")
    return list(dict.fromkeys(found))


def is_file(name: str) -> bool:
    """Whether a task is named by a file."""
    return name.endswith((".yaml", ".yml"))


def user_task(task: UserTask | UserTaggingTask, base: Path) -> TaskWithData:
    """A user's own task.

    Args:
        task: the content of its file.
        base: the directory of the file.
    """
    directory = (base / given_path(task.data, "data")).resolve()
    is_local = directory.is_dir() or task.data.startswith((".", "/", "~"))
    is_local |= isinstance(task, UserTaggingTask) and has_split_files(directory)
    data = TaskData(
        task=task.name,
        directory=directory if is_local else None,
        hub=() if is_local else tuple(task.data.split()),
    )
    if isinstance(task, UserTaggingTask):
        return TaggingTask(_part(task, TaggingTaskSettings), data, task.fine_tuning)
    return TextTask(_part(task, TextTaskSettings), data, task.fine_tuning)


_T = TypeVar("_T", TaggingTaskSettings, TextTaskSettings)


def _part(task: _T, kind: type[_T]) -> _T:
    """The settings of a task alone, without its data and fine-tuning."""
    return kind(**{field.name: getattr(task, field.name) for field in fields(kind)})
