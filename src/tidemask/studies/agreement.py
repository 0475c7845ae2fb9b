"""Whether a directory holds this study, and runs that were trained as it asks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.reading import dump_yaml
from tidemask.run_record import CHANGEABLE_SETTINGS, UNPLANNED_LENGTHS
from tidemask.runs.config import RunConfig, read_run_config
from tidemask.runs.initial_model import with_absolute_paths
from tidemask.settings import shown
from tidemask.studies.definition import StudyDefinition, read_study
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.planning import PlannedRun

_SECTIONS = ("masking", "model", "training", "evaluation")
_LONGEST_LIST = 5


def to_yaml(study: StudyDefinition) -> str:
    """A definition with every value spelt out."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(study)))
    return dump_yaml(plain)


def check_directory(directory: StudyDirectory, study: StudyDefinition) -> None:
    """Refuse a directory of something else, and a measure that was declared after the first run.

    Raises:
        UserError: the directory holds files but no study; another study; or the same with another
            primary measure or budget.
    """
    root = directory.root
    if not directory.definition.is_file():
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise UserError(
                f"not a study: {root} exists and has no definition.yaml. "
                "Name a new directory as --out."
            )
        return
    before = read_study(directory.definition)
    if not set(before.arms) & set(study.arms) or not set(before.corpora) & set(study.corpora):
        raise UserError(
            f"another study: {root} has the arms {', '.join(before.arms)}, this one "
            f"{', '.join(study.arms)}. Name another directory as --out."
        )
    if not (root / "runs").is_dir():
        return
    for name in ("primary", "equal", "processes"):
        old, new = getattr(before, name), getattr(study, name)
        if old != new:
            raise UserError(
                f"study changed after its first run: {name}={new}, and {directory.definition} has "
                f"{old}. What decides, and what is equal, is declared before; set it back, or name "
                "a new directory as --out (what the runs show is in the page, as exploratory)."
            )


def check_runs(directory: StudyDirectory, runs: Sequence[PlannedRun]) -> None:
    """Refuse runs that were trained otherwise than the study asks now.

    Raises:
        UserError: names them, and how they are kept.
    """
    stale: dict[str, list[str]] = {}
    for planned in runs:
        run = directory.run(planned)
        if run.config.is_file():
            config = read_run_config(run.config)
            if found := list(_differences(planned, config)):
                arm = str(planned.place.parent.relative_to("runs"))
                stale.setdefault(arm, []).append(f"seed {planned.seed} ({found[0]})")
    if stale:
        listed = "; ".join(f"{arm}: {_shortened(seeds)}" for arm, seeds in stale.items())
        raise UserError(
            f"runs with other settings: {listed}. The file of the study was edited after they were "
            "made. Set it back; or keep them and give the edited arm another name; or delete them "
            f"with `tidemask study rm {directory.root} {next(iter(stale))}`."
        )


def _shortened(items: Sequence[str]) -> str:
    more = len(items) - _LONGEST_LIST
    return ", ".join(items[:_LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")


def _differences(planned: PlannedRun, config: RunConfig) -> Iterator[str]:
    """Settings of a run that are not those asked for; what was left to be chosen is not asked."""
    recipe = dataclasses.replace(
        planned.recipe, model=with_absolute_paths(planned.recipe.model, config.model)
    )
    for section in _SECTIONS:
        asked, own = (
            json.loads(json.dumps(dataclasses.asdict(getattr(one, section))))
            for one in (recipe, config)
        )
        for path, wanted, found in _unequal(asked, own, (section,)):
            yield f"{path}={shown(wanted)} against {shown(found)}"


def _unequal(
    asked: Mapping[str, Any], own: Mapping[str, Any], place: tuple[str, ...]
) -> Iterator[tuple[str, Any, Any]]:
    for name in {**asked, **own}:
        wanted, found = asked.get(name), own.get(name)
        if isinstance(wanted, Mapping) and isinstance(found, Mapping):
            yield from _unequal(wanted, found, (*place, name))
        elif wanted not in (found, "auto") and name not in CHANGEABLE_SETTINGS | UNPLANNED_LENGTHS:
            yield ".".join((*place, name)), wanted, found


def leftover_runs(directory: StudyDirectory, runs: Sequence[PlannedRun]) -> list[Path]:
    """Run directories that the study does not ask for any more; they stay."""
    asked = {directory.root / planned.place for planned in runs}
    found = sorted((directory.root / "runs").glob("**/seed-*/run.yaml"))
    return [path.parent for path in found if path.parent not in asked]
