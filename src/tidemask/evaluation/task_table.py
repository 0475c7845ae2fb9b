"""The tasks by name, and where their data lies."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidemask.errors import UserError
from tidemask.evaluation.classification import TextTask, TextTaskSettings
from tidemask.evaluation.fine_tuning import FineTuneSettings
from tidemask.evaluation.glue import GLUE, HUB, XNLI_EN
from tidemask.evaluation.task import Task
from tidemask.evaluation.task_data import TaskData
from tidemask.settings import Settings

GROUPS: Mapping[str, tuple[str, ...]] = {"glue": tuple(GLUE)}
"""Names for several tasks."""

ALL = "all"
"""Every task whose data is found."""


@dataclass(frozen=True, kw_only=True)
class TaskSettings(Settings):
    """How tasks measure; the same for every model."""

    fine_tuning: FineTuneSettings = field(default_factory=FineTuneSettings)
    """Of every fine-tuned task."""


@dataclass(frozen=True, kw_only=True)
class UserTask(TextTaskSettings):
    """A task of one's own, as a YAML file says it."""

    data: str
    """Directory with train.jsonl and dev.jsonl, from where the file lies; or a name on the hub."""
    fine_tuning: FineTuneSettings | None = None
    """What differs from the settings of the other tasks; unset nothing."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the data of tasks lies.

    Attributes:
        root: a directory with one for each task, by its name; `None` takes them from the hub.
        named: places of single tasks, over that.
    """

    root: Path | None = None
    named: Mapping[str, Path] = field(default_factory=dict)

    def of(self, task: str) -> Path | None:
        """The place of a task; `None` is the hub."""
        return self.named.get(task, self.root / task if self.root else None)

    def has(self, task: str) -> bool:
        """Whether there is data for a task here."""
        place = self.of(task)
        return place is not None and (task in self.named or place.is_dir())


_Maker = Callable[[str, TaskSettings, Places], Task]


def _text_task(name: str, settings: TaskSettings, places: Places) -> Task:
    known = XNLI_EN if name == XNLI_EN.name else GLUE[name]
    data = TaskData(task=name, directory=places.of(name), hub=HUB[name])
    return TextTask(known, data, settings.fine_tuning)


TASKS: Mapping[str, _Maker] = {
    **dict.fromkeys(GLUE, _text_task),
    XNLI_EN.name: _text_task,
}
"""What makes each task."""


def expanded(names: Sequence[str], places: Places, also: Sequence[str]) -> list[str]:
    """Names of single tasks, each once, in the order asked for.

    Args:
        names: tasks, groups, `all`, or YAML files of one's own tasks.
        places: decides which tasks `all` means.
        also: tasks beside those of `TASKS`, such as those that need a run's corpus.

    Raises:
        UserError: there is no such task, or none was named.
    """
    known = (*also, *TASKS)
    found: list[str] = []
    for name in names:
        if name == ALL:
            found += [*also, *(task for task in TASKS if places.has(task))]
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


def user_task(task: UserTask, settings: TaskSettings, base: Path) -> TextTask:
    """A task of one's own.

    Args:
        task: what its file says.
        settings: of all tasks.
        base: the directory of the file.
    """
    fields = {name: getattr(task, name) for name in TextTaskSettings.__dataclass_fields__}
    directory = (base / Path(task.data).expanduser()).resolve()
    is_here = directory.is_dir() or task.data.startswith((".", "/", "~"))
    data = TaskData(
        task=task.name,
        directory=directory if is_here else None,
        hub=() if is_here else tuple(task.data.split()),
    )
    return TextTask(TextTaskSettings(**fields), data, task.fine_tuning or settings.fine_tuning)
