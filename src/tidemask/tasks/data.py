"""Where the data of a downstream task is: in a local directory, or on the hub.

A local directory holds `train`, `dev` and, if there is one, `test` as JSON Lines (`.jsonl`, also
compressed, as `.jsonl.xz`), one object per line, with the names of fields and the integer labels
of the Hugging Face data sets; or it is what `datasets` saves with `save_to_disk`. Nothing is
downloaded where a directory is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tidemask.errors import UserError, one_line
from tidemask.files.paths import check_plain_files
from tidemask.hub import (
    datasets_library,
    load_from_hub,
    quiet_retries,
    why_not_downloaded,
    without_bars,
)
from tidemask.system_errors import raise_out_of_memory
from tidemask.tasks.examples import JSON_LINES, Example, json_lines

SPLIT_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "dev": ("dev", "validation", "valid", "dev_matched", "validation_matched"),
    "dev_mismatched": ("dev_mismatched", "validation_mismatched"),
    "test": ("test",),
}
"""Names of the splits in files and on the hub, by our own."""


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """Where the splits of a task are.

    Attributes:
        task: its name.
        directory: local; `None` reads from the hub.
        hub: name of a data set on the hub, and of its configuration if it has several; also a
            directory in the layout of the hub.
    """

    task: str
    directory: Path | None = None
    hub: tuple[str, ...] = ()

    def split(self, name: str) -> list[Example] | None:
        """The examples of a split, in order; `None` if there is no such split.

        Args:
            name: a key of `SPLIT_NAMES`.

        Raises:
            UserError: the directory is missing, or a split is empty or damaged.
        """
        if self.saved is not None:
            return self._of_datasets(name)
        path = self.path(name)
        if path is None:
            return None
        examples = list(json_lines(path))
        if not examples:
            raise UserError(f"empty split: {path}. Expected one JSON object per line.")
        return examples

    def path(self, split: str) -> Path | None:
        """The file of a split in a local directory; `None` if there is none."""
        directory = self._checked_directory()
        names = [name + ending for name in SPLIT_NAMES[split] for ending in JSON_LINES]
        return next((path for name in names if (path := directory / name).is_file()), None)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all splits, hexadecimal; of the bytes of the files, if there are files."""
        digest = hashlib.sha256()
        for name in SPLIT_NAMES:
            if self.saved is not None:
                rows = self._of_datasets(name) or []
                content = json.dumps(
                    [dict(row.fields) for row in rows], sort_keys=True, default=str
                )
                digest.update(f"{name}\0{content}\0".encode())
            elif (path := self.path(name)) is not None:
                digest.update(f"{name}\0".encode())
                with path.open("rb") as file:
                    hashlib.file_digest(file, lambda: digest)
        return digest.hexdigest()

    @property
    def source(self) -> str:
        """Where the data comes from, for a reader."""
        return str(self.directory) if self.directory is not None else " ".join(self.hub)

    def _checked_directory(self) -> Path:
        if self.directory is None or not self.directory.is_dir():
            raise UserError(
                f"no data for task {self.task}: {self.directory} is not a directory. Expected one "
                f"with train.jsonl and dev.jsonl. Name the directory that holds those "
                "of all tasks as `tasks_from` (--tasks-from)."
            )
        check_plain_files(self.directory)
        return self.directory

    @cached_property
    def saved(self) -> Mapping[str, Any] | None:
        """The splits as `datasets` returns them; `None` if the directory has text files instead.

        Raises:
            UserError: there is no such data, or it is damaged.
        """
        if self.directory is not None:
            if not (self.directory / "dataset_dict.json").is_file():
                return None
            check_plain_files(self.directory)
            datasets = datasets_library(f"reading the data of task {self.task}")
            with self._naming_damage(), without_bars(datasets):
                # in memory: a file that is cut while it is mapped is a signal, and no error
                loaded = datasets.load_from_disk(str(self.directory), keep_in_memory=True)
                return _checked_tables(loaded)
        if not self.hub:
            self._checked_directory()
        datasets = datasets_library(f"reading the data of task {self.task}")
        try:
            with without_bars(datasets), quiet_retries():
                return _checked_tables(load_from_hub(datasets, self.hub))
        except Exception as error:  # without network, each library raises errors of its own
            raise_out_of_memory(error)
            raise UserError(
                f"no data for task {self.task}: {' '.join(self.hub)} cannot be loaded from the hub "
                f"({why_not_downloaded(error) or one_line(error)}). Name a local directory as "
                "`tasks_from` (--tasks-from)."
            ) from error

    def _of_datasets(self, name: str) -> list[Example] | None:
        known = self.saved_split(SPLIT_NAMES[name])
        if known is None:
            return None
        rows = list(self.saved_rows(known))
        if not rows:
            raise UserError(f"empty split: {self.source}, {known}. Expected at least one row.")
        return rows

    def saved_split(self, names: Sequence[str]) -> str | None:
        """The first of some names that is a split of `saved`; `None` if none is."""
        return next((name for name in names if name in (self.saved or {})), None)

    def saved_rows(self, name: str) -> Iterator[Example]:
        """The rows of a split of `saved`, by its name there.

        Raises:
            UserError: a file of the split is damaged.
        """
        rows = (self.saved or {})[name]
        features = getattr(rows, "features", None) or {}
        names = {key: kind.names for key, kind in features.items() if hasattr(kind, "names")}
        with self._naming_damage():
            for number, row in enumerate(rows):
                yield Example(dict(row), f"{self.source}, {name}, row {number}", names)

    @contextmanager
    def _naming_damage(self) -> Iterator[None]:
        """Whatever `datasets` says of its files becomes an error that names their directory."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # those of JSON, Arrow and the system, and of wrong types
            raise_out_of_memory(error)
            raise UserError(
                f"damaged data of task {self.task}: {self.source} ({one_line(error)}). "
                "Expected what `save_to_disk` of datasets writes. Write it again."
            ) from error


def _checked_tables(loaded: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same splits; the offsets of texts, which damaged lead anywhere in memory, are right."""
    for split in loaded.values():
        split.data.validate(full=True)
    return dict(loaded)
