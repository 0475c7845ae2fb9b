"""Which command reads which file of the small world, by subject."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.fuzzing import mutations
from benchmarks.fuzzing.fuzzed import FuzzedFile, FuzzedName
from benchmarks.fuzzing.readers import columns, models, runs, searches, studies, tasks, texts

SLOW: Mapping[str, Mapping[str, object]] = {
    "compare": {
        "tidemask.report.compare.rendered": {"svg": b""},
        "tidemask.report.page.panel_svgs": ("",) * 9,
    }
}
"""Functions that take nine tenths of a command's time, and what they return in most trials."""

FUZZED_NAMES: tuple[FuzzedName, ...] = (
    *texts.NAMES, *runs.NAMES, *columns.NAMES, *models.NAMES, *searches.NAMES,
)  # fmt: skip
"""What a user names."""

_TEXT = (*mutations.BYTES, *mutations.LINES, *mutations.PLACES)
_BINARY = (*mutations.BYTES, *mutations.PLACES)
_OF_ENDING = {
    ".json": (*_TEXT, *(mutations.json_value,) * 5),
    ".jsonl": (*_TEXT, *(mutations.json_lines_value,) * 5),
    ".journal": (*_TEXT, *(mutations.json_lines_value,) * 5),
    ".yaml": (*_TEXT, *(mutations.yaml_value,) * 5),
    ".tsv": (*_TEXT, *(mutations.column_changed,) * 3),
    ".conllu": (*_TEXT, *(mutations.column_changed,) * 3),
    ".db": (*_BINARY, *(mutations.database_value,) * 10),
    ".csv": _TEXT,
    ".txt": _TEXT,
    ".md": _TEXT,
    ".lock": mutations.PLACES,
    ".tmp": mutations.PLACES,
}
"""What may happen to a file; one with another ending is taken for binary."""


def fuzzed_files(root: Path) -> list[FuzzedFile]:
    """Every file of a world with each command that reads it."""
    by_subject = (runs, models, texts, tasks, columns, studies, searches)
    return [
        FuzzedFile(file, arguments, _OF_ENDING.get(_ending(file), _BINARY), outcome)
        for subject in by_subject
        for arguments, files, outcome in subject.readers(root)
        for file in files
    ]


def _ending(file: str) -> str:
    return Path(file).suffix or Path(file).name
