"""Paths of a study: relative to the file in which they stand, and absolute from then on.

The runs are trained by other processes, maybe on other machines, and `tidemask study status` reads
the definition from the directory of the study: a path that were left relative would name another
place there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.runs.config import Recipe, load_recipe
from tidemask.runs.overrides import with_changed_values
from tidemask.studies.definition import Arm, StudyDefinition

_YAML = (".yaml", ".yml")


def resolved_paths(study: StudyDefinition, origin: Path) -> StudyDefinition:
    """The same study with absolute paths, so that it can be read from any place.

    Args:
        study: as its file has it.
        origin: the directory of the file.

    Raises:
        UserError: a path leads in a circle, or is relative to the present directory; or an
            override cannot be read.
    """
    corpora = {name: _absolute(path, origin) for name, path in study.corpora.items()}
    arms = {
        name: Arm(
            recipe=_absolute_file(arm.recipe, origin),
            overrides=_absolute_settings(arm.overrides, origin, f"arms.{name}.overrides"),
        )
        for name, arm in study.arms.items()
    }
    wanted = study.evaluation
    evaluation = replace(
        wanted,
        tasks=tuple(_absolute_file(task, origin) for task in wanted.tasks),
        tasks_from=None if wanted.tasks_from is None else _absolute(wanted.tasks_from, origin),
        task_data={name: _absolute(path, origin) for name, path in wanted.task_data.items()},
    )
    corpus = corpora[""] if isinstance(study.corpus, str) else corpora
    settings = _absolute_settings(study.settings, origin, "settings")
    return replace(study, corpus=corpus, arms=arms, settings=settings, evaluation=evaluation)


def recipe_of(arm: Arm, overrides: Sequence[str]) -> Recipe:
    """The recipe of an arm; models that its own file names by a path lie beside that file.

    Args:
        arm: with absolute paths.
        overrides: over the recipe, with absolute paths.

    Raises:
        UserError: there is no such recipe, or a setting is wrong.
    """
    recipe = load_recipe(arm.recipe, overrides)
    if not arm.recipe.endswith(_YAML):
        return recipe
    origin = given_path(arm.recipe, "recipe").parent
    own = [
        f"model.{name}={value}"
        for name in ("config", "warm_start")
        if (value := getattr(recipe.model, name)) is not None
    ]
    absolute = _absolute_settings(own, origin, "model")
    return recipe if list(absolute) == own else load_recipe(arm.recipe, [*overrides, *absolute])


def _absolute_settings(overrides: Sequence[str], origin: Path, place: str) -> tuple[str, ...]:
    """Settings over others, with absolute paths of the models that they name.

    Args:
        overrides: as `section.field=value`.
        origin: the directory of the file in which they stand.
        place: their key there, for messages.
    """
    try:
        return tuple(with_changed_values(Recipe, overrides, partial(_absolute_model, origin)))
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def _absolute_model(origin: Path, name: str, value: Any) -> Any:
    """The value of a setting, absolute where it is a path; else it is a name on the hub.

    Raises:
        UserError: it is a directory here, and none beside the file.
    """
    if name not in ("model.config", "model.warm_start") or not isinstance(value, str):
        return value
    is_path = name == "model.config" or value.startswith((".", "/", "~")) or value.count("/") > 1
    if is_path or (value.strip() and (origin / value).exists()):
        return _absolute(value, origin)
    if value.strip() and Path(value).exists():
        raise UserError(
            f"path from another directory: {name}={value} is in the present one, and not in "
            f"{origin}. Expected a path relative to the file in which it stands, or a name on the "
            f"hub. Write it as {_absolute(value, Path.cwd())}."
        )
    return value


def _absolute_file(name: str, origin: Path) -> str:
    """A YAML file by its absolute path, and what is shipped by its name."""
    return _absolute(name, origin) if name.endswith(_YAML) else name


def _absolute(path: str, origin: Path) -> str:
    try:
        return str((origin / given_path(path, "path")).resolve())
    except OSError as error:  # a circle of links
        raise UserError(f"unusable path: {path}: {error.strerror}.") from error
