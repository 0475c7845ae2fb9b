"""A study from its file to its page: planned, run, continued and refreshed by one call."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.processes import available_cores
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.studies.agreement import check_directory
from tidemask.studies.definition import StudyDefinition, read_study
from tidemask.studies.directory import State, StudyDirectory
from tidemask.studies.engine_choice import checked_jobs, chosen_engine
from tidemask.studies.machines import notes_on_machine
from tidemask.studies.page import StudyPage
from tidemask.studies.paths import resolved_paths
from tidemask.studies.planning import arm_recipes, naming_study, read_trainable
from tidemask.studies.status import StudyForecast, StudyStatus
from tidemask.studies.step_costs import MeasuredStep, measured_step
from tidemask.studies.study_plan import Measure, StudyPlan, plan_of
from tidemask.system_errors import named_causes
from tidemask.training.signals import StopRequest


@named_causes("Run fewer at once (--jobs).")
def run_study(
    file: str | Path,
    *,
    out: str | Path,
    jobs: int = 1,
    engine: str = "local",
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
        engine: where runs are trained: "local", on this machine, "ray", by a Ray that is started
            on it, or "ray:ADDRESS", on the machines of a cluster.
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
    jobs = checked_jobs(jobs)
    if live is not None and not live > 0:
        raise UserError(f"live={live}. Expected minutes above 0 (--live).")
    request = stop_request or StopRequest()
    with (
        request.listening() if stop_request is None else nullcontext(),
        displayed(progress) as display,
        chosen_engine(engine, jobs, study.processes) as workers,
    ):
        plan = plan_of(study, directory, _measuring(study, workers.threads))
        plan.check()
        for note in [*plan.notes, *_on_this_machine(plan, engine, workers.threads)]:
            display.on_note(note)
        page = StudyPage(directory, display, live_seconds=None if live is None else 60 * live)
        plan.train(engine=workers, jobs=jobs, display=display, stop_request=request, page=page)
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
    jobs = checked_jobs(jobs)
    measure = _measuring(study, max(1, available_cores() // (jobs * study.processes)))
    plan = plan_of(study, directory, measure)
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
    return plan_of(read_trainable(place.definition), place, _unmeasured).status()


def _asked(file: str | Path, out: str | Path) -> tuple[StudyDirectory, StudyDefinition]:
    directory, origin = StudyDirectory(given_path(out, "out")), given_path(file, "study")
    written = read_study(origin)
    with naming_study(origin):
        study = resolved_paths(written, origin.absolute().parent)
        arm_recipes(study)
    check_directory(directory, study)
    return directory, study


def _measuring(study: StudyDefinition, threads: int) -> Measure:
    """What measures a step of an arm on a corpus, both by name, once each."""
    recipes = arm_recipes(study)
    return functools.cache(
        lambda corpus, arm: measured_step(study, study.corpora[corpus], recipes[arm], threads)
    )


def _on_this_machine(plan: StudyPlan, engine: str, threads: int) -> list[str]:
    """Notes on the machine, if runs are trained on it; those of a cluster say it in their logs."""
    if engine != "local":
        return []
    left = [one.run for one in plan.status().states if one.state is not State.FINISHED]
    return notes_on_machine(plan.directory, plan.runs, left, threads)


def _unmeasured(_corpus: str, arm: str) -> MeasuredStep:
    raise UserError(
        f"study has not begun: a step of arm {arm} was not measured yet, and its runs have "
        "equal=seconds. Run the study first."
    )
