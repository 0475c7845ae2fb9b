"""A job of an evaluation, which is a task on one model, and its result."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from tidemask.errors import UserError, one_line
from tidemask.evaluation.result_store import SeedResult
from tidemask.run_record import RunDirectory
from tidemask.system_errors import is_out_of_memory, refusal
from tidemask.tasks.fine_tuned_task import FineTunedTask
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.task import Task, TaskWithData

TO_SAVE_MEMORY = "Set a smaller fine_tuning.batch_size, or use fewer jobs (--jobs)."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """The results of one task on one model.

    Attributes:
        target: the run or model, as the caller named it.
        checkpoint: which of its models was measured.
        task: name of the task.
        main_metric: the metric that represents the task.
        results: one per seed; if the job failed, those before the failure.
        problem: why the job failed, in one line; empty if it did not.

    Example:
        >>> import tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> run = tidemask.pretrain("corpus", out="run", overrides=tiny)
        >>> [result] = tidemask.evaluate("run", with_random=False)
        >>> result.main_metric, result.main_metric in result.results[0].metrics, result.problem
        ('held_out/loss', True, '')
    """

    target: str
    checkpoint: str
    task: str
    main_metric: str
    results: tuple[SeedResult, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A task on one model.

    Attributes:
        target: the run or model, as the caller named it.
        record: run directory in which results are saved; `None` saves none.
        checkpoint: which of the target's models is measured.
        model_under_test: that model.
        task: what is measured.
        problem: why it cannot be measured, in one line, if that is known already.
    """

    target: str
    record: RunDirectory | None
    checkpoint: str
    model_under_test: ModelUnderTest
    task: Task
    problem: str = ""

    @property
    def num_results(self) -> int:
        """How many results the job gives, one per seed."""
        return len(self.task.seeds) if isinstance(self.task, FineTunedTask) else 1

    @property
    def label(self) -> str:
        """Task and checkpoint, for messages."""
        return f"{self.task.name} {self.checkpoint}"

    def result(self, results: Sequence[SeedResult], problem: str = "") -> JobResult:
        """The result of this job."""
        return JobResult(
            target=self.target,
            checkpoint=self.checkpoint,
            task=self.task.name,
            main_metric=self.task.main_metric,
            results=tuple(results),
            problem=problem,
        )


def data_problem(task: TaskWithData) -> str:
    """What is wrong with a task's data, in one line; empty if nothing was found."""
    try:
        task.check()
    except Exception as error:  # whatever it is, the other tasks must still be measured
        return error_line(error, task.name)
    return ""


def error_line(error: Exception, label: str) -> str:
    """An error in one line; the log gets the traceback of one that is not expected."""
    if is_out_of_memory(error):
        return f"out of memory ({one_line(error)}). {TO_SAVE_MEMORY}"
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return text
    if refused := refusal(error):
        return f"{refused}, then give the command again."
    logger.error("%s failed", label, exc_info=error)
    return f"{type(error).__name__}: {text}"
