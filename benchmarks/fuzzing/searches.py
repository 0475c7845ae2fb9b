"""Searches for a policy in the small world: two that are finished, and one that was set back."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, chdir
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.fuzzing.surroundings import searching_in_this_process
from benchmarks.reliability import small_run

BUDGET = "1"
"""Hours."""
SETTINGS = (
    *(part for part in small_run.SETTINGS if not part.startswith("masking.")),
    "training.logging_steps=1",
)
"""Of every run of a search."""
DATABASE = "sqlite:///file:record.db?uri=true"
"""A file in the directory in which a command is given."""


def write_searches(root: Path, corpus: Path) -> None:
    """Write `search/` with two rungs of two runs and a final, and what follows from it.

    In `untold/` the record ends before the results of the second rung, all of which are there.
    The record of `shared/` is in a database, `record.db`. `tuned.yaml` is a recipe to search with.

    Args:
        root: directory of all.
        corpus: in the same directory.
    """
    from tidemask.tuning import tune
    from tidemask.tuning.search import PolicySearch
    from tidemask.tuning.time_plan import RunCosts, Rung, TimePlan

    costs = RunCosts(step_seconds=0.01, other_seconds=0.1, final_seconds=0.1)
    rungs = tuple(Rung(num_steps=steps, num_runs=1, until=3000.0) for steps in (2, 3))
    plan = TimePlan(budget=3600.0, costs=costs, rungs=rungs, num_finalists=2, final_steps=4)
    journal, tell = root / "search" / "search.journal", PolicySearch.tell
    before: list[bytes] = []

    def noting(search: PolicySearch, *given: Any, is_last: bool) -> None:
        if is_last and not before:
            before.append(journal.read_bytes())
        tell(search, *given, is_last=is_last)

    with ExitStack() as stack:
        stack.enter_context(searching_in_this_process(root))
        stack.enter_context(mock.patch.object(tune, "planned_time", return_value=plan))
        stack.enter_context(mock.patch.object(PolicySearch, "tell", noting))
        stack.enter_context(chdir(root))
        tune.tune(
            corpus.name,
            out="search",
            budget=float(BUDGET),
            overrides=SETTINGS,
            seeds=1,
            progress=False,
        )
    shutil.copytree(root / "search", root / "untold")
    (root / "untold" / journal.name).write_bytes(before[0])
    _share(root, journal)
    (root / "tuned.yaml").write_text(
        "name: own\nmasking:\n  corruption: {mask: 1.0, keep: 0.0, random: 0.0}\n"
        "model: {size: bert-tiny}\ntraining: {micro_batch_size: 8, learning_rate: 0.001}\n",
        encoding="utf-8",
    )


def _share(root: Path, journal: Path) -> None:
    """The same search with its record in a database."""
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    shared = root / "shared"
    shutil.copytree(root / "search", shared)
    (shared / journal.name).unlink()
    definition = shared / "tune.yaml"
    text = definition.read_text(encoding="utf-8")
    assert "storage: null" in text
    definition.write_text(text.replace("storage: null", f"storage: {DATABASE}"), encoding="utf-8")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    record = JournalStorage(JournalFileBackend(str(journal)))
    with chdir(root):
        database = RDBStorage(DATABASE)
        for study in record.get_all_studies():
            optuna.copy_study(
                from_study_name=study.study_name, from_storage=record, to_storage=database
            )
        database.remove_session()
        database.engine.dispose()
