"""A search as it was asked for, with everything checked before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.runs.config import Recipe
from tidemask.runs.overrides import Overrides, as_settings, overridden_paths
from tidemask.settings import check_integer, is_number, shown
from tidemask.studies.definition import MAX_SEEDS
from tidemask.studies.engine_choice import checked_jobs
from tidemask.studies.lengths import length_on
from tidemask.training.settings import DEFAULT_STEPS, LENGTHS
from tidemask.tuning.definition import TuneDefinition, defined
from tidemask.tuning.policies import Content, searched_contents
from tidemask.tuning.searchable import check_searchable
from tidemask.tuning.storage import checked_storage

_MAX_HOURS = 10_000.0
_WITHOUT_CLASSES = (
    "The corpus has no parts of speech: weighting by their loss is not searched. Prepare it with a "
    "tagger to have it searched."
)
_PAGE_SHARE = 0.05
"""Of the budget that is kept for the page and for runs that save their state."""


@dataclass(frozen=True, kw_only=True)
class AskedSearch:
    """A search as it was asked for.

    Attributes:
        definition: what it is about.
        base: the recipe, with the settings over it.
        contents: which weightings are searched.
        notes: what a user should know of it, one sentence each.
        seconds: its budget.
        seeds: of each finalist.
        jobs: runs at once.
        storage: URL of the database, wherever it is opened from; `None` for the journal.
        max_steps: the length that the policy is meant for; `None` where nothing is said of it.
    """

    definition: TuneDefinition
    base: Recipe
    contents: tuple[Content, ...]
    notes: tuple[str, ...]
    seconds: float
    seeds: int
    jobs: int
    storage: str | None = field(repr=False)
    max_steps: int | None

    @property
    def end(self) -> float:
        """Seconds of the budget after which no run goes on."""
        return (1 - _PAGE_SHARE) * self.seconds


def asked_search(
    corpus: str | Path,
    budget: float,
    recipe: str | Path,
    overrides: Overrides,
    seeds: int,
    jobs: int,
    storage: str | None,
) -> AskedSearch:
    """Check what `tune` was called with.

    Raises:
        UserError: an argument is wrong.
    """
    if not is_number(budget) or not 0.0 < budget <= _MAX_HOURS:
        raise UserError(
            f"budget outside its range: budget={shown(budget)}. Expected hours above 0 and up to "
            f"{_MAX_HOURS:,.0f} (--budget)."
        )
    try:
        seeds = check_integer("seeds", seeds, minimum=1, below=MAX_SEEDS + 1)
    except ValueError as error:
        raise UserError(f"number of seeds outside its range: {error}") from error
    storage = checked_storage(storage)
    settings = as_settings(overrides)
    definition, base, manifest = defined(
        given_path(corpus, "corpus"), str(given_path(recipe, "recipe")), settings, storage
    )
    has_classes = bool(manifest.class_names)
    contents = searched_contents(has_classes=has_classes)
    check_searchable(base, contents)
    return AskedSearch(
        definition=definition,
        base=base,
        contents=contents,
        notes=() if has_classes else (_WITHOUT_CLASSES,),
        seconds=3600.0 * float(budget),
        seeds=seeds,
        jobs=checked_jobs(jobs),
        storage=storage,
        max_steps=_intended_steps(base, settings, definition.corpus),
    )


def _intended_steps(base: Recipe, settings: Sequence[str], corpus: str) -> int | None:
    """The length that the user asks for; `None` where nothing is said of it."""
    asked = overridden_paths(settings) & {f"training.{name}" for name in LENGTHS}
    if base.training.max_steps == DEFAULT_STEPS and not asked:
        return None
    return length_on(corpus, base.training, processes=1)
