"""The process of one run of a study: trains it, measures it, and keeps what is needed of it.

    python -m tidemask.studies.worker < job.json

It stops in order, with everything saved, at a signal and when its standard input ends: it has no
work left to do once the command that began it is gone, however that ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tidemask.children import dependent_command
from tidemask.errors import UserError, one_line
from tidemask.files.atomic import write_atomically
from tidemask.progress.display import ProgressDisplay
from tidemask.reading import parse_json
from tidemask.run_record import RunDirectory
from tidemask.runs.config import Recipe, to_yaml
from tidemask.studies.attempts import Outcome, RunAttempt, measured_marks, read_attempts
from tidemask.studies.definition import StudyEvaluation
from tidemask.studies.measuring import measured_steps, measurement_marks
from tidemask.system_errors import is_refused_by_place
from tidemask.training.signals import Interrupted, StopRequest


@dataclass(frozen=True, kw_only=True)
class RunJob:
    """What a worker process is asked to do.

    Attributes:
        corpus: the prepared corpus.
        recipe: with all settings, the seed among them.
        out: run directory, made or continued.
        attempts: the file of the run's attempts.
        evaluation: what is measured at the end.
        with_random: whether the architecture with random weights is measured too.
        processes: of the run; more than one are started by torchrun.
        jobs: runs that share this machine, this one included.
    """

    corpus: str
    recipe: Recipe
    out: str
    attempts: str
    evaluation: StudyEvaluation = field(default_factory=StudyEvaluation)
    with_random: bool = False
    processes: int = 1
    jobs: int = 1


def work(job: RunJob, stop_request: StopRequest) -> None:
    """Train a run to its end, measure it, and delete the checkpoints that nothing measures.

    Raises:
        Interrupted: it was asked to stop; what it did is saved.
        UserError: it cannot be trained or measured; or it is finished without its weights, and a
            task was added.
    """
    _check_weights(job)
    with ProgressDisplay(logs=True) as display:
        if job.processes > 1:
            _train_launched(job)
        else:
            from tidemask.runs.pretraining import pretrain

            pretrain(
                job.corpus,
                out=job.out,
                recipe=job.recipe,
                resume="auto",
                progress=display,
                stop_request=stop_request,
            )
        _measure(job, display)
    _prune(RunDirectory(Path(job.out)), job.evaluation)


def _check_weights(job: RunJob) -> None:
    """Refuse to train a finished run again only because what it measured came without weights."""
    run, measured = RunDirectory(Path(job.out)), measured_marks(read_attempts(Path(job.attempts)))
    if measured is None or not run.config.is_file() or run.model.exists():
        return
    marks = measurement_marks(job.evaluation)
    added = ", ".join(task for task, mark in marks.items() if mark not in measured)
    raise UserError(
        f"weights are gone: {run.model} does not exist, and {added or 'the run'} was not measured "
        "before. Put them back, leave the task out of the study, or delete the run to train it "
        f"again: {run.root}."
    )


def _train_launched(job: RunJob) -> None:
    """Train under torchrun, which passes signals on and ends when its processes have."""
    recipe = Path(job.attempts).with_suffix(".yaml")
    write_atomically(recipe, to_yaml(job.recipe))
    launcher = ["--standalone", f"--nproc-per-node={job.processes}"]
    command = ["-m", "tidemask", "pretrain", job.corpus, "--out", job.out, "--resume", "auto"]
    process = subprocess.Popen(
        dependent_command("torch.distributed.run", *launcher, *command, "--recipe", str(recipe)),
        stdin=subprocess.DEVNULL,
    )
    try:
        status = process.wait()
    except Interrupted:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if status != 0:
        raise UserError(f"torchrun ended with status {status}; the log of the run says why.")


def _measure(job: RunJob, display: ProgressDisplay) -> None:
    if not job.evaluation.tasks:
        return
    from tidemask.evaluation.evaluate import evaluate

    wanted = job.evaluation
    results = evaluate(
        job.out,
        tasks=wanted.tasks,
        overrides=wanted.settings,
        tasks_from=wanted.tasks_from,
        task_data=wanted.task_data,
        checkpoints=wanted.checkpoints,
        with_random=job.with_random,
        progress=display,
    )
    if problems := [
        f"{one.task} on {one.checkpoint}: {one.problem}" for one in results if one.problem
    ]:
        raise UserError(f"not measured: {'; '.join(problems)}")


def _prune(run: RunDirectory, evaluation: StudyEvaluation) -> None:
    """Delete the checkpoints of a finished run that a measurement does not name.

    The final model stays, and what was measured of every checkpoint.
    """
    if evaluation.checkpoints == "all":
        return
    kept = measured_steps(evaluation)
    for step, path in run.checkpoints():
        if step not in kept:
            shutil.rmtree(path)


def main() -> None:
    """Do the job that stands in the first line of the standard input; exit with its status."""
    job = parse_json(sys.stdin.readline(), RunJob, "job of a worker")
    request = StopRequest()
    with request.listening():
        try:
            status = _attempt(job, request)
        except UserError as error:  # its end could not be recorded
            status = _failed(str(error))
    sys.exit(status)


def _attempt(job: RunJob, stop_request: StopRequest) -> int:
    """Work on a run and write how that ended; returns the exit status."""
    is_new = not RunDirectory(Path(job.out)).config.is_file()
    try:
        with stop_request.deferred():
            attempt = RunAttempt(Path(job.attempts), jobs=job.jobs, is_new=is_new)
    except UserError as error:
        return _failed(str(error))
    outcome: Outcome = "failed"
    message, is_refused, status = "", False, 2
    try:
        with attempt.beating():
            _stop_with_input()
            work(job, stop_request)
        outcome, status = "finished", 0
    except (Interrupted, KeyboardInterrupt):
        outcome, status = "interrupted", 0
    except UserError as error:
        message, status = str(error), _failed(str(error))
        is_refused = is_refused_by_place(error)
    except Exception as error:  # a defect; the log has its traceback
        message = f"{type(error).__name__}: {one_line(error)}"
        is_refused = is_refused_by_place(error)
        raise
    finally:
        with stop_request.deferred():
            marks = measurement_marks(job.evaluation) if outcome == "finished" else {}
            attempt.end(
                outcome, message=message, is_refused=is_refused, measured=tuple(marks.values())
            )
    return status


def _failed(message: str) -> int:
    with suppress(OSError):  # the log is on a disk that is full
        sys.stderr.write(f"Error: {message}\n")
    return 2


def _stop_with_input() -> None:
    """Ask this process to stop, once, when its standard input ends."""

    def wait() -> None:
        while os.read(0, 1 << 10):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
