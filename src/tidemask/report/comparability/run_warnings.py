"""Warnings at the top of the page: where the runs of a comparison are not on equal terms.

Runs may differ in their masking: that is what is compared. Whatever else differs (corpus, model,
seed, length, batch, optimizer, versions, hardware) is named, and so are downstream scores that were
not measured alike, and what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidemask.errors import command_line
from tidemask.report.comparability.differences import (
    LONGEST_LIST,
    difference,
    listed,
    setting_differences,
)
from tidemask.report.comparability.machines import machine_differences
from tidemask.report.results.arms import arms_of
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.score_rows import ScoreRow, random_weights_rows, run_rows, tasks_of
from tidemask.report.results.terms import (
    batch,
    beginning,
    held_out_settings,
    is_compared,
    starting_model,
)
from tidemask.run_record import FINAL

_NUM_SEEDS = frozenset({"num_seeds", "seeds"})
"""Settings that decide how many results there are, not what each of them is."""


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
    """What differs beside the masking, a sentence each; empty if nothing was found.

    Runs on several corpora of a study differ in these by design, and are looked at one by one.
    """
    groups: dict[str | None, list[ComparedRun]] = {}
    for run in runs:
        groups.setdefault(run.corpus, []).append(run)
    sentences = [
        sentence
        for found in groups.values()
        for sentence in (*_differences(found), *_downstream_differences(found))
    ]
    return list(dict.fromkeys(sentences))


def off_plan(runs: Sequence[ComparedRun]) -> list[str]:
    """Labels of the runs whose numbers are not those of their planned last step."""
    return [
        run.label
        for run in runs
        if not run.is_finished or run.held_out.checkpoint not in (None, FINAL)
    ]


def _above_frequencies(runs: Sequence[ComparedRun]) -> list[str]:
    """Arms whose final loss is above that of a model which only knows token frequencies."""
    above = [arm.name for arm in arms_of(runs) if (arm.mean.held_out.gain or 0.0) < 0]
    if not above:
        return []
    return [
        f"{listed(above)} ended above the loss of the training text's word frequencies alone: "
        "context is not used yet, and such losses say little."
    ]


def _overridden(runs: Sequence[ComparedRun]) -> list[str]:
    """Arms that overrode the masking of their recipe."""
    sentences = []
    for run in (arm.runs[0] for arm in arms_of(runs)):
        overrides = run.setting("overrides") or []
        masking = [
            o
            for o in overrides
            if isinstance(o, str) and o.lstrip().startswith(("masking.", "masking="))
        ]
        if masking:
            sentences.append(f"{run.arm} is not the recipe as it is: {', '.join(masking)}.")
    return sentences


def seeds_statement(runs: Sequence[ComparedRun]) -> str:
    """The seeds of each arm, and what so many support."""
    arms = arms_of(runs)
    seeds = {arm.name: ", ".join(map(str, arm.seeds)) for arm in arms}
    same = len(set(seeds.values())) == 1
    if all(len(arm.runs) == 1 for arm in arms):
        of = "; ".join(f"{arm}: {found}" for arm, found in seeds.items())
        which = f"seed {next(iter(seeds.values()))}" if same else of
        return (
            f"One seed per arm ({which}). One seed supports no claim about which is better: this "
            "page shows what happened in these runs, and no more."
        )
    if same:
        return f"Seeds of every arm: {next(iter(seeds.values()))}."
    return f"Seeds: {'; '.join(f'{arm}: {found}' for arm, found in seeds.items())}."


def _unequal_seeds(runs: Sequence[ComparedRun]) -> list[str]:
    """A sentence where not all arms have the same seeds: the others have no partner."""
    arms = arms_of(runs)
    if len({arm.seeds for arm in arms}) < 2:
        return []
    listed_seeds = "; ".join(f"{', '.join(map(str, arm.seeds))} in {arm.name}" for arm in arms)
    return [
        f"Not on equal terms: the sets of seeds differ: {listed_seeds}. Where two arms share two "
        "seeds or more, those are compared and the others left out; else all, without pairs."
    ]


def _differences(runs: Sequence[ComparedRun]) -> list[str]:
    def of(what: str, value_of: Callable[[ComparedRun], str | None]) -> list[str]:
        return difference(what, [(run.arm, value_of(run)) for run in runs])

    return [
        *of("the corpus (its fingerprint)", lambda run: run.fingerprint or "unknown"),
        *_unequal_columns(runs),
        *setting_differences([(run.arm, run.config) for run in runs], is_compared),
        *of("the starting model (its fingerprint)", starting_model),
        *of("where it begins", beginning),
        *of("the batch (sequences per step)", batch),
        *machine_differences(runs),
        *_unequal_seeds(runs),
        *of("how the held-out loss was measured", held_out_settings),
    ]


def _unequal_columns(runs: Sequence[ComparedRun]) -> list[str]:
    """A sentence for each column of the corpus that was another for some of the runs."""
    columns = [(run.label, run.setting("corpus.columns") or {}) for run in runs]
    return [
        sentence
        for name in dict.fromkeys(name for _, of_run in columns for name in of_run)
        for sentence in difference(
            f"the column {name} (its fingerprint)",
            [(label, of_run.get(name)) for label, of_run in columns],
        )
    ]


def _unfinished(runs: Sequence[ComparedRun]) -> list[str]:
    unfinished = [run for run in runs if not run.is_finished]
    if len(unfinished) > LONGEST_LIST:
        named = listed([run.label for run in unfinished], LONGEST_LIST)
        return [f"{len(unfinished)} runs are unfinished, and are in no verdict: {named}."]
    return [
        f"{run.label} is {run.status}. Its numbers are those of an unfinished run."
        for run in unfinished
    ]


def _unevaluated(runs: Sequence[ComparedRun]) -> list[str]:
    sentences = []
    for run in runs:
        if run.held_out.checkpoint is None:
            sentences.append(
                f"{run.label} has no held-out evaluation: its scores are missing here. "
                f"Run `{command_line('evaluate', run.directory)}`, unless its corpus has no "
                "held-out text."
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
