"""The data of a tagging task: where its splits are, its tags, and its fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemask.errors import UserError
from tidemask.reading.compression import COMPRESSED, without_compression
from tidemask.settings import Settings
from tidemask.tasks.data import TaskData
from tidemask.tasks.examples import json_lines
from tidemask.tasks.tagging.columns import COLUMN_ENDINGS, Column, read_columns
from tidemask.tasks.tagging.records import read_records, tag_names
from tidemask.tasks.tagging.sentences import (
    TaggedSentence,
    TagKind,
    check_tags,
    iob2_tags,
    to_iob2,
)
from tidemask.tasks.tagging.text_files import read_conllu
from tidemask.tasks.task import check_name

SPLITS: dict[str, tuple[str, ...]] = {
    "train": ("train",),
    "dev": ("dev", "validation", "valid", "val", "testa"),
    "test": ("test", "testb"),
}
"""Names of each split in files and data sets."""

_CONLLU, _JSONL = ".conllu", ".jsonl"


@dataclass(frozen=True, kw_only=True)
class TaggingTaskSettings(Settings):
    """What a tagging task is, and how its files are read."""

    name: str
    """Name of the task."""
    kind: TagKind = "entities"
    """`entities` for tags in IOB1, IOB2, BIOES or BILOU, `words` for a plain tag on each word."""
    column: Column = "auto"
    """Column of the tag in files of columns, from 0, or from the end if negative; `auto` is the
    last of CoNLL columns, and UPOS of CoNLL-U."""
    word_column: Column = "auto"
    """Column of the word, counted alike; `auto` is the first of CoNLL columns, or the second where
    the first counts the words of each sentence, and FORM of CoNLL-U."""
    tag_field: str = "auto"
    """Field of the tags in records; `auto` is the first of ner_tags, tags, upos, pos_tags,
    labels that exists."""
    tags: tuple[str, ...] = ()
    """All tags, in the order of their numbers where the data has numbers. If empty, those of the
    training split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.name)
        if len(set(self.tags)) != len(self.tags) or len(self.tags) == 1:
            raise ValueError(f"tags={list(self.tags)}. Expected different ones, at least two.")


@dataclass(frozen=True)
class TaggingData:
    """Sentences by split, with the tags that a model is to learn.

    Attributes:
        splits: sentences of `train`, `dev` and, where there is one, `test`; entity tags in IOB2.
        tags: all tags, in the order of a model's outputs.
    """

    splits: Mapping[str, tuple[TaggedSentence, ...]]
    tags: tuple[str, ...]

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of words and tags by split, whatever the format and compression of the files."""
        return {split: _digest(sentences) for split, sentences in self.splits.items()}


def load_tagging_data(data: TaskData, settings: TaggingTaskSettings) -> TaggingData:
    """The splits of a task from files, from a saved dataset or from the hub.

    Args:
        data: where. Its directory has one file for each split, such as `train.conll.xz`; or it is
            what the names of such files begin with, such as `pos/en_ewt-ud`; or what `datasets`
            saves with `save_to_disk`.
        settings: which column or field holds the tags.

    Raises:
        UserError: no such data, an empty split, a tag that is not in train, a malformed line.
    """
    if data.saved is not None:
        splits = _of_datasets(data, settings)
    else:
        splits = _of_files(find_split_files(data.directory or Path()), settings)
    for split in ("train", "dev"):
        if split not in splits:
            names = ", ".join(SPLITS[split])
            raise UserError(f"no split {split} in {data.source}. Expected one named {names}.")
    for split, sentences in splits.items():
        if not sentences:
            raise UserError(f"empty split: {split} of {data.source}. Expected tagged sentences.")
    return _checked(splits, settings)


def _of_datasets(data: TaskData, settings: TaggingTaskSettings) -> dict[str, list[TaggedSentence]]:
    """The splits that exist; numbers stand for the names of the data set, else of the task."""
    found = {}
    for split, aliases in SPLITS.items():
        if (alias := data.saved_split(aliases)) is not None:
            rows, field = data.saved_rows(alias), settings.tag_field
            names = tag_names((data.saved or {})[alias].features, field) or settings.tags
            found[split] = read_records(rows, field, names)
    return found


def _checked(splits: dict[str, list[TaggedSentence]], settings: TaggingTaskSettings) -> TaggingData:
    if settings.kind == "entities":
        splits = {split: [to_iob2(s) for s in sentences] for split, sentences in splits.items()}
    known = settings.tags or tuple(sorted({tag for s in splits["train"] for tag in s.tags}))
    tags = known
    if settings.kind == "entities":
        tags = iob2_tags(to_iob2(TaggedSentence(known, known, "the tags of the task")).tags)
    origin = "of the task" if settings.tags else "of train"
    for sentences in splits.values():
        check_tags(sentences, tags, origin)
    return TaggingData({s: tuple(rows) for s, rows in splits.items()}, tags)


def find_split_files(source: Path) -> dict[str, Path]:
    """The file of each split that exists, in a directory or with a common beginning.

    Raises:
        UserError: there is none, or more than one for a split.
    """
    if source.is_file():
        raise UserError(
            f"a file instead of a directory: {source}. Expected a directory with a file for each "
            "split, or what their names begin with."
        )
    directory, beginning = (source, "") if source.is_dir() else (source.parent, source.name)
    names = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    found = {}
    for split, aliases in SPLITS.items():
        # In a directory of its own a file may have any name that ends in that of the split; where
        # the beginning is given, the split follows it.
        pattern = re.compile(
            re.escape(beginning)
            + ("(.*[-_.])?" if not beginning else "[-_.]?")
            + f"({'|'.join(aliases)})"
        )
        matches = [name for name in names if pattern.fullmatch(_stem(name))]
        if len(matches) > 1:
            raise UserError(
                f"several files of the split {split}: {', '.join(matches[:4])} in {directory}. "
                "Expected one. Move the others away, or give what the names of the wanted files "
                f"begin with, as {directory}/en_ewt-ud for en_ewt-ud-{split}.conllu."
            )
        if matches:
            found[split] = directory / matches[0]
    if "train" not in found:
        endings = ", ".join((*COLUMN_ENDINGS[:2], _CONLLU, _JSONL))
        raise UserError(
            f"no file of the split train: {source}. Expected such as train{COLUMN_ENDINGS[0]}, "
            f"ending in {endings}, or compressed, with "
            f"{', '.join(COMPRESSED)} behind it."
        )
    return found


def has_split_files(source: Path) -> bool:
    """Whether the names of some split's files begin so, or lie in a directory of that name."""
    try:
        return bool(find_split_files(source))
    except UserError:
        return False


def _of_files(
    files: Mapping[str, Path], settings: TaggingTaskSettings
) -> dict[str, list[TaggedSentence]]:
    """The sentences of each file, by its ending; files of columns are read with one another."""
    found, tables = {}, {}
    for split, path in files.items():
        ending = Path(_without_compression(path.name)).suffix
        if ending == _JSONL:
            found[split] = read_records(json_lines(path), settings.tag_field, settings.tags)
        elif ending == _CONLLU:
            found[split] = read_conllu(path, settings.column, settings.word_column)
        else:
            tables[split] = path
    found |= read_columns(
        tables, column=settings.column, word_column=settings.word_column, kind=settings.kind
    )
    return {split: found[split] for split in files}


def _stem(name: str) -> str:
    name = _without_compression(name)
    ending = Path(name).suffix
    known = (*COLUMN_ENDINGS, _CONLLU, _JSONL)
    return name.removesuffix(ending) if ending in known else name


def _without_compression(name: str) -> str:
    return name[: len(without_compression(name))]


def _digest(sentences: Sequence[TaggedSentence]) -> str:
    digest = hashlib.sha256()
    for sentence in sentences:
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            digest.update(f"{word}\t{tag}\n".encode())
        digest.update(b"\n")
    return digest.hexdigest()
