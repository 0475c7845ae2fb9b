"""The configuration of a run: the components' settings collected, loaded, overridden and checked.

Defaults stand in the settings; a recipe overrides them, `section.field=value` overrides the
recipe. All problems of a configuration are reported together, each with its dotted path.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from tidemask.errors import UserError
from tidemask.evaluation.held_out import HeldOutSettings
from tidemask.masking.masker import MaskingSettings
from tidemask.masking.schedule import SCHEDULES
from tidemask.masking.weighting import WEIGHTINGS
from tidemask.modeling import ModelSettings
from tidemask.settings import Settings
from tidemask.training.arguments import TrainingSettings

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class CorpusReference(Settings):
    """The prepared corpus of a run."""

    path: str
    """Its directory."""
    fingerprint: str
    """Of its content; a run refuses to continue on another."""


@dataclass(frozen=True, kw_only=True)
class Recipe(Settings):
    """A named masking policy, with the settings of model and training that belong to it."""

    name: str = "custom"
    """What reports call it."""
    summary: str = ""
    """One sentence: what the policy does."""
    source: str = ""
    """Where it was published."""
    deviations: str = ""
    """In which points it differs from its source."""
    masking: MaskingSettings = field(default_factory=MaskingSettings)
    """How much is masked, what, and how."""
    model: ModelSettings = field(default_factory=ModelSettings)
    """Which model is trained."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """How it is optimised."""
    evaluation: HeldOutSettings = field(default_factory=HeldOutSettings)
    """How held-out loss is measured."""


@dataclass(frozen=True, kw_only=True)
class RunConfig(Settings):
    """Everything that determines a run; saved as its run.yaml."""

    recipe: str
    """Name of the recipe it came from."""
    corpus: CorpusReference
    """What it trains on."""
    masking: MaskingSettings
    """How much is masked, what, and how."""
    model: ModelSettings
    """Which model is trained."""
    training: TrainingSettings
    """How it is optimised."""
    evaluation: HeldOutSettings
    """How held-out loss is measured."""


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted."""
    return sorted(p.name.removesuffix(".yaml") for p in _shipped().iterdir() if _is_recipe(p.name))


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by its shipped name or from a YAML file, with overrides applied.

    Args:
        name_or_path: one of `recipe_names()`, or a path that ends in .yaml or .yml.
        overrides: `section.field=value`, values in YAML.

    Raises:
        UserError: no such recipe; unknown keys, wrong types or values outside their range, all
            named together.

    Example:
        >>> from tidemask import load_recipe
        >>> load_recipe("mrd-cosine").masking.ratio(0.0)
        0.32
    """
    raw, origin = _read_recipe(str(name_or_path))
    for override in overrides:
        apply_override(raw, override)
    return _checked(Recipe, raw, origin)


def read_run_config(path: Path) -> RunConfig:
    """The configuration of a run from its run.yaml.

    Raises:
        UserError: the file is missing, damaged, or holds settings that are wrong.
    """
    return _checked(RunConfig, _read_yaml(path), str(path))


def to_yaml(config: Recipe | RunConfig) -> str:
    """The configuration with every value spelt out."""
    plain = json.loads(json.dumps(dataclasses.asdict(config)))
    return yaml.safe_dump(plain, sort_keys=False, width=100)


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Set one value of a nested mapping in place, as `section.field=value`.

    Choosing another schedule or weighting discards the fields of the one it replaces.

    Raises:
        UserError: the override has no `=`, its value is not YAML, or it goes through a value.
    """
    dotted, equals, text = override.partition("=")
    path = dotted.strip().split(".")
    if not equals or not all(path):
        raise UserError(
            f"unreadable setting: {override!r}. Expected section.field=value, such as "
            "training.max_steps=500."
        )
    try:
        value = _load_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(f"unreadable value: {override!r} is not YAML. Quote it.") from error
    node = raw
    for name in path[:-1]:
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            raise UserError(f"unreadable setting: {override!r}: {name} is a value, not a section.")
    if path[-1] in _TAGS and node.get(path[-1]) != value:
        node.clear()
    node[path[-1]] = value


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader that also takes `2e-3` for a number, as YAML 1.2 does."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _load_yaml(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # a subclass of the safe loader


_TAGS: dict[str, Mapping[str, type[Settings]]] = {"schedule": SCHEDULES, "weighting": WEIGHTINGS}
"""Fields whose value says which settings a section has."""


def _shipped() -> Any:
    return resources.files("tidemask") / "recipes"


def _is_recipe(name: str) -> bool:
    return name.endswith(".yaml")


def _read_recipe(name: str) -> tuple[dict[str, Any], str]:
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        return {"name": path.stem, **_read_yaml(path)}, name
    if name not in recipe_names():
        near = difflib.get_close_matches(name, recipe_names(), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(
            f"no such recipe: {name}.{hint} Shipped are {', '.join(recipe_names())}; "
            "a file of your own ends in .yaml."
        )
    text = (_shipped() / f"{name}.yaml").read_text(encoding="utf-8")
    return {"name": name, **_load_yaml(text)}, f"recipe {name}"


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = _load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no such file: {path}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"unreadable file: {path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"unreadable file: {path}. Expected a mapping of sections.")
    return content


def _checked(kind: type[_T], raw: dict[str, Any], origin: str) -> _T:
    problems = list(_unknown_choices(raw, ()))
    if not problems:
        try:
            return TypeAdapter(kind).validate_json(json.dumps(raw, default=str), strict=True)
        except ValidationError as error:
            problems = _described(kind, raw, error.errors())
    raise UserError(f"wrong configuration in {origin}: {' '.join(problems)}")


def _unknown_choices(raw: Any, path: tuple[str, ...]) -> Iterable[str]:
    """Problems of the fields that choose which settings their section has."""
    if not isinstance(raw, dict):
        return
    for name, value in raw.items():
        here = (*path, str(name))
        if name in _TAGS and value not in _TAGS[name]:
            known = _TAGS[name]
            yield f"{'.'.join(here)}={value}.{_listed(list(known))}{_near(value, known)}"
        yield from _unknown_choices(value, here)
    for tag, section in (("schedule", "ratio"), ("schedule", "of"), ("weighting", "content")):
        inner = raw.get(section)
        if isinstance(inner, dict) and tag not in inner:
            dotted = ".".join((*path, section, tag))
            yield f"{dotted} is missing. Expected one of {', '.join(_TAGS[tag])}."


def _described(kind: type, raw: dict[str, Any], errors: Iterable[ErrorDetails]) -> list[str]:
    """One sentence or two per problem; problems of union members that were not chosen drop out."""
    found: dict[str, list[str]] = {}
    for error in errors:
        location, chosen = _without_unions(raw, error["loc"])
        if not chosen:
            continue
        path = ".".join(str(part) for part in location)
        if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            known = _fields_at(kind, raw, location[:-1])
            sentence = f"unknown key {path}."
            found[sentence] = [_near(str(location[-1]), known) or _listed(known)]
        elif error["type"] == "value_error":
            message = str(error["ctx"]["error"]) if "ctx" in error else error["msg"]
            found[f"{path}.{message}" if path else message] = []
        elif error["type"] == "missing":
            found[f"{path} is missing."] = []
        else:
            seen = f"{path}={json.dumps(error['input'], default=str)}."
            found.setdefault(seen, []).append(error["msg"].replace("Input should be ", ""))
    return [_sentence(seen, expected) for seen, expected in found.items()]


def _sentence(seen: str, expected: Sequence[str]) -> str:
    if not expected or seen.startswith("unknown key"):
        return seen + "".join(expected)
    return f"{seen} Expected {' or '.join(dict.fromkeys(expected))}."


def _without_unions(raw: Any, location: Sequence[int | str]) -> tuple[tuple[int | str, ...], bool]:
    """The location without the names of union members, and whether the chosen ones are on it."""
    path: list[int | str] = []
    node = raw
    for part in location:
        tag = next((t for t in _TAGS if isinstance(node, dict) and t in node), None)
        if tag and part in {cls.__name__ for cls in _TAGS[tag].values()}:
            if part != _TAGS[tag][node[tag]].__name__:
                return (), False
            continue
        if isinstance(part, str) and part in _PRIMITIVE_MEMBERS:
            continue
        path.append(part)
        node = (
            node.get(part)
            if isinstance(node, dict)
            else node[part]
            if _indexes(node, part)
            else None
        )
    return tuple(path), True


_PRIMITIVE_MEMBERS = {"int", "float", "str", "literal['auto']"}
"""What pydantic appends to a location for a plain member of a union such as `int | "auto"`."""


def _indexes(node: Any, part: int | str) -> bool:
    return isinstance(node, list) and isinstance(part, int) and part < len(node)


def _fields_at(kind: type, raw: Any, location: Sequence[int | str]) -> list[str]:
    """Names that a section may have."""
    node, section = raw, kind
    for part in location:
        node = node[part]
        if isinstance(part, int):
            section = next(t for t in get_args(section) if dataclasses.is_dataclass(t))  # type: ignore[assignment]
            continue
        tag = next((t for t in _TAGS if isinstance(node, dict) and t in node), None)
        section = _TAGS[tag][node[tag]] if tag else get_type_hints(section)[part]
    return (
        [f.name for f in dataclasses.fields(section)] if dataclasses.is_dataclass(section) else []
    )


def _near(name: object, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {match[0]}?" if match else ""


def _listed(known: Sequence[str]) -> str:
    return f" Expected one of {', '.join(known)}."
