"""More steps after a run's end: a new run that begins from the last checkpoint of a finished one.

The finished run stays as it is: it kept its plan, and its schedules went to their ends. The new run
has a plan of more steps, and everything in it is what that plan says of the step: progress, masking
ratio, learning rate, weights by class loss. It is not the run that had been planned so from the
beginning, unless no schedule depends on the number of steps.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from tidemask.errors import UserError, command_line
from tidemask.files.atomic import new_directory, write_atomically
from tidemask.files.paths import named
from tidemask.run_record import (
    CHANGEABLE_SETTINGS,
    CONTINUED_FROM,
    WRITING_SETTINGS,
    RunDirectory,
    append_metrics,
    read_metrics,
    with_machines_of,
)
from tidemask.runs.config import (
    ContinuedFrom,
    RunConfig,
    read_run_config,
    to_yaml,
    with_overrides,
)
from tidemask.runs.creation import run_environment
from tidemask.runs.overrides import Overrides, apply_overrides, as_settings, overridden_paths
from tidemask.runs.settings_check import run_identity
from tidemask.runs.started_on import inputs_of
from tidemask.training.checkpoint_files import find_resume_point, replan_checkpoint
from tidemask.training.checkpoint_state import CheckpointState
from tidemask.training.distributed import join_launched_processes, on_first_rank
from tidemask.training.learning_rate import learning_rate_at
from tidemask.training.resume_checks import check_request, with_global_batch
from tidemask.training.settings import LENGTHS

_MAY_CHANGE = {*LENGTHS, *CHANGEABLE_SETTINGS, *WRITING_SETTINGS}


def run_with_more_steps(
    finished: RunDirectory, overrides: Overrides, out: Path | None = None
) -> RunDirectory:
    """Make the run that goes on where a finished one ended, with more steps; or find it.

    So a scheduler may give the same command again until that run is finished.

    Args:
        finished: trained to its end; not changed.
        overrides: a length of the whole run, the steps that are done included; and what changes no
            number of a step.
        out: directory to be made; `RUN-N-steps` beside the finished run if left out.

    Raises:
        UserError: the run is not finished, or its last checkpoint or line of metrics is gone; no
            length, one that is not longer, or another setting is given; its corpus changed; its
            global batch cannot be divided among the processes; `out`
            is not empty, and is not that run; or that run is finished. Nothing is written then.
    """
    join_launched_processes()
    return RunDirectory(on_first_rank(lambda: _made(finished, as_settings(overrides), out)))


def _made(finished: RunDirectory, overrides: list[str], out: Path | None) -> Path:
    config = read_run_config(finished.config)
    _check_overrides(finished, overrides)
    if not finished.is_finished:
        raise UserError(
            f"run is not finished: {finished.root} is planned for {config.training.num_steps} "
            f"steps and has no final model. Finish it with "
            f"`{command_line('resume', finished.root)}`; then ask for more steps."
        )
    if config.training.predictions_per_step is not None:
        raise UserError(
            f"run that does not go on: {finished.root} has training.predictions_per_step="
            f"{config.training.predictions_per_step}, and with more steps its batches would have "
            "had other sizes. Begin a new run from its weights, with "
            f"model.warm_start={finished.model}."
        )
    checkpoint, state = _last_checkpoint(finished, config)
    # Before anything is made: the processes must divide the global batch.
    with_global_batch(config.training, state.global_batch_size)
    longer = _planned(finished, config, overrides, state.global_batch_size)
    root = out or named(finished.root).with_name(
        f"{finished.root.resolve().name}-{longer.training.num_steps}-steps"
    )
    if _is_begun(RunDirectory(root), finished, longer):
        return root
    last_line = _last_line(finished, state.step)
    with new_directory(root, last=RunDirectory(root).config.name) as aside:
        run = RunDirectory(aside)
        copied = run.checkpoint(state.step)
        shutil.copytree(checkpoint, copied)
        replan_checkpoint(copied, state, longer.training, run_identity(longer))
        _write_first_line(run, last_line, longer)
        # The batch stays that of the processes the finished run was made for.
        processes = state.global_batch_size // longer.training.sequences_per_step(1)
        made = {**run_environment(inputs_of(config)), "processes": processes}
        environment = with_machines_of(made, finished.read_environment())
        write_atomically(run.environment, json.dumps(environment, indent=2) + "\n")
        write_atomically(run.config, to_yaml(longer))
    return root


def _check_overrides(finished: RunDirectory, overrides: list[str]) -> None:
    """Refuse settings that make another run of it, and those without a length."""
    paths = overridden_paths(overrides)
    if others := sorted(paths - {f"training.{name}" for name in _MAY_CHANGE}):
        raise UserError(
            f"not a setting that may change when a run goes on: {others[0]}. Expected its length "
            f"({', '.join(LENGTHS)}), or what changes no result of a step "
            f"({', '.join(sorted(CHANGEABLE_SETTINGS | WRITING_SETTINGS))}), in `training`. For "
            f"others begin a new run from its weights, with model.warm_start={finished.model}."
        )
    asked: dict[str, Any] = {}
    apply_overrides(RunConfig, asked, overrides)
    if all(asked.get("training", {}).get(name) is None for name in LENGTHS):
        given = [", ".join(overrides)] if overrides else []
        raise UserError(
            f"no length for the run that begins from {': '.join([str(finished.root), *given])}. "
            "Expected a length of the whole run, such as training.max_steps=4000. An interrupted "
            "run goes on by `tidemask resume RUN` alone, with what its run.yaml says."
        )


def _last_checkpoint(finished: RunDirectory, config: RunConfig) -> tuple[Path, CheckpointState]:
    point = find_resume_point(finished, run_identity(config))
    if point.path is None or point.state is None or point.step != config.training.num_steps:
        last = finished.checkpoint(config.training.num_steps)
        problem = dict(point.passed_over).get(last, "is gone")
        raise UserError(
            f"run cannot go on from its end: {last} {problem}. Restore it, or begin a new run from "
            f"its weights, with model.warm_start={finished.model}."
        )
    return point.path, point.state


def _is_begun(made: RunDirectory, finished: RunDirectory, asked: RunConfig) -> bool:
    """Whether the run with more steps is there already, from the same command, and not finished.

    Raises:
        UserError: it is finished, or was made with other settings.
    """
    if not made.config.is_file():
        return False
    existing = read_run_config(made.config)
    same_steps = existing.training.num_steps == asked.training.num_steps
    if existing.continued_from != asked.continued_from or not same_steps:
        return False
    if made.is_finished:
        raise UserError(
            f"run exists: {made.root} goes on from {finished.root} to step "
            f"{asked.training.num_steps}, and is finished. Evaluate it, or give it more steps by "
            f"`{command_line('resume', made.root)}` with a longer length."
        )
    check_request(run_identity(existing), run_identity(asked), made.config)
    return True


def _last_line(finished: RunDirectory, step: int) -> dict[str, Any]:
    """The line of metrics with which a finished run ended.

    Raises:
        UserError: it is not there.
    """
    lines = read_metrics(finished.metrics)
    if not lines or lines[-1]["step"] != step:
        found = f"its last line is of step {lines[-1]['step']}" if lines else "it has no line"
        raise UserError(
            f"metrics without the end of the run: {finished.metrics}: {found}. Expected one of "
            f"step {step}. Restore the file, or begin a new run from the weights, with "
            f"model.warm_start={finished.model}."
        )
    return lines[-1]


def _planned(
    finished: RunDirectory, config: RunConfig, overrides: list[str], global_batch_size: int
) -> RunConfig:
    asked = with_overrides(config, overrides, f"settings over {finished.config}")
    data = inputs_of(config)
    training = data.planned(asked.training, global_batch_size)
    data.stream(training, global_batch_size)
    done = config.training.num_steps
    if training.num_steps <= done:
        raise UserError(
            f"no more steps than it has: {', '.join(overrides)} is {training.num_steps} steps, and "
            f"{finished.root} is finished with {done}. Expected more, those that are done included."
        )
    origin = ContinuedFrom(run=str(finished.root.resolve()), step=done)
    return dataclasses.replace(asked, training=training, continued_from=origin)


def _write_first_line(run: RunDirectory, last: dict[str, Any], config: RunConfig) -> None:
    """The line of metrics with which the finished run ended, and where it is from."""
    assert config.continued_from is not None, "it goes on from a run"
    progress = config.continued_from.step / config.training.num_steps
    append_metrics(
        run.metrics, {**last, "progress": progress, CONTINUED_FROM: config.continued_from.step}
    )


def continuation_note(config: RunConfig) -> str | None:
    """Where a run with more steps begins, and what its schedules do; `None` for any other run."""
    origin = config.continued_from
    if origin is None:
        return None
    training, ratio = config.training, config.masking.ratio
    steps = training.num_steps
    progress = origin.step / steps
    before = dataclasses.replace(training, max_steps=origin.step)
    rates = learning_rate_at(training, origin.step), learning_rate_at(before, origin.step)
    ratios = f"at {ratio(progress):.3g} (it ended at {ratio(1.0):.3g})"
    if config.masking.follows_measurements:
        ratios = "with the next block, which the blocks before decide"
    return (
        f"It begins after step {origin.step} of {Path(origin.run).name}, which was planned for so "
        f"many, and goes on to step {steps}: progress begins at {progress:.3g}, the masking ratio "
        f"{ratios} and the learning rate at {rates[0]:.3g} (it ended at {rates[1]:.3g}), as the "
        f"schedules of a run of {steps} steps have them there."
    )
