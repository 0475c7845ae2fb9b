"""The text that a corpus was made from, found again by what its manifest says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tidemask.corpus.sources.documents import TextSource
from tidemask.corpus.sources.finding import FoundFiles, InputFile
from tidemask.corpus.sources.formats import Format
from tidemask.corpus.sources.hub_rows import HubRows
from tidemask.corpus.sources.mixture import LIST_FORMAT, Mixture
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.source_list import read_source_list, recorded_list
from tidemask.corpus.sources.standard_input import STANDARD_INPUT, spool_directory, spooled
from tidemask.corpus.sources.text_sources import (
    HUB_FORMAT,
    TextSources,
    described,
    described_file,
)
from tidemask.errors import UserError

_ADVICE = "Put it back; `tidemask prepare --again` takes files that were moved as its text."


def files_by_content(patterns: Sequence[str | Path], spool: ExitStack) -> dict[str, InputFile]:
    """The files that patterns name, each by the SHA-256 of its content.

    Args:
        patterns: files, directories and globs; `-` for standard input.
        spool: keeps standard input until it is closed.

    Raises:
        UserError: as `FoundFiles.add` and `spooled`.
    """
    found = FoundFiles()
    for pattern in dict.fromkeys(patterns):
        if pattern == STANDARD_INPUT:
            found.add_file(spooled(Path(spool.enter_context(spool_directory()))))
        else:
            found.add(pattern)
    return {described(file).sha256: file for file in found.files.values()}


def recorded_sources(
    recorded: Sequence[TextSource],
    moved: Mapping[str, InputFile],
    settings: TextSettings,
    *,
    must_have_fields: bool = True,
) -> TextSources | Mixture:
    """The same text, in the same order; a file that was moved has the name that it has now.

    Of a list of sources the manifest knows the content, and the files of each source; the list
    itself is read again only for a corpus of an earlier version.

    Args:
        recorded: what the manifest says.
        moved: files by their content, that are taken instead of those that are recorded.
        settings: how files become documents.
        must_have_fields: as for `TextSources.find`.

    Raises:
        UserError: a file is missing or has another content.
    """
    listed = next((source for source in recorded if source.format == LIST_FORMAT), None)
    if listed is not None:
        return _recorded_mixture(listed, recorded, moved, settings)
    files = [_file(source, moved) for source in recorded if source.format != HUB_FORMAT]
    hub = [
        HubRows.find(source.path, source.revision)
        for source in recorded
        if source.format == HUB_FORMAT
    ]
    return TextSources(files, hub, settings, must_have_fields=must_have_fields)


def _recorded_mixture(
    listed: TextSource,
    recorded: Sequence[TextSource],
    moved: Mapping[str, InputFile],
    settings: TextSettings,
) -> Mixture:
    """The sources of a list, each from its own recorded files and revisions."""
    if listed.listed:
        sources = recorded_list(listed.listed, listed.path)
    else:
        sources = read_source_list(_unmoved(listed))
    with ExitStack() as opened:
        parts = []
        for source in sources:
            of_source = [one for one in recorded if one.name == source.name]
            found = recorded_sources(of_source, moved, source.settings(settings))
            assert isinstance(found, TextSources), "a list names no lists"
            opened.callback(found.close)
            parts.append((source, found))
        mixture = Mixture(listed, parts, settings)
        opened.pop_all()  # closed by the mixture
        return mixture


def _file(source: TextSource, moved: Mapping[str, InputFile]) -> InputFile:
    """A file of the same content, where it is now."""
    kind = Format(source.format)
    if source.sha256 in moved:
        return replace(moved[source.sha256], format=kind)
    return InputFile(_unmoved(source), kind, source.path)


def _unmoved(source: TextSource) -> Path:
    """Where a file was and is, with the same content."""
    path = Path(source.path)
    if not path.is_file():
        raise UserError(
            f"source is not where it was: {path} ({source.num_bytes:,} bytes, SHA-256 "
            f"{source.sha256[:12]}). Expected the file that the corpus was made from. {_ADVICE}"
        )
    now = described_file(path, source.path, source.format)
    if now.sha256 != source.sha256:
        raise UserError(
            f"source changed: {path} has {now.num_bytes:,} bytes and the SHA-256 "
            f"{now.sha256[:12]}, not {source.num_bytes:,} and {source.sha256[:12]}. Expected the "
            f"file that the corpus was made from. {_ADVICE}"
        )
    return path
