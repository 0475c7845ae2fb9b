"""Evaluation: tasks on the models of runs, one after the other or in parallel on several devices.

A job is a task on one model. Results that exist are not measured again, a job that fails does not
lose the others, and what is finished is saved when the evaluation is interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from tidemask.errors import UserError
from tidemask.evaluation.asked_tasks import asked_tasks
from tidemask.evaluation.held_out_tasks import CORPUS_TASKS
from tidemask.evaluation.jobs import TO_SAVE_MEMORY, Job, JobResult, data_problem
from tidemask.evaluation.parallel import run_jobs_in_parallel
from tidemask.evaluation.planning import jobs_of, output_directories
from tidemask.evaluation.running import EvaluationProgress, run_jobs
from tidemask.evaluation.targets import target_of
from tidemask.files.paths import PATHS, given_path, one_or_several
from tidemask.modeling.precision import usual_device
from tidemask.processes import keep_freed_memory, max_workers
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.run_record import HELD_OUT_TASK
from tidemask.runs.overrides import Overrides
from tidemask.runs.turns import in_turn
from tidemask.settings import check_integer
from tidemask.system_errors import named_causes
from tidemask.tasks.task import TaskWithData


@named_causes(TO_SAVE_MEMORY)
@in_turn
def evaluate(
    targets: str | Path | Sequence[str | Path],
    *,
    tasks: str | Sequence[str] = (HELD_OUT_TASK,),
    overrides: Overrides = (),
    tasks_from: str | Path | None = None,
    task_data: Mapping[str, str | Path] | None = None,
    data: str | Path | None = None,
    checkpoints: str | int | Sequence[str | int] = "last",
    out: str | Path | None = None,
    jobs: int = 1,
    with_random: bool = True,
    progress: bool | ProgressDisplay = True,
) -> list[JobResult]:
    """Measure checkpoints of runs, or any masked language models, on tasks.

    The same as `tidemask evaluate`. Results of runs are saved in their directories, and a result
    that is there already is not measured again. A task that fails does not lose the others.

    Args:
        targets: runs, model directories, or names of models on the hub.
        tasks: names of tasks and groups, or YAML files of your own tasks; a string separates them
            by commas.
        overrides: settings of the tasks: `section.field=value`, or a mapping.
        tasks_from: directory with one directory for each task; `None` takes data from the hub.
        task_data: directories or files of single tasks, by their names.
        data: prepared corpus with the held-out text, in place of that of the run; models that are
            not runs need it for the tasks on held-out text.
        checkpoints: `last`, `all`, or some of a run's, such as `500,1000,final`.
        out: directory for the results of models that are not runs; `None` does not save them.
        jobs: processes; 0 is one per GPU, and one on a CPU. More than one run your script again in
            each, so a script that asks for them calls this below `if __name__ == "__main__":`.
        with_random: whether the same architecture with random weights is measured as well.
        progress: whether to show progress in a terminal or notebook; or where to show it.

    Returns:
        One result per target, task and model; the `problem` of one that failed is not empty.

    Raises:
        UserError: there is no such target, checkpoint or task, or a setting is wrong; nothing was
            measured then.

    Example:
        >>> import tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> run = tidemask.pretrain("corpus", out="run", overrides=tiny)
        >>> [result] = tidemask.evaluate("run", with_random=False)
        >>> result.task, result.checkpoint, result.results[0].metrics == run.metrics
        ('held-out', 'final', True)
    """
    if not torch.cuda.is_available():
        keep_freed_memory()
    if not isinstance(checkpoints, str):
        steps = one_or_several(checkpoints, "checkpoints", (int, str), "steps, `all` or `final`")
        checkpoints = ",".join(map(str, steps))
    num_processes = _num_processes(jobs)
    names = [str(target) for target in one_or_several(targets, "targets", PATHS, "runs or models")]
    _check_targets(names)
    asked = asked_tasks(tasks, overrides, tasks_from, task_data)
    outs = output_directories(names, None if out is None else given_path(out, "out"))
    resolved = [
        target_of(
            name,
            checkpoints=checkpoints,
            out=outs.get(name),
            with_random=with_random,
            device=usual_device(),
        )
        for name in names
    ]
    planned = [asked.shared.get(name) or name for name in asked.names]
    corpus = None if data is None else given_path(data, "data")
    planned_jobs = [
        job
        for target in resolved
        for job in jobs_of(target, planned, corpus, asked.settings, asked.given)
    ]
    if not planned_jobs:
        raise UserError("nothing to measure: no task has data. Name tasks, or their data.")
    with displayed(progress) as display:
        own = [target.name for target in resolved if target.config is not None]
        if own and any(name in CORPUS_TASKS for name in asked.names) and corpus is not None:
            display.on_note(
                f"What is measured on the text of {corpus} is shown and not saved: results of "
                f"{', '.join(own)} stay those on the corpus of the run."
            )
        if unsaved := [target.name for target in resolved if target.record is None]:
            display.on_note(
                f"Results of {', '.join(unsaved)} are shown and not saved. Name a directory as "
                "`out` (--out) to keep them."
            )
        return _run(planned_jobs, asked.shared.values(), num_processes, display)


def _num_processes(jobs: object) -> int:
    try:
        return check_integer("jobs", jobs, minimum=0, below=max_workers() + 1)
    except ValueError as error:
        raise UserError(f"number of processes outside its range: {error}") from error


def _check_targets(targets: Sequence[str]) -> None:
    if not targets:
        raise UserError("nothing to evaluate: no run and no model was named. Name some.")
    places = [_place(name) for name in targets]
    repeated = [
        name for name, place in zip(targets, places, strict=True) if places.count(place) > 1
    ]
    if repeated:
        raise UserError(f"named twice: {', '.join(repeated)}. Name each run once.")


def _place(target: str) -> str | Path:
    """The directory that a target is, however its path is written; or its name on the hub."""
    path = given_path(target, "target")
    return path.resolve() if path.exists() else target


def _run(
    jobs: Sequence[Job],
    shared: Iterable[TaskWithData],
    num_processes: int,
    display: ProgressDisplay,
) -> list[JobResult]:
    """Check the data of all tasks, so that a problem shows before hours of work; then measure."""
    progress = EvaluationProgress(display, sum(job.num_results for job in jobs))
    problems: dict[str, str] = {}
    for task in shared:
        progress.show(f"{task.name}: looking at its data")
        if problem := data_problem(task):
            problems[task.name] = problem
    if any(job.task.name not in problems for job in jobs):  # else the end says the same at once
        for name, problem in problems.items():
            display.on_note(f"{name} will not be measured: {problem}")
    jobs = [replace(job, problem=problems.get(job.task.name, "")) for job in jobs]
    num_processes = min(num_processes or max(1, torch.cuda.device_count()), len(jobs))
    if num_processes > 1:
        return run_jobs_in_parallel(jobs, num_processes, progress)
    return list(run_jobs(jobs, progress))
