"""Several sources as one stream of documents, each with its own settings and number of passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tidemask.corpus.sources.documents import Document, TextSource
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.source_filter import SourceFilter
from tidemask.corpus.sources.source_list import ListedSource, is_source_list, read_source_list
from tidemask.corpus.sources.text_sources import TextSources, described_file
from tidemask.errors import UserError
from tidemask.files.paths import given_path

SOURCE_FIELD = "source"
"""Field of a document that has the name of its source."""


LIST_FORMAT = "sources"
"""Format of a list of sources in the manifest of a corpus."""


class Mixture:
    """The documents of a list of sources, one source after the other.

    The packed rows are shuffled at training, so the order of sources is of no consequence there.

    Attributes:
        documents: as `TextSettings.documents`; what each source found out is in its notes.
    """

    def __init__(
        self,
        listed: TextSource,
        parts: Sequence[tuple[ListedSource, TextSources]],
        settings: TextSettings,
    ) -> None:
        self.documents = settings.documents
        self._listed, self._parts = listed, tuple(parts)
        place = listed.path
        self._filters = [SourceFilter(one, f"source {one.name} of {place}") for one, _ in parts]

    @classmethod
    def find(cls, path: Path, settings: TextSettings) -> Mixture:
        """The sources that a file lists.

        Args:
            path: of the list.
            settings: those of a source where it says nothing else.

        Raises:
            UserError: as `read_source_list`, `TextSources.find` and `SourceFilter`, with the name
                of the source.
        """
        listed = described_file(path, str(path), LIST_FORMAT)
        with ExitStack() as opened:
            parts = []
            for source in read_source_list(path):
                if SOURCE_FIELD in source.settings(settings).keep:
                    raise UserError(
                        f"a field of the name {SOURCE_FIELD}: keep of {source.name}. Expected "
                        "others, since it has the name of the source. Leave it out."
                    )
                try:
                    found = TextSources.find(
                        source.patterns(path.parent), source.settings(settings)
                    )
                except UserError as error:
                    raise UserError(f"source {source.name} of {path}: {error}") from error
                opened.callback(found.close)
                parts.append((source, found))
            mixture = cls(listed, parts, settings)
            opened.pop_all()  # closed by the mixture
            return mixture

    def close(self) -> None:
        """Forget what was read from standard input."""
        for _, sources in self._parts:
            sources.close()

    def __call__(self) -> Iterator[Document]:
        """Stream the documents of all sources.

        Raises:
            UserError: as `TextSources`; nothing of a source is left.
        """
        for (source, sources), filtered in zip(self._parts, self._filters, strict=True):
            for document in filtered(sources()):
                fields = {SOURCE_FIELD: source.name, **document.fields}
                yield replace(document, fields=fields)

    def notes(self) -> list[str]:
        """What a user should know of each source, and of the last pass."""
        return [
            *(f"{source.name}: {note}" for source, found in self._parts for note in found.notes()),
            *(filtered.note for filtered in self._filters if filtered.note),
        ]

    def sources(self) -> tuple[TextSource, ...]:
        """The list, and what was read of each source."""
        said = (source.recorded(found.documents) for source, found in self._parts)
        return (
            replace(self._listed, listed=tuple(said)),
            *(
                replace(one, name=source.name)
                for source, found in self._parts
                for one in found.sources()
            ),
        )


def find_text(
    patterns: Sequence[str | Path], settings: TextSettings, *, must_have_fields: bool = True
) -> TextSources | Mixture:
    """The text that patterns name, or that of a list of sources.

    Args:
        patterns: as for `TextSources.find`, or a list of sources alone.
        settings: how the text becomes documents.
        must_have_fields: as for `TextSources.find`.

    Raises:
        UserError: as `TextSources.find` and `Mixture.find`.
    """
    if is_source_list(patterns):
        return Mixture.find(given_path(patterns[0], "text"), settings)
    return TextSources.find(patterns, settings, must_have_fields=must_have_fields)
