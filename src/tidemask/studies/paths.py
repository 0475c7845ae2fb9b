"""Paths of a study: relative to the file in which they stand, and absolute from then on.

The runs are trained by other processes, maybe on other machines, and `tidemask study status` reads
the definition from the directory of the study: a path that were left relative would name another
place there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.masking.policy import MaskingSettings
from tidemask.runs.config import Recipe, load_recipe
from tidemask.runs.overrides import with_changed_values
from tidemask.studies.definition import Arm, StudyDefinition

_YAML = (".yaml", ".yml")
_WITH_CONTENTS = ("content", "sequences", "phases")
"""Settings of a policy in which weightings stand, some of which name files."""


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
    """The recipe of an arm; what its own file names by a path lies beside that file.

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
    models = list(_absolute_settings(own, origin, "model"))
    absolute = [*(models if models != own else ()), *_absolute_weights(recipe.masking, origin)]
    return load_recipe(arm.recipe, [*overrides, *absolute]) if absolute else recipe


def _absolute_weights(masking: MaskingSettings, origin: Path) -> list[str]:
    """Settings of a policy with absolute paths of the files of weights, where it names some."""
    plain = asdict(masking)
    own = [f"masking.{name}={json.dumps(plain[name])}" for name in _WITH_CONTENTS]
    absolute = _absolute_settings(own, origin, "masking")
    return [new for old, new in zip(own, absolute, strict=True) if new != old]


def _absolute_settings(overrides: Sequence[str], origin: Path, place: str) -> tuple[str, ...]:
    """Settings over others, with absolute paths of the models and files that they name.

    Args:
        overrides: as `section.field=value`.
        origin: the directory of the file in which they stand.
        place: their key there, for messages.
    """
    try:
        return tuple(with_changed_values(Recipe, overrides, partial(_absolute_value, origin)))
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def _absolute_value(origin: Path, name: str, value: Any) -> Any:
    """The value of a setting, absolute where it is a path, with those of a policy within it.

    Raises:
        UserError: it is a path here, and none beside the file.
    """
    if name in ("model.config", "model.warm_start") and isinstance(value, str):
        return _absolute_model(origin, name, value)
    if not name.startswith("masking"):
        return value
    if isinstance(value, list):
        return [_absolute_value(origin, name, each) for each in value]
    if isinstance(value, dict):
        return {key: _absolute_value(origin, f"{name}.{key}", of) for key, of in value.items()}
    # Of all weightings this one alone has a text there, the name of its file.
    if not (name.endswith(".weights") and isinstance(value, str) and value.strip()):
        return value
    return _beside(origin, name, value)


def _beside(origin: Path, name: str, value: str) -> str:
    """The absolute path of what lies beside a file.

    Raises:
        UserError: it lies in the present directory, and not there.
    """
    if Path(value).exists() and not (origin / given_path(value, name)).exists():
        raise UserError(
            f"path from another directory: {name}={value} is in the present one, and not in "
            f"{origin}. Expected a path relative to the file in which it stands. Write it as "
            f"{_absolute(value, Path.cwd())}."
        )
    return _absolute(value, origin)


def _absolute_model(origin: Path, name: str, value: str) -> str:
    """A model as an absolute path; else it is a name on the hub.

    Raises:
        UserError: it is a directory here, and none beside the file.
    """
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
