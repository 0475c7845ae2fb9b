"""A study from its file to its page: planned, run, continued and refreshed by one call."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tidemask.errors import UserError
from tidemask.files.atomic import write_atomically
from tidemask.files.paths import given_path
from tidemask.processes import available_cores, max_workers
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.reading import ANY_LENGTH, read_json
from tidemask.runs.config import Recipe
from tidemask.settings import check_integer
from tidemask.studies.agreement import (
    check_corpora,
    check_directory,
    check_runs,
    leftover_note,
    locked,
    to_yaml,
)
from tidemask.studies.definition import StudyDefinition, read_study
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.engines import Engine, local_engine
from tidemask.studies.lengths import equal_lengths, own_lengths
from tidemask.studies.measuring import check_checkpoints, measurement_marks
from tidemask.studies.page import StudyPage, last_verdicts
from tidemask.studies.paths import resolved_paths
from tidemask.studies.planning import PlannedRun, arm_recipes, planned_runs, unequal_settings
from tidemask.studies.ray_engine import ray_engine
from tidemask.studies.series import Series
from tidemask.studies.status import StudyForecast, StudyStatus
from tidemask.studies.step_costs import MeasuredStep, cost_key, measured_step, step_costs
from tidemask.system_errors import named_causes
from tidemask.training.signals import StopRequest

EngineName = Literal["local", "ray"]
_Measure = Callable[[str, str], MeasuredStep]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A study with its runs.

    Attributes:
        marks: of what is measured of each run.
        costs: of a step of each arm, by `cost_key`.
    """

    study: StudyDefinition
    directory: StudyDirectory
    recipes: Mapping[str, Recipe]
    runs: tuple[PlannedRun, ...]
    marks: frozenset[str]
    notes: tuple[str, ...]
    costs: Mapping[str, float]

    def status(self) -> StudyStatus:
        page = self.directory.page
        return StudyStatus(
            definition=self.study,
            directory=self.directory.root,
            states=tuple(self.directory.states(self.runs, self.marks)),
            notes=self.notes,
            verdicts=last_verdicts(self.directory),
            page=page if page.is_file() else None,
        )

    def check(self) -> None:
        """Refuse a plan that its directory or its corpora do not fit."""
        check_corpora(self.directory, self.study)
        check_runs(self.directory, self.runs)


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

    Example:
        >>> import json, tidemask
        >>> from pathlib import Path
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> arms = {"constant": {"recipe": "bert"}, "decay": {"recipe": "mrd-cosine"}}
        >>> study = {"corpus": "corpus", "arms": arms, "baseline": "constant", "seeds": [0]}
        >>> _ = Path("study.yaml").write_text(json.dumps({**study, "settings": tiny}))
        >>> status = tidemask.run_study("study.yaml", out="study", progress=False)
        >>> status.is_finished, status.verdicts[0], status.page.name
        (True, 'decay differs from constant by ...', 'index.html')
    """
    directory, study = _asked(file, out)
    jobs = _checked_jobs(jobs)
    if live is not None and not live > 0:
        raise UserError(f"live={live}. Expected minutes above 0 (--live).")
    request = stop_request or StopRequest()
    with (
        request.listening() if stop_request is None else _nothing(),
        displayed(progress) as display,
        _engine(engine, address, jobs, study.processes) as workers,
    ):
        plan = _plan(study, directory, _measuring(study, workers.threads))
        plan.check()
        for note in plan.notes:
            display.on_note(note)
        with locked(directory, study), request.deferred():
            write_atomically(directory.step_costs, f"{json.dumps(plan.costs, indent=2)}\n")
            write_atomically(directory.definition, to_yaml(study))
            page = StudyPage(directory, display, live_seconds=None if live is None else 60 * live)
            Series(
                study=study,
                directory=directory,
                runs=plan.runs,
                marks=plan.marks,
                engine=workers,
                jobs=jobs,
                display=display,
                stop_request=request,
                on_finished=page.after_run,
                on_waiting=page.while_running,
            ).run()
            page.write()
    return replace(plan.status(), page_problem=page.problem)


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
    directory, study = _asked(file, out)
    jobs = _checked_jobs(jobs)
    measure = _measuring(study, max(1, available_cores() // (jobs * study.processes)))
    plan = _plan(study, directory, measure)
    plan.check()
    measured = {(c, arm): measure(c, arm) for c in study.corpora for arm in study.arms}
    return StudyForecast(status=plan.status(), measured=measured, jobs=jobs)


@named_causes("End other programs.")
def study_status(directory: str | Path) -> StudyStatus:
    """How far a study is, from its directory alone.

    Raises:
        UserError: it is not the directory of a study, or a file of it is damaged.

    Example:
        >>> import tidemask
        >>> tidemask.study_status("corpus")
        Traceback (most recent call last):
        tidemask.errors.UserError: not a study: corpus has no definition.yaml. Name one that has.
    """
    place = StudyDirectory(given_path(directory, "directory"))
    if not place.definition.is_file():
        raise UserError(f"not a study: {place.root} has no definition.yaml. Name one that has.")
    return _plan(read_study(place.definition), place, _unmeasured).status()


def _asked(file: str | Path, out: str | Path) -> tuple[StudyDirectory, StudyDefinition]:
    directory, origin = StudyDirectory(given_path(out, "out")), given_path(file, "study")
    study = resolved_paths(read_study(origin), origin.absolute().parent)
    check_directory(directory, study)
    return directory, study


def _plan(study: StudyDefinition, directory: StudyDirectory, measure: _Measure) -> _Plan:
    recipes = arm_recipes(study)
    kept: dict[str, float] = {}
    if directory.step_costs.is_file():
        kept = read_json(
            directory.step_costs, dict[str, float], what="costs of a step", max_bytes=ANY_LENGTH
        )
    costs = step_costs(study, recipes, kept, lambda *names: measure(*names).seconds)
    by_arm = {
        (corpus, arm): costs.get(cost_key(study, corpus, arm, recipe), 1.0)
        for corpus in study.corpora
        for arm, recipe in recipes.items()
    }
    lengths = equal_lengths(study, own_lengths(study, recipes), by_arm)
    runs = planned_runs(study, recipes, lengths)
    for planned in runs:
        check_checkpoints(study.evaluation, planned.arm, planned.recipe)
    notes = [*unequal_settings(recipes, study.baseline), *leftover_note(directory, runs)]
    if len(study.seeds) == 1:
        notes.append("One seed supports no interval; five pairs or more do.")
    return _Plan(
        study=study,
        directory=directory,
        recipes=recipes,
        runs=tuple(runs),
        marks=frozenset(measurement_marks(study.evaluation).values()),
        notes=tuple(notes),
        costs=costs,
    )


def _measuring(study: StudyDefinition, threads: int) -> _Measure:
    """What measures a step of an arm on a corpus, both by name, once each."""
    recipes = arm_recipes(study)
    return functools.cache(
        lambda corpus, arm: measured_step(study, study.corpora[corpus], recipes[arm], threads)
    )


def _unmeasured(_corpus: str, arm: str) -> MeasuredStep:
    raise UserError(
        f"study has not begun: a step of arm {arm} was not measured yet, and its runs have "
        "equal=seconds. Run the study first."
    )


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
def _nothing() -> Iterator[None]:
    yield
