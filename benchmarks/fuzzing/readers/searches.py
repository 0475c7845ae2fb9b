"""Who reads a search for a policy: the same command again, which goes on with it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing.fuzzed import FuzzedName, Reader, files_in, printed
from benchmarks.fuzzing.searches import BUDGET, DATABASE, SETTINGS

_TUNE = ("tune", "corpus", "--budget", BUDGET, "--seeds", "1", *SETTINGS)
_PLAN = ("tune", "corpus", "--budget", BUDGET, "--dry-run", "--recipe", "tuned.yaml")
_GO_ON = (*_TUNE, "--out", "search")
_TELL = (*_TUNE, "--out", "untold")
_SHARED = (*_TUNE, "--out", "shared", "--storage", DATABASE)

_MEASURED = ("search.journal", "looks.json", "held-out--final.json", "definition.yaml")
"""What may hold other numbers and policies, since those may have been found."""

NAMES = (FuzzedName("search", _GO_ON), FuzzedName("tuned.yaml", _PLAN))


def readers(root: Path) -> list[Reader]:
    """Commands on a search, the files of each, and what it leaves.

    `search` and `shared`, whose record is in a database, are finished; of `untold` the record ends
    before the results of the second rung, which are there.
    """
    kept = [name for name in files_in(root, "search") if _is_read(Path(name))]
    first = [name for name in kept if not name.startswith("search/rung-")]
    found = [name for name in first if Path(name).name in _MEASURED]
    rung = [name for name in files_in(root, "untold/rung-2") if _is_read(Path(name))]
    return [
        (_GO_ON, [name for name in first if name not in found], printed),
        (_GO_ON, found, None),
        (_TELL, ["untold/search.journal", *rung], None),
        (_SHARED, ["record.db", "shared/tune.yaml", "shared/place.json"], None),
        (_PLAN, ["tuned.yaml", "corpus/manifest.json"], None),
    ]


def _is_read(path: Path) -> bool:
    """Whether a file of a search is looked at when it goes on; of all arms those of one."""
    is_of_model = "model" in path.parts or any("checkpoint-" in part for part in path.parts)
    is_of_page = "report" in path.parts
    is_of_another = any(part.startswith("cosine-") for part in path.parts)
    is_written = path.name == "policy.yaml" or path.suffix == ".log"
    return not (is_of_model or is_of_page or is_of_another or is_written)
