"""The rows of a data set on the hub, streamed by `datasets`; nothing of it is kept on the disk.

No code of a data set is run. The revision is asked for once, so that every pass reads the same
rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemask.corpus.sources.fields import Record, columns_with
from tidemask.corpus.sources.saved_datasets import TRAINING_SPLIT
from tidemask.errors import UserError, one_line
from tidemask.hub import (
    datasets_library,
    load_from_hub,
    quiet_retries,
    why_not_downloaded,
    without_bars,
)
from tidemask.system_errors import raise_out_of_memory

HUB = "hf:"
"""What the name of a data set on the hub begins with."""


@dataclass(frozen=True)
class HubRows:
    """A split of a data set on the hub, or in a directory of the same layout.

    Attributes:
        name: as it was written, `hf:NAME[:CONFIG][:SPLIT]`.
        rows: of `datasets`, which streams them.
        revision: of the data set, empty for a directory.
    """

    name: str
    rows: Any
    revision: str

    @classmethod
    def find(cls, name: str, revision: str = "") -> HubRows:
        """The split of that name; the split train, where none is named.

        Args:
            name: `hf:NAME[:CONFIG][:SPLIT]`.
            revision: of the data set; the present one if empty.

        Raises:
            UserError: `datasets` is not installed, there is no such data set, configuration or
                split, or the hub does not answer.
        """
        dataset, config, split = _parts(name)
        datasets = datasets_library(f"reading {name}")
        with _naming_causes(name), without_bars(datasets), quiet_retries():
            revision = "" if Path(dataset).is_dir() else revision or _revision(dataset)
            rows = load_from_hub(
                datasets,
                (dataset, config) if config else (dataset,),
                split=split or TRAINING_SPLIT,
                streaming=True,
                **({"revision": revision} if revision else {}),
            )
        return cls(name, rows, revision)

    def records(self, fields: Sequence[str]) -> Iterator[Record]:
        """Stream the rows, with the given fields alone; the first one must be there.

        Raises:
            UserError: the first field is missing, or the hub does not answer any more.
        """
        rows = self.rows
        with _naming_causes(self.name):
            if rows.column_names:
                rows = rows.select_columns(columns_with(rows.column_names, fields, self.name))
            for number, row in enumerate(rows, start=1):
                yield Record(row, number)


def _parts(name: str) -> tuple[str, str, str]:
    parts = name.removeprefix(HUB).split(":")
    if not parts[0] or len(parts) > 3:
        raise UserError(
            f"no name of a data set: {name}. Expected hf:NAME, hf:NAME:CONFIG, "
            "hf:NAME:CONFIG:SPLIT or hf:NAME::SPLIT. Check the spelling."
        )
    dataset, config, split = (*parts, "", "")[:3]
    return dataset, config, split


def _revision(dataset: str) -> str:
    from huggingface_hub import HfApi

    return str(HfApi().dataset_info(dataset).sha)


@contextmanager
def _naming_causes(name: str) -> Iterator[None]:
    """Whatever the hub's libraries raise becomes an error that names the data set."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # without network, each library raises errors of its own
        raise_out_of_memory(error)
        raise UserError(
            f"no data set: {name} cannot be read ({why_not_downloaded(error) or one_line(error)}). "
            "Expected hf:NAME[:CONFIG][:SPLIT] on the hub. Check the name, or give a directory "
            "that `save_to_disk` of datasets wrote."
        ) from error
