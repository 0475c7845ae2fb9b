"""Runs of a study that are deleted: those of some arms, or all with the study itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tidemask.errors import UserError, did_you_mean
from tidemask.files.paths import given_path
from tidemask.studies.agreement import locked
from tidemask.studies.attempts import read_attempts
from tidemask.studies.definition import read_study
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.heartbeat import living
from tidemask.system_errors import named_causes


@named_causes("End other programs.")
def remove_runs(directory: str | Path, arms: Sequence[str] = ()) -> list[Path]:
    """Delete the runs of some arms of a study, or all that the study has.

    Args:
        directory: of the study.
        arms: whose runs are deleted, on all corpora, or `CORPUS/ARM` on one; none means all of the
            study. What else lies in its directory stays.

    Returns:
        What was deleted.

    Raises:
        UserError: it is not the directory of a study, an arm has no runs, or one of them is being
            worked on; nothing was deleted then.
    """
    place = StudyDirectory(given_path(directory, "directory"))
    if not place.definition.is_file():
        raise UserError(f"not a study: {place.root} has no definition.yaml. Nothing was deleted.")
    with locked(place, read_study(place.definition)):
        known = _arms(place)
        chosen = [name for arm in arms for name in _named(arm, known, place)] if arms else known
        _refuse_running(place, chosen)
        deleted = list(_delete(place, chosen))
        return deleted if arms else [*deleted, *_delete_rest(place)]


def _arms(place: StudyDirectory) -> list[str]:
    """The arms that have runs, as `ARM` or `CORPUS/ARM`; links are left alone."""
    runs = place.root / "runs"
    arms = {path.parent for depth in ("*", "*/*") for path in runs.glob(f"{depth}/seed-*")}
    of_study = (arm for arm in arms if arm.parent in (runs, runs / arm.parent.name))
    return sorted(str(arm.relative_to(runs)) for arm in of_study if arm.resolve() == arm.absolute())


def _named(arm: str, known: Sequence[str], place: StudyDirectory) -> list[str]:
    found = [name for name in known if arm in (name, name.rpartition("/")[2])]
    if not found:
        raise UserError(
            f"no runs: {place.root} has none of arm {arm}.{did_you_mean(arm, known)} "
            "Nothing was deleted."
        )
    return found


def _refuse_running(place: StudyDirectory, arms: Sequence[str]) -> None:
    begun = {}
    for arm in arms:
        for path in sorted((place.root / "attempts" / arm).glob("seed-*.jsonl")):
            attempts = read_attempts(path)
            if attempts and attempts[-1].event == "begin":
                begun[path] = attempts[-1]
    for path in sorted(living({path: one.host for path, one in begun.items()})):
        last = begun[path]
        raise UserError(
            f"run is being worked on: {path.parent.name} {path.stem}, by process {last.process} on "
            f"{last.host}. Stop it first. Nothing was deleted."
        )


def _delete(place: StudyDirectory, arms: Sequence[str]) -> Iterator[Path]:
    """Delete the runs of arms; what was noted of them goes first, so that no run looks whole."""
    for arm in arms:
        shutil.rmtree(place.root / "attempts" / arm, ignore_errors=True)
        shutil.rmtree(place.root / "runs" / arm)
        yield place.root / "runs" / arm


def _delete_rest(place: StudyDirectory) -> Iterator[Path]:
    for path in (place.report, place.root / "attempts", place.root / "runs"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
            yield path
    for path in (place.step_costs, place.lock, place.definition):
        if path.exists():
            path.unlink()
            yield path
    with suppress(OSError):  # other files are in it
        place.root.rmdir()
        yield place.root
