"""Every class of settings that a caller or a file may set, and its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import tidemask
from tidemask import Recipe
from tidemask.runs.config import RunConfig
from tidemask.settings import Settings
from tidemask.tasks.table import TaskSettings, UserTaggingTask, UserTask

for _name in tidemask.__all__:
    getattr(tidemask, _name)  # a class is known once its module is imported


def all_settings(kind: type[Any] = Settings) -> Iterator[type[Any]]:
    """The dataclasses below a class, but for that of a whole run."""
    for sub in kind.__subclasses__():
        if dataclasses.is_dataclass(sub) and sub is not RunConfig:
            yield sub
        yield from all_settings(sub)


FIELDS = [
    (kind, field.name) for kind in {*all_settings(), Recipe, TaskSettings, UserTask,
                                    UserTaggingTask}
    for field in dataclasses.fields(kind)
]  # fmt: skip
