"""Pre-training from Python as from the command line: a new run, or an interrupted one continued."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Literal, NoReturn, ParamSpec

from tidemask.errors import UserError
from tidemask.evaluation_files import read_metrics_of
from tidemask.files.paths import given_path
from tidemask.processes import is_first_rank, is_launched
from tidemask.progress import ignore
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.run_record import FINAL, HELD_OUT_TASK, RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import Recipe, load_recipe
from tidemask.runs.creation import new_or_same_run, new_run
from tidemask.runs.displayed_metrics import display_records
from tidemask.runs.more_steps import run_with_more_steps
from tidemask.runs.overrides import Overrides
from tidemask.runs.train import train
from tidemask.runs.turns import in_turn
from tidemask.settings import python_value, shown
from tidemask.system_errors import named_causes
from tidemask.training.sharding import naming_lost_processes
from tidemask.training.signals import StopRequest

_P = ParamSpec("_P")


@dataclass(frozen=True, kw_only=True)
class PretrainedRun:
    """A finished run.

    Attributes:
        directory: the run directory.
        model: directory of the final model and its tokenizer, for `from_pretrained`.
        metrics: held-out metrics of the final model, losses in nats per token; empty if the corpus
            has no held-out text.

    Example:
        >>> import tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> run = tidemask.pretrain("corpus", out="run", overrides=tiny)
        >>> run.directory.root.name, run.model.name, "held_out/loss_15" in run.metrics
        ('run', 'model', True)
    """

    directory: RunDirectory
    model: Path
    metrics: Mapping[str, float]


_TO_SAVE_MEMORY = (
    "Begin a run with a smaller training.micro_batch_size and as many more "
    "training.gradient_accumulation_steps, or with training.gradient_checkpointing=true."
)


@named_causes(_TO_SAVE_MEMORY)
@in_turn
def pretrain(
    corpus: str | Path,
    *,
    out: str | Path,
    recipe: str | Path | Recipe = "bert",
    overrides: Overrides = (),
    resume: Literal["never", "auto"] | bool = "never",
    callbacks: RunCallbacks | None = None,
    progress: bool | ProgressDisplay = True,
    stop_request: StopRequest | None = None,
) -> PretrainedRun:
    """Pre-train a model on a prepared corpus under a masking recipe.

    The same as `tidemask pretrain`. SIGTERM, SIGHUP, SIGUSR1 and Ctrl-C save a checkpoint
    before they end it; `resume` continues the run.

    Args:
        corpus: directory made by `prepare`.
        out: run directory to be made.
        recipe: name of a shipped recipe, path of a YAML file, or a recipe.
        overrides: settings over those of the recipe: `section.field=value`, or a mapping.
        resume: "auto" or True continues the run in `out` if it was started with the same settings.
        callbacks: called while the run trains.
        progress: whether to show progress in a terminal or notebook; or where to show it.
        stop_request: when to stop; signals are received in this call if left out.

    Raises:
        Interrupted: it was asked to stop, and everything it did is saved.
        UserError: the corpus, the recipe, a setting or `out` is wrong; nothing is written then.

    Example:
        >>> import tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> run = tidemask.pretrain("corpus", out="run", recipe="mrd-cosine", overrides=tiny)
        >>> run.model.name, run.metrics["held_out/loss_15"] > 0
        ('model', True)
    """
    _check_types(callbacks, progress, stop_request)
    resume = python_value(resume)
    if resume not in ("never", "auto", True, False):
        raise UserError(f'unknown choice: resume={resume!r}. Expected "never" or "auto".')
    with _listening(stop_request) as request, displayed(is_first_rank() and progress) as display:
        planned = load_recipe(recipe, overrides)
        run = RunDirectory(given_path(out, "out"))
        with naming_lost_processes(run, request):
            if resume in ("never", False):
                new_run(planned, given_path(corpus, "corpus"), run.root)
            elif new_or_same_run(planned, given_path(corpus, "corpus"), run.root):
                display.on_note(f"Run is finished: {out}. Nothing is left to do.")
                return _result(run)
        train(run, _displaying(callbacks, display), request)
    return _result(run)


@named_causes(_TO_SAVE_MEMORY)
@in_turn
def resume(
    run: str | Path,
    overrides: Overrides = (),
    *,
    out: str | Path | None = None,
    callbacks: RunCallbacks | None = None,
    progress: bool | ProgressDisplay = True,
    stop_request: StopRequest | None = None,
) -> PretrainedRun:
    """Continue an interrupted run from its last checkpoint, as if it had never stopped.

    With a length in `overrides`, such as `training.max_steps=4000`, a finished run goes on in a new
    run of so many steps, those that are done included, which begins from its last checkpoint. The
    same as `tidemask resume`.

    Args:
        run: an interrupted run; or a finished one, with a length.
        overrides: the length of the new run, and settings that change no result of a step.
        out: directory of the new run; beside `run`, named after it and its steps, if left out.
        callbacks: called while the run trains.
        progress: whether to show progress in a terminal or notebook; or where to show it.
        stop_request: when to stop; signals are received in this call if left out.

    Raises:
        Interrupted: it was asked to stop, and everything it did is saved.
        UserError: `run` is not a run or is finished, its corpus or its settings changed, or all its
            checkpoints are damaged; with a length, as `run_with_more_steps`.

    Example:
        >>> import os, shutil, tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> before = tidemask.pretrain("corpus", out="run", overrides=tiny)
        >>> shutil.rmtree("run/model")  # as if it had been interrupted before the end
        >>> tidemask.resume("run").metrics == before.metrics
        True
    """
    _check_types(callbacks, progress, stop_request)
    directory = RunDirectory(given_path(run, "run"))
    directory.read_config()
    if overrides or out is not None:
        place = given_path(out, "out") if out is not None else None
        directory = run_with_more_steps(directory, overrides, place)
    with _listening(stop_request) as request, displayed(is_first_rank() and progress) as display:
        train(directory, _displaying(callbacks, display), request)
    return _result(directory)


def _check_types(callbacks: object, progress: object, stop_request: object) -> None:
    """Refuse what cannot be called while a run trains, before anything of it is written."""
    for name, given, kinds in (
        ("callbacks", callbacks, (RunCallbacks, NoneType)),
        ("progress", progress, (bool, ProgressDisplay)),
        ("stop_request", stop_request, (StopRequest, NoneType)),
    ):
        if not isinstance(given, kinds):
            raise UserError(
                f"unusable value: {name}={shown(given)}. Expected "
                f"{' or '.join(kind.__name__ for kind in kinds)}."
            )


def _result(run: RunDirectory) -> PretrainedRun:
    metrics = read_metrics_of(run, HELD_OUT_TASK, FINAL) or {}
    return PretrainedRun(directory=run, model=run.model, metrics=metrics)


@contextmanager
def _listening(stop_request: StopRequest | None) -> Iterator[StopRequest]:
    """The request that was given; or a new one, which receives signals.

    One of several processes, that waits for the others before they train, ends with the signal.
    """
    if stop_request is not None:
        yield stop_request
        return
    request = StopRequest()
    with request.listening(on_unhandled=_leave if is_launched() else None):
        yield request


def _leave(number: signal.Signals) -> NoReturn:
    os._exit(128 + number)


def _displaying(callbacks: RunCallbacks | None, display: ProgressDisplay) -> RunCallbacks:
    """The callbacks, with what is displayed before each; ranks other than the first are silent."""
    callbacks = callbacks or RunCallbacks()
    if not is_first_rank():
        return dataclasses.replace(callbacks, on_progress=ignore, on_record=ignore, on_note=ignore)
    return dataclasses.replace(
        callbacks,
        on_progress=_both(display.on_progress, callbacks.on_progress),
        on_record=_both(display_records(display), callbacks.on_record),
        on_note=_both(display.on_note, callbacks.on_note),
    )


def _both(first: Callable[_P, None], second: Callable[_P, None]) -> Callable[_P, None]:
    def call(*args: _P.args, **kwargs: _P.kwargs) -> None:
        first(*args, **kwargs)
        second(*args, **kwargs)

    return call
