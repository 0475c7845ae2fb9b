"""With what the runs of a study are trained, on whatever machine it goes on.

A run that has begun keeps its precision, as `tidemask resume` has it. One that has not begun takes
that of the runs which are there: otherwise `training.precision=auto`, which is what is quick on a
machine, would give the seeds of an arm two kinds of arithmetic, and the page would show them apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress

from tidemask.errors import UserError
from tidemask.modeling.settings import Precision
from tidemask.run_record import Machine, changes, in_place_of, machines_of
from tidemask.runs.config import Recipe
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.kept_configs import kept_config
from tidemask.studies.planning import PlannedRun


def recipe_in_kept_precision(
    directory: StudyDirectory, runs: Sequence[PlannedRun], planned: PlannedRun
) -> Recipe:
    """The recipe of a run, in the precision of the runs that are there where it says `auto`.

    Args:
        directory: of the study.
        runs: of the study; those of the same model count, of its own arm before others.
        planned: the run that is to begin or to go on.
    """
    recipe = planned.recipe
    if recipe.training.precision != "auto" or directory.run(planned).config.is_file():
        return recipe
    alike = [
        one
        for one in runs
        if one.recipe.model == recipe.model and one.recipe.training.precision == "auto"
    ]
    for one in sorted(alike, key=lambda one: one.arm != planned.arm):  # stable
        if kept := _precision_of(directory, one):
            training = dataclasses.replace(recipe.training, precision=kept)
            return dataclasses.replace(recipe, training=training)
    return recipe


def _precision_of(directory: StudyDirectory, planned: PlannedRun) -> Precision | None:
    with suppress(UserError):  # the state of the run says what is damaged
        config = kept_config(directory.run(planned))
        if config is not None and config.training.precision != "auto":
            return config.training.precision
    return None


def notes_on_machine(
    directory: StudyDirectory, runs: Sequence[PlannedRun], left: Sequence[PlannedRun], threads: int
) -> list[str]:
    """What differs between this machine and those on which a study was trained so far.

    Args:
        directory: of the study.
        runs: of the study.
        left: those that are not finished.
        threads: of one run here.
    """
    before = [machine for one in runs for machine in _newest(directory, one)]
    if not left or not before:
        return []
    return [*_on_changes(before, threads), *_on_precision(directory, runs, left)]


def _on_changes(before: Sequence[Machine], threads: int) -> list[str]:
    """What is another here than on any machine before, if anything."""
    from tidemask.runs.machine import this_machine

    # The GPUs belong to the runs, each of which notes the name of its own.
    devices = [one.device for one in before if one.device and not one.device.startswith("cpu")]
    gpu = devices[0] if devices else "a GPU"
    now = dataclasses.replace(this_machine(gpu), threads=threads)
    found: dict[str, tuple[list[str], str]] = {}
    for machine in before:
        for name, (old, new) in changes(machine, now).items():
            olds = found.setdefault(name, ([], new))[0]
            olds += [old] if old not in olds else []
    if not found:
        return []
    words = in_place_of((name, (" or ".join(olds), new)) for name, (olds, new) in found.items())
    return [
        f"The study goes on with {words}: numbers of its runs may differ by that, and the page "
        "says in which."
    ]


def _on_precision(
    directory: StudyDirectory, runs: Sequence[PlannedRun], left: Sequence[PlannedRun]
) -> list[str]:
    """In what precision runs begin that would have another by themselves, if any would."""
    from tidemask.modeling.precision import has_bf16, usual_device

    one_of_each = {one.arm: one for one in left if not directory.run(one).config.is_file()}
    kept = {
        recipe_in_kept_precision(directory, runs, one).training.precision
        for one in one_of_each.values()
        if one.recipe.training.precision == "auto"
    }
    quick = "bf16" if has_bf16(usual_device()) else "float32"
    return [
        f"Runs that have not begun are trained in {precision}, as those before, though "
        f"training.precision=auto is {quick} on this machine. For {quick} give the study another "
        "directory as --out."
        for precision in sorted(kept - {quick, "auto"})
    ]


def _newest(directory: StudyDirectory, planned: PlannedRun) -> list[Machine]:
    """With what a run was trained last; nothing where it has no environment that can be read."""
    with suppress(UserError):
        if environment := directory.run(planned).read_environment():
            return [list(machines_of(environment).values())[-1]]
    return []
