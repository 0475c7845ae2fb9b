"""What a search is about, and its directory.

tune.yaml               what is searched: the corpus, the recipe and the settings
plan.json               how the time is divided: the lengths of runs
place.json              by which name a database knows the runs of this directory
time.json               how long commands have been at work on it
looks.json              with how many seeds the final was looked at
search.journal          what was tried and how it did, by Optuna, where no database is given
rung-N/                 a study of runs with one seed, as long as the rung has it
final/                  a study of the finalists, with several seeds; its page
policy.yaml             the recipe that the search ends with
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemask.corpus.store.manifest import Manifest, read_manifest
from tidemask.errors import UserError
from tidemask.files.atomic import write_atomically
from tidemask.reading import MAX_INDEX_BYTES, dump_yaml, read_json
from tidemask.runs.config import Recipe, load_recipe
from tidemask.runs.overrides import overridden_paths
from tidemask.runs.settings_reading import read_settings
from tidemask.settings import Settings, shown
from tidemask.studies.directory import StudyDirectory
from tidemask.tuning.fingerprint import fingerprint_of
from tidemask.tuning.policies import SEARCHED_SETTINGS
from tidemask.tuning.storage import without_password
from tidemask.tuning.time_plan import TimePlan

MIN_SPLIT = 64
"""Held-out sequences that a corpus has at least if rungs and final are to have a half each; of
fewer both read all, as a loss on so few says little of a policy."""
_DIGITS = 12
_OF_VERSION = (
    " The settings are those it was begun with, so the file of the recipe was edited, or another "
    "version of tidemask has other defaults."
)


@dataclass(frozen=True)
class TuneDirectory:
    """The paths of the directory of a search.

    Attributes:
        root: the directory.
    """

    root: Path

    @property
    def definition(self) -> Path:
        """What is searched."""
        return self.root / "tune.yaml"

    @property
    def lock(self) -> Path:
        """Held by the command that searches."""
        return self.root / ".lock"

    @property
    def plan(self) -> Path:
        """How the time is divided."""
        return self.root / "plan.json"

    @property
    def place(self) -> Path:
        """By which name a storage knows the runs of this directory."""
        return self.root / "place.json"

    @property
    def time(self) -> Path:
        """How long commands have been at work."""
        return self.root / "time.json"

    @property
    def looks(self) -> Path:
        """With how many seeds the final was looked at."""
        return self.root / "looks.json"

    @property
    def journal(self) -> Path:
        """The record of the search, where no database is given."""
        return self.root / "search.journal"

    @property
    def beginning(self) -> set[Path]:
        """What there may be before it is known that a search can be: all that is not of one."""
        lock_of_journal = self.journal.with_name(f"{self.journal.name}.lock")
        return {self.lock, self.place, self.time, self.journal, lock_of_journal}

    @property
    def recipe(self) -> Path:
        """The policy that the search ends with."""
        return self.root / "policy.yaml"

    @property
    def final(self) -> StudyDirectory:
        """The study of the finalists."""
        return StudyDirectory(self.root / "final")

    def rung(self, number: int) -> StudyDirectory:
        """The study of a rung, from 1."""
        return StudyDirectory(self.root / f"rung-{number}")


@dataclass(frozen=True, kw_only=True)
class TuneDefinition(Settings):
    """What a search is about; saved as its tune.yaml."""

    corpus: str
    """The prepared corpus."""
    corpus_fingerprint: str
    """Of its content."""
    recipe: str
    """Whose settings hold beside those that are searched."""
    settings: tuple[str, ...] = ()
    """Settings over those of the recipe."""
    recipe_fingerprint: str
    """Of the recipe with these settings."""
    storage: str | None = None
    """The database that has the record of the search; `null` for the journal."""
    is_split: bool = False
    """Whether the rungs read one half of the held-out text and the final the other, so that what
    was chosen by luck of the text gains nothing by it. A search of an earlier version is not."""

    @property
    def name(self) -> str:
        """Of the search in a storage: that of equal searches."""
        of = f"{self.corpus_fingerprint[:_DIGITS]} {self.recipe_fingerprint[:_DIGITS]}"
        return f"tidemask {of} halves" if self.is_split else f"tidemask {of}"


def defined(
    corpus: Path, recipe: str, settings: Sequence[str], storage: str | None
) -> tuple[TuneDefinition, Recipe, Manifest]:
    """A search as it was asked for, its recipe, and what is known of its corpus.

    Raises:
        UserError: the corpus, the recipe or a setting is wrong, a setting is one that is searched,
            or the corpus has no held-out text.
    """
    paths = overridden_paths(settings)
    for path in sorted(paths):
        if searched := [one for one in SEARCHED_SETTINGS if _overlap(path, one)]:
            raise UserError(
                f"setting that is searched: {path}. Expected settings beside "
                f"{', '.join(SEARCHED_SETTINGS)}; leave {searched[0]} out."
            )
    loaded = load_recipe(recipe, settings)
    if "training.seed" in paths or loaded.training.seed != load_recipe(recipe).training.seed:
        raise UserError(
            "seed in the settings: training.seed. Expected none, as a search gives its runs their "
            "seeds; --seeds says how many each finalist has."
        )
    manifest = read_manifest(corpus / "manifest.json")
    if manifest.held_out.num_sequences == 0:
        raise UserError(
            f"corpus without held-out text: {corpus}. Expected some, by which policies are "
            "compared. Prepare it again with --held-out."
        )
    return (
        TuneDefinition(
            corpus=str(corpus.resolve()),
            corpus_fingerprint=manifest.fingerprint,
            recipe=recipe
            if not recipe.endswith((".yaml", ".yml"))
            else str(Path(recipe).resolve()),
            settings=tuple(settings),
            recipe_fingerprint=fingerprint_of(loaded),
            storage=None if storage is None else without_password(storage),
            is_split=manifest.held_out.num_sequences >= MIN_SPLIT,
        ),
        loaded,
        manifest,
    )


def _overlap(a: str, b: str) -> bool:
    """Whether one of two settings is the other or a part of it."""
    return f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.")


def check_place(directory: TuneDirectory, asked: TuneDefinition) -> TuneDefinition:
    """Refuse a directory of something else, or of another search.

    Returns:
        The definition that holds: what was asked, measured as the search was begun.

    Raises:
        UserError: names what differs.
    """
    root = directory.root
    if not directory.definition.is_file():
        if root.exists() and (not root.is_dir() or set(root.iterdir()) - directory.beginning):
            raise UserError(
                f"not a search: {root} exists and has no tune.yaml. Name a new directory as --out."
            )
        return asked
    before = read_settings({"search": TuneDefinition}, directory.definition)
    asked = dataclasses.replace(asked, is_split=before.is_split)
    for field in dataclasses.fields(TuneDefinition):
        old, new = getattr(before, field.name), getattr(asked, field.name)
        if old != new and field.name != "corpus":  # it may have been moved
            raise UserError(
                f"another search: {field.name}={shown(new)}, and {directory.definition} has "
                f"{shown(old)}. Give the command as it was begun, or name a new directory as --out."
                f"{_OF_VERSION if field.name == 'recipe_fingerprint' else ''}"
            )
    return asked


def write_definition(directory: TuneDirectory, asked: TuneDefinition) -> None:
    """Keep what a search is about."""
    content = dump_yaml({**dataclasses.asdict(asked), "settings": list(asked.settings)})
    write_atomically(directory.definition, content, what="search")


def read_plan(directory: TuneDirectory) -> TimePlan | None:
    """How the time of a search is divided; `None` before it is.

    Raises:
        UserError: the file is damaged.
    """
    if not directory.plan.is_file():
        return None
    return read_json(
        directory.plan,
        TimePlan,
        what="time plan",
        max_bytes=MAX_INDEX_BYTES,
        advice="Restore the file, or name a new directory as --out.",
    )


def write_plan(directory: TuneDirectory, plan: TimePlan) -> None:
    """Keep how the time of a search is divided."""
    content = json.dumps(dataclasses.asdict(plan), indent=2)
    write_atomically(directory.plan, f"{content}\n", what="time plan")
