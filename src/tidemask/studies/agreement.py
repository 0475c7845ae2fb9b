"""Whether a directory holds this study, and runs that were trained as it asks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tidemask.corpus.store.columns import COLUMNS, read_column_manifest
from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError, command_line, shortened
from tidemask.files.claims import is_of_claim
from tidemask.files.locks import only_process
from tidemask.files.paths import given_path
from tidemask.modeling.settings import with_absolute_paths
from tidemask.reading import dump_yaml
from tidemask.run_record import CHANGEABLE_SETTINGS, UNPLANNED_LENGTHS, RunDirectory
from tidemask.runs.config import RunConfig
from tidemask.runs.entry_weights import recorded
from tidemask.runs.policy_contents import without_places
from tidemask.settings import shown
from tidemask.studies.definition import StudyDefinition, read_study
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.kept_configs import kept_config
from tidemask.studies.lengths import manifests_of
from tidemask.studies.planning import PlannedRun

_SECTIONS = ("masking", "model", "training", "evaluation")
_DECLARED = ("baseline", "primary", "margin", "equal", "processes")
"""What decides and what is equal, which is declared before the first run."""
_LONGEST_LIST = 5
_DIGITS = 12


def to_yaml(study: StudyDefinition) -> str:
    """A definition with every value spelt out."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(study)))
    return dump_yaml(plain)


def check_directory(directory: StudyDirectory, study: StudyDefinition) -> None:
    """Refuse a directory of something else, and a measure that was declared after the first run.

    Raises:
        UserError: the directory holds files but no study; another study; or the same with another
            baseline, primary measure, margin or budget.
    """
    root = directory.root
    if not directory.definition.is_file():
        if root.exists() and not (root.is_dir() and all(map(_is_of_beginning, root.iterdir()))):
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
    for name in _DECLARED:
        old, new = getattr(before, name), getattr(study, name)
        if old != new:
            raise UserError(
                f"study changed after its first run: {name}={shown(new)}, and "
                f"{directory.definition} has {shown(old)}. What decides, and what is equal, is "
                "declared before; set it back, or name a new directory as --out (what the runs "
                "show is in the page, as exploratory)."
            )


def _is_of_beginning(path: Path) -> bool:
    """Whether a study makes the file before its definition, where it may have come to an end."""
    place = StudyDirectory(path.parent)
    begun = (place.definition.name, place.step_costs.name)
    return path in (place.lock, place.step_costs) or any(is_of_claim(path, one) for one in begun)


def check_corpora(directory: StudyDirectory, study: StudyDefinition) -> None:
    """Refuse a corpus that is not the one of the runs that were trained on it by this name.

    Raises:
        UserError: names both, and how the runs are kept; or there is another column of a name.
    """
    read_columns: dict[str, list[tuple[Path, Mapping[str, str]]]] = {}
    for name, manifest in manifests_of(study).items():
        for path in sorted((directory.root / "runs" / name).glob("*/seed-*/run.yaml")):
            config = _readable(RunDirectory(path.parent))
            trained_on = config.corpus if config else None
            if trained_on and trained_on.fingerprint != manifest.fingerprint:
                raise UserError(
                    f"another corpus: {study.corpora[name]} has the fingerprint "
                    f"{manifest.fingerprint[:_DIGITS]}, and {path.parent} was trained on "
                    f"{trained_on.path} with {trained_on.fingerprint[:_DIGITS]}. Restore the "
                    "corpus, or name a new directory as --out."
                )
            if trained_on and path.parent.parent.name in study.arms:
                read_columns.setdefault(name, []).append((path.parent, trained_on.columns))
    for name, runs in read_columns.items():
        _check_columns(given_path(study.corpora[name], "corpus"), runs)


def _check_columns(corpus: Path, runs: Sequence[tuple[Path, Mapping[str, str]]]) -> None:
    """The same for the columns that policies of runs read; one that is gone is no other."""
    names = {name for _, columns in runs for name in columns}
    there = [name for name in sorted(names) if (corpus / COLUMNS / name).is_dir()]
    if not there:
        return
    opened = open_corpus(corpus)
    now = {name: read_column_manifest(opened, name).fingerprint for name in there}
    for run, columns in runs:
        for name, was in columns.items():
            if now.get(name, was) != was:
                raise UserError(
                    f"another column: {name} of {corpus} has the fingerprint "
                    f"{now[name][:_DIGITS]}, and {run} was trained on one with {was[:_DIGITS]}. "
                    "Restore it, or name a new directory as --out."
                )


def check_runs(directory: StudyDirectory, runs: Sequence[PlannedRun]) -> None:
    """Refuse runs that were trained otherwise than the study asks now.

    Raises:
        UserError: names them, and how they are kept.
    """
    stale: dict[str, dict[str, list[str]]] = {}
    for planned in runs:
        config = _readable(directory.run(planned))
        if config and (found := list(_differences(planned, config))):
            arm = str(planned.place.parent.relative_to("runs"))
            seeds = stale.setdefault(arm, {}).setdefault(found[0], [])
            seeds.append(str(planned.seed))
    if stale:
        listed = "; ".join(
            f"{arm}: seed{'s' * (len(seeds) > 1)} {shortened(seeds, _LONGEST_LIST)} ({difference})"
            for arm, differences in stale.items()
            for difference, seeds in differences.items()
        )
        delete = command_line("study", "rm", directory.root, *stale)
        raise UserError(
            f"runs with other settings: {listed}. The file of the study was edited after they were "
            "made. Set it back; or keep them and give what was edited another name, an arm or the "
            f"whole as --out; or delete them with `{delete}`."
        )


def _readable(run: RunDirectory) -> RunConfig | None:
    """The settings of a run; none where they are damaged, which the state of the run names."""
    with suppress(UserError):
        return kept_config(run)
    return None


def _differences(planned: PlannedRun, config: RunConfig) -> Iterator[str]:
    """Settings of a run that are not those asked for; what was left to be chosen is not asked."""
    recipe = dataclasses.replace(
        planned.recipe,
        model=with_absolute_paths(planned.recipe.model, config.model),
        masking=without_places(recorded(planned.recipe.masking)),
    )
    config = dataclasses.replace(config, masking=without_places(config.masking))
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


def leftover_note(directory: StudyDirectory, runs: Sequence[PlannedRun]) -> list[str]:
    """A sentence on run directories that the study does not ask for any more, if there are any."""
    asked = {directory.root / planned.place for planned in runs}
    found = sorted((directory.root / "runs").glob("**/seed-*/run.yaml"))
    left = [str(path.parent.relative_to(directory.root)) for path in found
            if path.parent not in asked]  # fmt: skip
    if not left:
        return []
    kept = "it stays, and is" if len(left) == 1 else "they stay, and are"
    return [
        f"Not of the study any more: {shortened(left, _LONGEST_LIST)}; {kept} left out of the page."
    ]


@contextmanager
def locked(directory: StudyDirectory, study: StudyDefinition) -> Iterator[None]:
    """Keep a second command from running the study; its directory is made.

    Raises:
        UserError: another process runs it, or the directory holds something else.
    """
    check_directory(directory, study)
    held = (
        f"study is being run: another process works on {directory.root}. Look at it with "
        f"`{command_line('study', 'status', directory.root)}`."
    )
    with only_process(directory.lock, what="study", held=held):
        yield
