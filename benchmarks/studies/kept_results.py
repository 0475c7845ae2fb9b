"""What is kept of studies: their records, digests of them, and the tables that pages quote.

`studies/results/STUDY/SHA256SUMS` has the SHA-256 of each record, of each kept table and of each
figure of the study's page, in the format of coreutils:

    cd studies/results/ratio && sha256sum --check --quiet SHA256SUMS

A record that is changed, missing or added by hand is found without comparing the runs again. The
tables under `STUDY/tables` are those of the comparison from which the pages have their numbers, so
that a page is compared with them in a moment. `results_pages.py` writes both.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks import ROOT

RECORDS = ROOT / "studies" / "results"
SUMS = "SHA256SUMS"
TABLES = "tables"

_NO_RECORD = (
    "report/*", "tables/*", "runs/*/model/*", "runs/*/checkpoint-*/*", "runs/*/tensorboard/*",
    "attempts/*.log", "*--seed-*.npz", ".lock", "*/.lock", "*.alive", SUMS,
)  # fmt: skip
"""What is made of records, and what `studies/.gitignore` leaves out; `*` takes slashes, too."""


def studies() -> list[str]:
    """The studies with records, by name."""
    return sorted(path.parent.name for path in RECORDS.glob("*/definition.yaml"))


def records_of(study: Path) -> list[str]:
    """The places of a study's records below its directory."""
    found = []
    for directory, _, names in os.walk(study):
        for name in names:
            place = Path(directory, name).relative_to(study).as_posix()
            if not any(fnmatchcase(place, pattern) for pattern in _NO_RECORD):
                found.append(place)
    return sorted(found)


def keep_tables(study: Path, made: Path, names: Iterable[str]) -> None:
    """Keep those tables of a comparison that pages quote.

    Args:
        study: directory of the study's records.
        made: directory of the comparison's tables.
        names: of the tables, such as `arms` and `constant-17/arms`.
    """
    shutil.rmtree(study / TABLES, ignore_errors=True)
    for name in sorted(names):
        for ending in ("json", "md"):
            kept = study / TABLES / f"{name}.{ending}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            text = (made / f"{name}.{ending}").read_text(encoding="utf-8")
            kept.write_text(without_root(text), encoding="utf-8")


def without_root(text: str) -> str:
    """A text whose places in this repository do not say where it lies."""
    return text.replace(f"{ROOT}{os.sep}", "")


def sums_of(study: Path, figures: Iterable[Path]) -> str:
    """The lines of `SHA256SUMS`: digest and place below the directory of the study.

    Args:
        study: directory of its records and kept tables.
        figures: of its page.
    """
    tables = sorted(path for path in (study / TABLES).rglob("*") if path.is_file())
    places = records_of(study)
    places += [path.relative_to(study).as_posix() for path in tables]
    places += sorted(Path(os.path.relpath(path, study)).as_posix() for path in figures)
    return "".join(f"{_digest(study / place)}  {place}\n" for place in places)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def differences(study: Path, figures: Iterable[Path]) -> list[str]:
    """The places of files that are not those of `SHA256SUMS`: changed, missing or not listed."""
    path = study / SUMS
    listed = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = sums_of(study, figures).splitlines()
    return sorted({line.partition("  ")[2] for line in {*listed} ^ {*found}})
