"""The page of settings, from the classes that own them: names, defaults and the docstrings."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import yaml

from reference_text import code, markdown, table
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.source_list import ListedSource
from tidemask.runs.config import Recipe
from tidemask.runs.config_problems import CHOICES
from tidemask.studies.definition import Arm, StudyDefinition, StudyEvaluation
from tidemask.tasks.table import TaskSettings, UserTaggingTask, UserTask

RUN = ("masking", "model", "training", "evaluation")
"""Sections of a recipe, in the order in which recipes have them."""

FILES: dict[str, dict[str, type]] = {
    "A study's file": {"": StudyDefinition, "arms.NAME.": Arm, "evaluation.": StudyEvaluation},
    "A task's file: classification or regression": {"": UserTask},
    "A task's file: tags": {"": UserTaggingTask},
    "A list of sources": {"sources.": ListedSource},
    "Preparation": {"": PrepareSettings},
}
"""Settings in files of their own or as arguments, by heading and by what precedes their names."""


def setting_reference() -> str:
    """Tables of all settings: of a run, of the tasks, and of other files."""
    hints = get_type_hints(Recipe)
    shown: set[type] = set()
    run = "".join("".join(_sections(hints[name], name, 2, shown)) for name in RUN)
    tasks = "".join(
        "".join(_sections(hint, name, 3, shown))
        for name, hint in get_type_hints(TaskSettings).items()
        if dataclasses.is_dataclass(hint)
    )
    files = "".join(
        f"### {heading}\n\n" + "".join(_one_table(kind, prefix) for prefix, kind in kinds.items())
        for heading, kinds in FILES.items()
    )
    return f"{run}## Tasks\n\n{tasks}## Other files and arguments\n\n{files}"


def _sections(section: type, path: str, level: int, shown: set[type]) -> Iterator[str]:
    """The table of a section, then those of the sections and choices inside it, each class once."""
    shown.add(section)
    yield f"{'#' * level} {_heading(section, path)}\n\n{_one_table(section, f'{path}.')}"
    for name, hint in get_type_hints(section).items():
        for inner in _members(hint):
            if inner not in shown and own_fields(inner):
                yield from _sections(inner, f"{path}.{name}", 3, shown)


def _heading(kind: type, path: str) -> str:
    """The path, and by which name the section is chosen there."""
    tags = {f.name: f.default for f in dataclasses.fields(kind) if f.name in CHOICES}
    chosen = "".join(f": `{{{name}: {value}}}`" for name, value in tags.items())
    return f"`{path}`{chosen}"


def _members(hint: Any) -> list[type]:
    """The settings that a value of this type may be, or be a list of."""
    if dataclasses.is_dataclass(hint):
        return [hint]  # type: ignore[list-item]
    return [member for argument in get_args(hint) for member in _members(argument)]


def own_fields(section: type) -> list[dataclasses.Field[Any]]:
    """Fields that a user sets: all but those that choose the section."""
    fields = dataclasses.fields(section)
    return [field for field in fields if field.name not in CHOICES]


def _one_table(section: type, prefix: str) -> str:
    first = (inspect.getdoc(section) or "").split("\n\n")[0]
    said = field_docstrings(section)
    rows = [
        [
            code(f"{prefix}{field.name}"),
            markdown(said.get(field.name, "")),
            _default(field),
        ]
        for field in own_fields(section)
    ]
    return f"{markdown(first)}\n\n{table(['setting', 'meaning', 'default'], rows)}"


def _default(field: dataclasses.Field[Any]) -> str:
    default = field.default
    if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    if default is dataclasses.MISSING:
        return "required"
    plain = json.loads(json.dumps(default, default=dataclasses.asdict))
    if isinstance(plain, dict) and len(plain) > 2:
        return "see below"
    return code(yaml.safe_dump(plain, default_flow_style=True, width=999).split("\n...")[0].strip())


def field_docstrings(section: type) -> dict[str, str]:
    """What stands below each field in the source of a class and of those that it derives from."""
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if dataclasses.is_dataclass(kind):
            body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body  # type: ignore[attr-defined]
            for field, below in itertools.pairwise(body):
                match field, below:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(text))),
                    ):
                        found[name] = text
    return found
