"""The configuration of a run and its recipe: the components' settings, collected.

The settings have defaults; a recipe overrides them, and `section.field=value` overrides the
recipe.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from tidemask.errors import UserError, did_you_mean
from tidemask.files.paths import check_plain_files, given_path
from tidemask.masking.policy import MaskingSettings
from tidemask.modeling.settings import ModelSettings
from tidemask.reading import dump_yaml, parse_yaml, read_yaml
from tidemask.runs.overrides import (
    Overrides,
    apply_overrides,
    as_settings,
    check_written,
    still_set,
)
from tidemask.runs.settings_reading import checked_overrides, checked_settings
from tidemask.settings import Settings, check_integer, shown
from tidemask.system_errors import named_causes
from tidemask.tasks.held_out.settings import HeldOutSettings
from tidemask.training.settings import MAX_COUNT, TrainingSettings, check_head_for

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class CorpusReference(Settings):
    """The prepared corpus of a run."""

    path: str
    """Its directory."""
    fingerprint: str
    """The fingerprint of its content; a run refuses to continue on another."""
    columns: dict[str, str] = field(default_factory=dict)
    """The fingerprints of its columns that the policy reads, by name; the same holds for them."""


@dataclass(frozen=True, kw_only=True)
class Recipe(Settings):
    """A named masking policy, with the settings of model and training that belong to it.

    Example:
        >>> recipe = load_recipe("mrd-cosine", ["model.size=bert-mini"])
        >>> recipe.name, recipe.model.size, recipe.overrides
        ('mrd-cosine', 'bert-mini', ('model.size=bert-mini',))
        >>> round(recipe.masking.ratio(0.0), 2), round(recipe.masking.ratio(1.0), 2)
        (0.32, 0.02)
    """

    name: str = "custom"
    """The name that reports show."""
    summary: str = ""
    """What the policy does, in one sentence."""
    source: str = ""
    """Where it was published."""
    deviations: str = ""
    """In which points it differs from its source."""
    columns: dict[str, str] = field(default_factory=dict)
    """What `tidemask annotate CORPUS --column NAME` is given beside to make each column that the
    policy reads, by the column's name, such as `--from pmi:5`."""
    overrides: tuple[str, ...] = ()
    """Settings that replace the recipe's own, as `section.field=value`; reports show them."""
    masking: MaskingSettings = field(default_factory=MaskingSettings)
    """How much is masked, what, and how."""
    model: ModelSettings = field(default_factory=ModelSettings)
    """Which model is trained."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """How it is optimised."""
    evaluation: HeldOutSettings = field(default_factory=HeldOutSettings)
    """How held-out loss is measured."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_head_for(self.masking, self.training)


@dataclass(frozen=True, kw_only=True)
class ContinuedFrom(Settings):
    """The finished run that a run with more steps begins from."""

    run: str
    """Its directory."""
    step: int
    """Optimizer steps that it had done: all that it was planned for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("step", self.step, minimum=1, below=MAX_COUNT + 1)


@dataclass(frozen=True, kw_only=True)
class RunConfig(Settings):
    """Everything that determines a run; saved as its run.yaml."""

    recipe: str
    """The name of the recipe."""
    overrides: tuple[str, ...] = ()
    """Settings that replaced the recipe's own, as `section.field=value`."""
    corpus: CorpusReference
    """The corpus that the model is trained on."""
    masking: MaskingSettings
    """How much is masked, what, and how."""
    model: ModelSettings
    """Which model is trained."""
    model_fingerprint: str | None = None
    """The fingerprint of the configuration file, or of the configuration and weights, that `model`
    names; a run refuses to begin with others. `None` for a size."""
    training: TrainingSettings
    """How it is optimised."""
    evaluation: HeldOutSettings
    """How held-out loss is measured."""
    continued_from: ContinuedFrom | None = None
    """The finished run whose last checkpoint this one began from; `None` for its own first step."""


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted."""
    names = (file.name for file in _shipped().iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


@named_causes("End other programs.")
def load_recipe(recipe: str | Path | Recipe, overrides: Overrides = ()) -> Recipe:
    """A recipe by its shipped name or from a YAML file, with overrides applied.

    Args:
        recipe: one of `recipe_names()`, a path that ends in .yaml or .yml, or a recipe.
        overrides: settings over its own.

    Raises:
        UserError: no such recipe; unknown keys, wrong types or values outside their range, all
            named together.

    Example:
        >>> from tidemask import load_recipe
        >>> load_recipe("mrd-cosine").masking.ratio(0.0)
        0.32
    """
    if isinstance(recipe, Recipe):
        raw, origin = _plain(recipe), f"recipe {recipe.name}"
        _check_own_overrides(recipe)
    else:
        raw, origin = _read_recipe(str(recipe))
        if own := _own_overrides(raw):
            _apply_own_overrides(raw, own, origin)
    return _overridden(Recipe, raw, overrides, origin)


def _own_overrides(raw: Mapping[str, Any]) -> list[str]:
    """Those that a recipe has itself; none if they are of a wrong type, which is refused later."""
    own = raw.get("overrides")
    return own if isinstance(own, list) and all(isinstance(each, str) for each in own) else []


def _apply_own_overrides(raw: dict[str, Any], own: list[str], origin: str) -> None:
    """Apply those that a recipe has itself; what is wrong with one names the recipe."""
    try:
        apply_overrides(Recipe, raw, own)
    except UserError as error:
        raise UserError(f"wrong overrides in {origin}: {error}") from error


def _check_own_overrides(recipe: Recipe) -> None:
    """Refuse a recipe made in Python that lists overrides and does not have what they say."""
    raw = _plain(recipe)
    apply_overrides(Recipe, raw, recipe.overrides)
    if checked_settings(Recipe, raw, f"recipe {recipe.name}") != recipe:
        raise UserError(
            f"recipe {recipe.name} has other settings than it lists: overrides="
            f"{shown(recipe.overrides)}. Give it to `load_recipe` with overrides, which applies "
            "them; or replace its `overrides` too."
        )


def read_run_config(path: Path) -> RunConfig:
    """The configuration of a run from its run.yaml.

    Raises:
        UserError: the file is missing, damaged, or holds settings that are wrong; or something in
            the directory of the run is a pipe or a device.
    """
    check_plain_files(path.parent)
    config = checked_settings(RunConfig, read_yaml(path), str(path))
    check_written(RunConfig, config.overrides, str(path))
    return config


def with_overrides(config: RunConfig, overrides: Overrides, origin: str) -> RunConfig:
    """The configuration of a run with overrides over its own.

    Args:
        config: of a run.
        overrides: settings over it.
        origin: what a message calls it.

    Raises:
        UserError: unknown keys, wrong types or values outside their range, all named together.
    """
    return _overridden(RunConfig, _plain(config), overrides, origin)


def to_yaml(config: Recipe | RunConfig, *, width: int = 100) -> str:
    """The configuration with every value spelt out, in lines of about `width` characters."""
    return dump_yaml(_plain(config), width=width)


def _plain(config: Recipe | RunConfig) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def _shipped() -> Any:
    return resources.files("tidemask") / "recipes"


def _read_recipe(name: str) -> tuple[dict[str, Any], str]:
    if name.endswith((".yaml", ".yml")):
        path = given_path(name, "recipe")
        return {"name": path.stem, **read_yaml(path)}, name
    if name not in recipe_names():
        raise UserError(
            f"no such recipe: {name}.{did_you_mean(name, recipe_names())} `tidemask recipes` lists "
            f"the {len(recipe_names())} that are shipped; a file of your own ends in .yaml."
        )
    text = (_shipped() / f"{name}.yaml").read_text(encoding="utf-8")
    return {"name": name, **parse_yaml(text, f"recipe: {name}")}, f"recipe {name}"


def _overridden(kind: type[_T], raw: dict[str, Any], overrides: Overrides, origin: str) -> _T:
    """Settings with overrides over them, which lists those of both that hold."""
    settings, before = as_settings(overrides), copy.deepcopy(raw)
    apply_overrides(kind, raw, settings)
    own = before.get("overrides", [])
    if own == _own_overrides(before):
        holding = still_set(kind, list(dict.fromkeys(settings)), raw)
        raw["overrides"] = [*still_set(kind, own, raw, before), *holding]
    return checked_overrides(kind, raw, before, settings, origin)
