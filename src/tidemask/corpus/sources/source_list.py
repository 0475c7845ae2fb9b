"""A list of sources in a YAML file: what each is, how often its text is used, what is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemask.corpus.sources.documents import MAX_PASSES, SettingValue
from tidemask.corpus.sources.hub_rows import HUB
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.standard_input import STANDARD_INPUT
from tidemask.errors import UserError, did_you_mean
from tidemask.reading import read_yaml, shown_json
from tidemask.settings import Settings, check_at_least, check_integer, check_share

LIST_ENDINGS = (".yaml", ".yml")
"""What the name of a list of sources ends in."""

_KEY = "sources"

_PASSES = (
    " Did you mean passes, how often the text stands in the corpus? How much of each source a run "
    "reads is training.source_shares of the run."
)
_MEANT = {
    **dict.fromkeys(("weight", "share", "ratio", "repeat", "repeats", "epochs", "times"), _PASSES),
    **dict.fromkeys(("path", "paths", "file", "files", "data"), " Did you mean text?"),
}
"""What other programs call the keys of a source."""


@dataclass(frozen=True, kw_only=True)
class ListedSource(Settings):
    """One source of a list. What is `None` is as for the others.

    Raises:
        ValueError: a field is of another type, or outside its range.
    """

    name: str
    """Name of the source, kept with its documents as the field `source`."""

    text: str | tuple[str, ...]
    """Files, directories, globs or data sets of the hub; paths are relative to the list."""

    passes: float = 1.0
    """How often its training text stands in the corpus, above 0. A part of a pass is a choice of
    documents by their hashes: 0.25 is a quarter of them, 1.5 all of them and half of them again."""

    min_words: int = 0
    """Documents of fewer words are left out."""

    max_words: int | None = None
    """Documents of more words are left out."""

    language: str | None = None
    """Code of ISO 639, such as "de"; documents in other languages are left out. All languages are
    kept where it is `None`."""

    language_threshold: float = 0.5
    """Probability of the language from which on a document is in it, in [0, 1]."""

    text_field: str | None = None
    """As `TextSettings.text_field`, for this source."""

    documents: str | None = None
    """As `TextSettings.documents`, for this source."""

    keep: tuple[str, ...] | None = None
    """As `TextSettings.keep`, for this source."""

    encoding: str | None = None
    """As `TextSettings.encoding`, for this source."""

    errors: str | None = None
    """As `TextSettings.errors`, for this source."""

    def __post_init__(self) -> None:
        if self.language is False:  # type: ignore[comparison-overlap]
            raise ValueError(
                'language=false, which is how YAML reads no. Write "no" for Norwegian.'
            )
        super().__post_init__()
        if not self.name.strip():
            raise ValueError("name is empty. Expected one that tells the source from the others.")
        if not check_at_least("passes", self.passes, 0) or self.passes > MAX_PASSES:
            raise ValueError(f"passes={self.passes:g}. Expected a number above 0, to {MAX_PASSES}.")
        check_share("language_threshold", self.language_threshold)
        check_integer("min_words", self.min_words, minimum=0)
        if self.max_words is not None:
            check_integer("max_words", self.max_words, minimum=max(1, self.min_words))

    def recorded(self, documents: str) -> dict[str, SettingValue]:
        """What the list says of it, as a manifest has it.

        Args:
            documents: what separates its documents, as it was found out.
        """
        said = {**dataclasses.asdict(self), "documents": documents}
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in said.items()
        }

    def patterns(self, directory: Path) -> list[str]:
        """What its text is read from, seen from the directory of the list."""
        given = [self.text] if isinstance(self.text, str) else list(self.text)
        return [_below(directory, pattern) for pattern in given]

    def settings(self, of_all: TextSettings) -> TextSettings:
        """How its files become documents: as all do, but for what it says itself.

        Raises:
            UserError: a setting is outside its range.
        """
        names = [field.name for field in dataclasses.fields(TextSettings)]
        own = {name: value for name in names if (value := getattr(self, name)) is not None}
        return dataclasses.replace(of_all, **own)


def read_source_list(path: Path) -> list[ListedSource]:
    """The sources of a list.

    Raises:
        UserError: the file is missing or damaged; a key is unknown or missing; a value is of
            another type or outside its range; two sources have one name.
    """
    expected = f"the key {_KEY} alone, with a list of sources, each with a name and text"
    raw = read_yaml(path, expected)
    listed = raw.get(_KEY)
    if set(raw) != {_KEY} or not isinstance(listed, list) or not listed:
        raise UserError(
            f"no list of sources: {path} has {', '.join(raw) or 'nothing'}. Expected {expected}."
        )
    found = [_source(one, f"{path}, {_KEY}[{number}]") for number, one in enumerate(listed)]
    names = [source.name for source in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(
            f"sources of one name: {path} has {twice!r} twice. Expected different names. Rename "
            "one, or put their files together."
        )
    return found


def recorded_list(listed: Sequence[Mapping[str, SettingValue]], path: str) -> list[ListedSource]:
    """The sources of a list, from what a manifest has of it.

    Args:
        listed: as `ListedSource.recorded` gave it.
        path: of the list, for messages.

    Raises:
        UserError: a key is of another version.
    """
    return [_source(dict(one), f"{path}, recorded source {n}") for n, one in enumerate(listed)]


def _source(raw: Any, place: str) -> ListedSource:
    if not isinstance(raw, dict):
        raise UserError(f"no source: {place}={shown_json(raw)}. Expected a mapping.")
    known = [field.name for field in dataclasses.fields(ListedSource)]
    for key in raw:
        if key not in known:
            raise UserError(
                f"unknown key: {place}.{key}. Expected one of {', '.join(known)}."
                f"{_MEANT.get(key) or did_you_mean(key, known)}"
            )
    missing = [name for name in ("name", "text") if name not in raw]
    if missing:
        raise UserError(f"no {missing[0]}: {place}. Expected a source with a name and text.")
    try:
        source = ListedSource(**raw)
        source.settings(TextSettings())
    except ValueError as error:
        raise UserError(f"wrong source: {place}: {error}") from error
    return source


def _below(directory: Path, pattern: str) -> str:
    if pattern.startswith((HUB, "~")) or pattern in ("", STANDARD_INPUT):
        return pattern
    return str(directory / pattern)


def is_source_list(patterns: Sequence[str | Path]) -> bool:
    """Whether a list of sources is named.

    Raises:
        UserError: it is named with other text.
    """
    lists = [pattern for pattern in patterns if str(pattern).lower().endswith(LIST_ENDINGS)]
    if lists and len(patterns) > 1:
        raise UserError(
            f"a list of sources beside other text: {lists[0]}. Expected it alone. Add the other "
            "text to the list."
        )
    return bool(lists)
