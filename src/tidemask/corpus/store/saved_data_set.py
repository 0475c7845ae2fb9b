"""The files that make a corpus a data set for `datasets.load_from_disk`, beside its rows.

The layout is that of `Dataset.save_to_disk` and `DatasetDict.save_to_disk`; the columns and their
types are read from the Arrow files themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

_SPLITS, _STATE, _INFORMATION = "dataset_dict.json", "state.json", "dataset_info.json"


def write_saved_data_set(directory: Path, row_hashes: Mapping[str, str]) -> None:
    """Write what `datasets` looks for into the directory of a corpus and into those of its splits.

    Args:
        directory: of the corpus, whose splits have all their rows.
        row_hashes: what names the rows of each split, for the caches of `datasets`.
    """
    _write(directory / _SPLITS, {"splits": list(row_hashes)})
    for split, row_hash in row_hashes.items():
        paths = sorted((directory / split).glob("rows-*.arrow"))
        state: dict[str, object] = {
            "_data_files": [{"filename": path.name} for path in paths],
            "_fingerprint": row_hash[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split,
        }
        _write(directory / split / _STATE, state)
        _write(directory / split / _INFORMATION, {})


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
