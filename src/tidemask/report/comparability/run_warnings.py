"""Warnings at the top of the page: where the runs of a comparison are not on equal terms.

Runs may differ in their masking: that is what is compared. Whatever else differs (corpus, model,
seed, length, batch, optimizer, device) is named, and so are downstream scores that were not
measured alike, and what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidemask.report.comparability.differences import (
    difference,
    flat_settings,
    listed,
    setting_differences,
)
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.score_rows import ScoreRow, random_weights_rows, run_rows, tasks_of
from tidemask.run_record import (
    BATCH_SETTINGS,
    CHANGEABLE_SETTINGS,
    FINAL,
    UNPLANNED_LENGTHS,
    WRITING_SETTINGS,
)

_NOT_COMPARED = frozenset(
    f"training.{name}"
    for name in CHANGEABLE_SETTINGS | WRITING_SETTINGS | BATCH_SETTINGS | UNPLANNED_LENGTHS
)
"""Settings that change no number, and those of the batch, which are compared by their product."""

_NUM_SEEDS = frozenset({"num_seeds", "seeds"})
"""Settings that decide how many results there are, not what each of them is."""

_MIN_SEEDS = 5
"""Seeds per recipe below which no claim about recipes is supported."""


def warnings_for(runs: Sequence[ComparedRun]) -> list[str]:
    """Everything that a reader has to know before comparing these runs; empty if nothing.

    Returns:
        Sentences: differences of the terms, then runs that are unfinished or not evaluated.
    """
    return [
        *differences_in_terms(runs),
        *_overridden(runs),
        *_unfinished(runs),
        *_unevaluated(runs),
        *_downstream_remarks(runs),
        *_above_frequencies(runs),
    ]


def differences_in_terms(runs: Sequence[ComparedRun]) -> list[str]:
    """What differs beside the masking, a sentence each; empty if nothing was found."""
    return [*_differences(runs), *_downstream_differences(runs)]


def off_plan(runs: Sequence[ComparedRun]) -> list[str]:
    """Labels of the runs whose numbers are not those of their planned last step."""
    return [
        run.label
        for run in runs
        if not run.is_finished or run.held_out.checkpoint not in (None, FINAL)
    ]


def _above_frequencies(runs: Sequence[ComparedRun]) -> list[str]:
    """Runs whose final loss is above that of a model which only knows token frequencies."""
    return [
        f"{run.label} ended above the loss of the training text's word frequencies alone: it has "
        "not learned to use context yet, and its losses say little."
        for run in runs
        if (run.held_out.gain or 0.0) < 0
    ]


def _overridden(runs: Sequence[ComparedRun]) -> list[str]:
    """Runs that overrode the masking of their recipe."""
    sentences = []
    for run in runs:
        overrides = run.setting("overrides") or []
        masking = [
            o
            for o in overrides
            if isinstance(o, str) and o.lstrip().startswith(("masking.", "masking="))
        ]
        if masking:
            sentences.append(f"{run.label} is not the recipe as it is: {', '.join(masking)}.")
    return sentences


def seeds_statement(runs: Sequence[ComparedRun]) -> str:
    """The seeds of each recipe, and which claims so many seeds support."""
    seeds: dict[str, list[str]] = {}
    for run in runs:
        seed = run.setting("training.seed")
        seeds.setdefault(run.recipe, []).append("unknown" if seed is None else str(seed))
    distinct = {recipe: sorted(set(found)) for recipe, found in seeds.items()}
    if all(len(found) == 1 for found in distinct.values()):
        values = sorted({found[0] for found in distinct.values()})
        which = f"seed {values[0]}" if len(values) == 1 else f"seeds {', '.join(values)}"
        return (
            f"One seed per recipe ({which}). One seed supports no claim about which recipe is "
            "better: this page shows what happened in these runs, and no more."
        )
    named = "; ".join(f"{recipe}: {', '.join(found)}" for recipe, found in distinct.items())
    if min(map(len, distinct.values())) < _MIN_SEEDS:
        return (
            f"Seeds per recipe: {named}. Fewer than {_MIN_SEEDS} seeds support no claim "
            "about which recipe is better: this page shows what happened in these runs."
        )
    return (
        f"Seeds per recipe: {named}. This page shows each run; it makes no test over the seeds. "
        "A claim needs paired differences and their interval."
    )


def _differences(runs: Sequence[ComparedRun]) -> list[str]:
    def of(what: str, value_of: Callable[[ComparedRun], str | None]) -> list[str]:
        return difference(what, [(run.label, value_of(run)) for run in runs])

    return [
        *of("the corpus (its fingerprint)", lambda run: run.fingerprint or "unknown"),
        *setting_differences([(run.label, run.config) for run in runs], _is_compared),
        *of("the starting model (its fingerprint)", _starting_model),
        *of("where it begins", _beginning),
        *of("the batch (sequences per step)", _batch),
        *of("the device", lambda run: run.recorded("device")),
        *of("the number of threads", lambda run: run.recorded("threads")),
        *of("the versions", lambda run: run.recorded("versions")),
        *of("how the held-out loss was measured", _held_out_settings),
    ]


def _is_compared(path: str) -> bool:
    return path.startswith(("model.", "training.")) and path not in _NOT_COMPARED


def _starting_model(run: ComparedRun) -> str | None:
    """The fingerprint of what a run began from; `None` for a size, and where it is not known."""
    fingerprint = run.setting("model_fingerprint")
    return None if fingerprint is None else str(fingerprint)


def _beginning(run: ComparedRun) -> str:
    step = run.setting("continued_from.step")
    if step is None:
        return "its own first step"
    return f"step {step} of {run.setting('continued_from.run')}"


def _batch(run: ComparedRun) -> str | None:
    """Sequences per step of all processes together.

    A run that goes on with other processes keeps the batch of those it was made for.
    """
    sizes = [run.setting(f"training.{name}") for name in sorted(BATCH_SETTINGS)]
    if not all(isinstance(size, int) for size in sizes):
        return None
    return str(sizes[0] * sizes[1] * (run.environment.get("processes") or 1))


def _held_out_settings(run: ComparedRun) -> str | None:
    if run.held_out.checkpoint is None:
        return None
    settings = flat_settings(run.held_out.settings)
    return ", ".join(f"{path}={text}" for path, text in settings.items())


def _unfinished(runs: Sequence[ComparedRun]) -> list[str]:
    return [
        f"{run.label} is {run.status}. Its numbers are those of an unfinished run."
        for run in runs
        if not run.is_finished
    ]


def _unevaluated(runs: Sequence[ComparedRun]) -> list[str]:
    sentences = []
    for run in runs:
        if run.held_out.checkpoint is None:
            sentences.append(
                f"{run.label} has no held-out evaluation: its scores are missing here. "
                f"Run `tidemask evaluate {run.directory}`."
            )
        elif run.held_out.checkpoint != FINAL:
            sentences.append(f"The scores of {run.label} are those of {run.held_out.checkpoint}.")
    return sentences


def _downstream_differences(runs: Sequence[ComparedRun]) -> list[str]:
    """Sentences on tasks that were not measured in the same way, or on other seeds."""
    rows = run_rows(runs)
    found = []
    for task in tasks_of(rows):
        measured = [
            (run.label, {**result.conditions, "main_metric": result.metric})
            for run in runs
            for result in run.downstream
            if result.task == task
        ]
        found += setting_differences(
            measured,
            lambda path: path.rpartition(".")[2] not in _NUM_SEEDS,
            f"how {task} was measured ({{path}})",
        )
        seeds = [
            (row.label, ", ".join(map(str, score.seeds)) or "none")
            for row in rows
            if (score := row.score(task)) is not None
        ]
        found += difference(f"the set of seeds of {task}", seeds)
    return found


def _downstream_remarks(runs: Sequence[ComparedRun]) -> list[str]:
    """Sentences on scores of models that are not the final ones, and on missing ones."""
    rows = run_rows(runs)
    tasks = tasks_of(rows)
    if not tasks:
        return []
    remarks = [sentence for row in rows for sentence in _not_final(row, tasks)]
    random = random_weights_rows(runs)
    without = [task for task in tasks if not any(row.score(task) for row in random)]
    if without:
        remarks.append(
            f"Random weights were not measured on {listed(without)}: what pre-training bought "
            "there is not known, for a fine-tuned random model is not at chance."
        )
    return remarks


def _not_final(row: ScoreRow, tasks: Sequence[str]) -> list[str]:
    found: dict[str, list[str]] = {}
    for task in tasks:
        checkpoint = row.newest(task)
        if checkpoint not in (None, FINAL):
            found.setdefault(str(checkpoint), []).append(task)
    return [
        f"The scores of {row.label} on {listed(names)} are those of {checkpoint}."
        for checkpoint, names in found.items()
    ]
