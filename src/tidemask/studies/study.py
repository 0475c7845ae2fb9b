"""A study from its file to its page: planned, run, continued and refreshed by one call."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tidemask.errors import UserError
from tidemask.files.atomic import write_atomically
from tidemask.files.locks import NoLocksError, try_lock
from tidemask.files.paths import given_path
from tidemask.processes import available_cores, max_workers
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.reading import read_json
from tidemask.runs.config import Recipe
from tidemask.settings import check_integer
from tidemask.studies.agreement import check_directory, check_runs, leftover_runs, to_yaml
from tidemask.studies.definition import StudyDefinition, read_study, resolved_paths
from tidemask.studies.directory import RunState, State, StudyDirectory
from tidemask.studies.engines import Engine, local_engine
from tidemask.studies.lengths import StepCost, equal_lengths, measured_cost, own_lengths
from tidemask.studies.page import StudyPage, last_verdicts
from tidemask.studies.planning import PlannedRun, arm_recipes, planned_runs, unequal_settings
from tidemask.studies.ray_engine import ray_engine
from tidemask.studies.series import Series
from tidemask.system_errors import named_causes
from tidemask.training.signals import StopRequest

EngineName = Literal["local", "ray"]


@dataclass(frozen=True, kw_only=True)
class StudyStatus:
    """How far a study is.

    Attributes:
        definition: what it is.
        directory: where it is.
        states: of its runs, in their order.
        notes: what a user should know of it, one sentence each.
        verdicts: of the page as it was last written, on each arm, in words.
        page: the HTML page; `None` if it was never written.
    """

    definition: StudyDefinition
    directory: Path
    states: tuple[RunState, ...]
    notes: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    page: Path | None = None

    @property
    def is_finished(self) -> bool:
        """Whether every run is trained and measured."""
        return all(one.state is State.FINISHED for one in self.states)


@dataclass(frozen=True, kw_only=True)
class StudyForecast:
    """What a study will take.

    Attributes:
        status: how far it is.
        costs: of a step and of what is saved, by names of corpus and arm.
        jobs: runs at once.
    """

    status: StudyStatus
    costs: Mapping[tuple[str, str], StepCost]
    jobs: int

    @property
    def seconds(self) -> float:
        """Of training what is left; measuring held-out text and tasks comes to it."""
        return sum(map(self.seconds_of, self.status.states)) / self.jobs

    def seconds_of(self, state: RunState) -> float:
        """Of training what is left of a run."""
        if state.state is State.FINISHED:
            return 0.0
        return (state.run.num_steps - state.step) * self._cost(state).seconds

    @property
    def num_bytes(self) -> int:
        """On the disk while the study goes on: all final models, and checkpoints of what runs."""
        kept = sum(self._cost(state).model_bytes for state in self.status.states)
        largest = max(
            self._cost(state).checkpoint_bytes * (state.run.recipe.training.keep_checkpoints + 1)
            for state in self.status.states
        )
        return kept + self.jobs * largest

    def _cost(self, state: RunState) -> StepCost:
        return self.costs[state.run.corpus_name, state.run.arm]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    study: StudyDefinition
    directory: StudyDirectory
    runs: tuple[PlannedRun, ...]
    measured: str
    notes: tuple[str, ...]
    step_seconds: Mapping[str, float]

    def status(self) -> StudyStatus:
        page = self.directory.page
        return StudyStatus(
            definition=self.study,
            directory=self.directory.root,
            states=tuple(self.directory.states(self.runs, self.measured)),
            notes=self.notes,
            verdicts=last_verdicts(self.directory),
            page=page if page.is_file() else None,
        )


@named_causes("Run fewer at once (--jobs).")
def run_study(
    file: str | Path,
    *,
    out: str | Path,
    jobs: int = 1,
    engine: EngineName = "local",
    address: str | None = None,
    live: float | None = None,
    progress: bool | ProgressDisplay = True,
    stop_request: StopRequest | None = None,
) -> StudyStatus:
    """Train and measure every run of a study that is not finished, and write its page.

    The same as `tidemask study FILE --out DIR`; the same call again continues and refreshes.

    Args:
        file: YAML file of the study.
        out: directory of the study, made or continued.
        jobs: runs at once; on a CPU its threads are divided among them.
        engine: `local`, or `ray` for the machines of a cluster.
        address: of the Ray cluster; `None` starts Ray on this machine.
        live: minutes after which the page is written again while runs go on; `None` leaves it to
            the ends of runs.
        progress: whether to show progress in a terminal or notebook; or where to show it.
        stop_request: when to stop; signals are received in this call if left out.

    Raises:
        Interrupted: it was asked to stop, and every run has saved its state.
        UserError: the file, a recipe, a corpus or a setting is wrong; `out` holds another study,
            or runs with other settings; another process runs the study.
    """
    jobs = _checked_jobs(jobs)
    if live is not None and not live > 0:
        raise UserError(f"live={live}. Expected minutes above 0 (--live).")
    directory = StudyDirectory(given_path(out, "out"))
    origin = given_path(file, "study")
    study = resolved_paths(read_study(origin), origin.absolute().parent)
    request = stop_request or StopRequest()
    with (
        displayed(progress) as display,
        _engine(engine, address, jobs, study.processes) as workers,
    ):
        check_directory(directory, study)
        plan = _plan(study, directory, workers)
        check_runs(directory, plan.runs)
        for note in plan.notes:
            display.on_note(note)
        page = StudyPage(directory, display, live_seconds=None if live is None else 60 * live)
        series = Series(
            study=study,
            directory=directory,
            runs=plan.runs,
            measured=plan.measured,
            engine=workers,
            jobs=jobs,
            display=display,
            stop_request=request,
            on_finished=page.after_run,
            on_waiting=page.while_running,
        )
        listening = request.listening() if stop_request is None else _nothing()
        with _locked(directory, study), listening, request.deferred():
            write_atomically(directory.definition, to_yaml(study))
            if plan.step_seconds:
                seconds = json.dumps(plan.step_seconds, indent=2)
                write_atomically(directory.step_seconds, f"{seconds}\n")
            series.run()
            page.write()
    return plan.status()


@named_causes("Run fewer at once (--jobs).")
def plan_study(file: str | Path, *, out: str | Path, jobs: int = 1) -> StudyForecast:
    """What a study will take: nothing is written, and a few steps of each arm are trained.

    Args:
        file: YAML file of the study.
        out: directory that it would have, or has.
        jobs: runs at once.

    Raises:
        UserError: as `run_study`.
    """
    jobs = _checked_jobs(jobs)
    directory = StudyDirectory(given_path(out, "out"))
    origin = given_path(file, "study")
    study = resolved_paths(read_study(origin), origin.absolute().parent)
    check_directory(directory, study)
    with local_engine(jobs, study.processes) as engine:
        plan = _plan(study, directory, None)
        check_runs(directory, plan.runs)
        recipes = arm_recipes(study)
        costs = {
            (corpus, arm): measured_cost(study, path, recipe, engine.threads)
            for corpus, path in study.corpora.items()
            for arm, recipe in recipes.items()
        }
    return StudyForecast(status=plan.status(), costs=costs, jobs=jobs)


def study_status(directory: str | Path) -> StudyStatus:
    """How far a study is, from its directory alone.

    Raises:
        UserError: it is not the directory of a study, or a file of it is damaged.
    """
    place = StudyDirectory(given_path(directory, "directory"))
    if not place.definition.is_file():
        raise UserError(f"not a study: {place.root} has no definition.yaml. Name one that has.")
    return _plan(read_study(place.definition), place, None).status()


def remove_runs(directory: str | Path, arms: Sequence[str] = ()) -> list[Path]:
    """Delete the runs of some arms of a study, or the whole directory.

    Args:
        directory: of the study.
        arms: whose runs are deleted; none means all of the study.

    Returns:
        What was deleted.

    Raises:
        UserError: it is not the directory of a study, an arm has no runs, or it is being run.
    """
    place = StudyDirectory(given_path(directory, "directory"))
    if not place.definition.is_file():
        raise UserError(f"not a study: {place.root} has no definition.yaml. Nothing was deleted.")
    study = read_study(place.definition)
    with _locked(place, study):
        if not arms:
            return list(_removed(place))
        named = {arm: sorted(place.root.glob(f"runs/**/{arm}")) for arm in arms}
        if missing := [arm for arm, found in named.items() if not found]:
            raise UserError(
                f"no runs: {place.root} has none of arm {missing[0]}. Nothing was deleted."
            )
        found = [path for paths in named.values() for path in paths]
        for path in found:
            shutil.rmtree(path)
            shutil.rmtree(place.root / "attempts" / path.relative_to(place.root / "runs"), True)
    return found


def _removed(place: StudyDirectory) -> Iterator[Path]:
    """Delete what a study has; what else lies in its directory stays."""
    own = ("runs", "attempts", place.report.name, place.step_seconds.name, place.lock.name)
    for path in (*(place.root / name for name in own), place.definition):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        else:
            continue
        yield path
    with suppress(OSError):  # other files are in it
        place.root.rmdir()
        yield place.root


def _plan(study: StudyDefinition, directory: StudyDirectory, engine: Engine | None) -> _Plan:
    recipes = arm_recipes(study)
    own = own_lengths(study, recipes)
    seconds: dict[str, float] = {}
    if study.equal == "seconds":
        seconds = _step_seconds(study, recipes, directory, engine)
    by_arm = {
        (corpus, arm): seconds.get(_name(corpus, arm), 0.0)
        for corpus in study.corpora
        for arm in recipes
    }
    runs = planned_runs(study, recipes, equal_lengths(study, recipes, own, by_arm))
    notes = unequal_settings(recipes, study.baseline)
    notes += [
        f"{path} is not of the study any more; it stays, and is left out of the page."
        for path in leftover_runs(directory, runs)
    ]
    if len(study.seeds) == 1:
        notes.append("One seed supports no interval; five pairs or more do.")
    return _Plan(
        study=study,
        directory=directory,
        runs=tuple(runs),
        measured=_fingerprint(study),
        notes=tuple(notes),
        step_seconds=seconds,
    )


def _name(corpus: str, arm: str) -> str:
    return "/".join(filter(None, (corpus, arm)))


def _step_seconds(
    study: StudyDefinition,
    recipes: Mapping[str, Recipe],
    directory: StudyDirectory,
    engine: Engine | None,
) -> dict[str, float]:
    """Seconds of a step of every arm: measured once, before the first run, and kept."""
    kept: dict[str, float] = {}
    if directory.step_seconds.is_file():
        kept = read_json(
            directory.step_seconds, dict[str, float], what="seconds of a step", max_bytes=None
        )
    threads = engine.threads if engine is not None else available_cores()
    for corpus, path in study.corpora.items():
        for arm, recipe in recipes.items():
            name = _name(corpus, arm)
            if name not in kept:
                kept[name] = measured_cost(study, path, recipe, threads).seconds
    return kept


def _fingerprint(study: StudyDefinition) -> str:
    content = json.dumps(dataclasses.asdict(study.evaluation), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _checked_jobs(jobs: int) -> int:
    try:
        return check_integer("jobs", jobs, minimum=1, below=max_workers() + 1)
    except ValueError as error:
        raise UserError(f"number of runs at once outside its range: {error}") from error


def _engine(
    name: EngineName, address: str | None, jobs: int, processes: int
) -> AbstractContextManager[Engine]:
    if name == "ray":
        return ray_engine(address, jobs, processes)
    if name != "local":
        raise UserError(f"no such engine: {name}. Expected local or ray (--engine).")
    if address is not None:
        raise UserError(f"address without Ray: address={address}. Add --engine ray.")
    return local_engine(jobs, processes)


@contextmanager
def _locked(directory: StudyDirectory, study: StudyDefinition) -> Iterator[None]:
    """Keep a second command from running the study; its directory is made.

    Raises:
        UserError: another process runs it, or the directory holds something else.
    """
    check_directory(directory, study)
    try:
        directory.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory.lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"study cannot be made: {directory.root}: {error.strerror}.") from error
    try:
        try:
            is_ours = try_lock(descriptor)
        except NoLocksError:
            is_ours = True
        if not is_ours:
            raise UserError(
                f"study is being run: another process works on {directory.root}. Look at it with "
                f"`tidemask study status {directory.root}`."
            )
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
