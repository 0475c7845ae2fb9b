"""Tagged sentences from the Hugging Face hub, or from a dataset that `save_to_disk` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tidemask.errors import UserError, one_line
from tidemask.evaluation.tagging_sentences import TaggedSentence
from tidemask.evaluation.tagging_text import TAG_FIELDS, sentence_of_row

HUB = "hub:"
"""What the name of a dataset on the hub is preceded by: `hub:owner/name`, or with the name of a
configuration after another colon, `hub:owner/name:configuration`."""

_SAVED = "dataset_dict.json"
_SPLITS = {
    "train": ("train",),
    "dev": ("validation", "dev", "valid"),
    "test": ("test",),
}


def is_saved_dataset(path: Path) -> bool:
    """Whether a directory holds the splits of a dataset of the `datasets` library."""
    return (path / _SAVED).is_file()


def load_dataset_splits(
    source: str, field: str, names: Sequence[str]
) -> dict[str, list[TaggedSentence]]:
    """Sentences of the splits that there are among `train`, `dev` and `test`.

    Args:
        source: a directory written by `save_to_disk`, or `hub:` and a name.
        field: the feature with the tags, `auto` for the usual names.
        names: of the tags where the dataset has numbers without names; may be empty.

    Raises:
        UserError: the dataset cannot be had, or its records are no tagged sentences.
    """
    dataset = _load(source)
    splits = {}
    for split, aliases in _SPLITS.items():
        alias = next((alias for alias in aliases if alias in dataset), None)
        if alias is not None:
            splits[split] = list(_sentences(dataset[alias], field, names, f"{source}, {alias}"))
    return splits


def _load(source: str) -> Any:  # a DatasetDict; `datasets` has no types
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"the library `datasets` is not installed, and {source} needs it. "
            "Install tidemask[eval]."
        ) from error
    try:
        if not source.startswith(HUB):
            return datasets.load_from_disk(source)
        name, _, configuration = source.removeprefix(HUB).partition(":")
        return _from_hub(datasets, name, configuration or None)
    except Exception as error:  # whatever the network, the hub or the files raise
        raise UserError(
            f"cannot load the dataset {source}: {one_line(error)}. Check its name and the "
            "network, or give a local directory."
        ) from error


def _from_hub(datasets: Any, name: str, configuration: str | None) -> Any:
    """Older datasets are scripts, which are not run; the hub keeps a copy of them as Parquet."""
    try:
        return datasets.load_dataset(name, configuration)
    except RuntimeError as error:
        if "script" not in str(error):
            raise
        return datasets.load_dataset(name, configuration, revision="refs/convert/parquet")


def _sentences(rows: Any, field: str, names: Sequence[str], place: str) -> Iterator[TaggedSentence]:
    names = names or _names(rows.features, field)
    for number, row in enumerate(rows):
        sentence = sentence_of_row(row, field, names, f"{place}, row {number}")
        if sentence.words:
            yield sentence


def _names(features: Any, field: str) -> Sequence[str]:
    """Names that the dataset itself gives to the numbers of its tags."""
    fields = TAG_FIELDS if field == "auto" else (field,)
    chosen = next((name for name in fields if name in features), None)
    inner = getattr(features.get(chosen), "feature", None)
    return tuple(getattr(inner, "names", None) or ())
