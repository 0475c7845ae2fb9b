"""Files, standard input and data sets of the hub as one stream of documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import TracebackType

from tidemask.corpus.sources.border_choice import choose_borders
from tidemask.corpus.sources.documents import Document, TextSource
from tidemask.corpus.sources.file_reading import (
    ReadingCounts,
    decoding_of,
    file_documents,
    hub_documents,
)
from tidemask.corpus.sources.finding import FoundFiles, InputFile
from tidemask.corpus.sources.formats import Format
from tidemask.corpus.sources.hub_rows import HUB, HubRows
from tidemask.corpus.sources.record_lines import note_on_record_lines
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.standard_input import STANDARD_INPUT, spool_directory, spooled
from tidemask.corpus.sources.stray_files import leaving_out
from tidemask.corpus.tagging.given_tags import GivenTags
from tidemask.errors import UserError
from tidemask.files.notes import FileNote
from tidemask.files.paths import check_plain_file
from tidemask.system_errors import why_refused

HUB_FORMAT = "hub"
"""Format of a source that is a data set of the hub."""


class TextSources:
    r"""Text in a fixed order; calling it streams the documents from the beginning.

    A context manager, which forgets what was read from standard input at its end.

    Attributes:
        files: those that are read.
        documents: what separates the documents of text files, as `TextSettings.documents`, but
            never "auto"; "row" where there are records alone.

    Example:
        >>> from pathlib import Path
        >>> import tempfile
        >>> from tidemask.corpus.sources.settings import TextSettings
        >>> directory = Path(tempfile.mkdtemp())
        >>> _ = (directory / "two.txt").write_text("One line.\nAnother.\n\nThe second.\n")
        >>> sources = TextSources.find([directory], TextSettings(documents="blank-lines"))
        >>> [(document.text, document.place) for document in sources()]
        [('One line.\nAnother.', 1), ('The second.', 4)]
    """

    def __init__(
        self,
        files: Sequence[InputFile],
        hub: Sequence[HubRows],
        settings: TextSettings,
        notes: Sequence[str] = (),
        *,
        must_have_fields: bool = True,
    ) -> None:
        self.files = tuple(_as_tagged(file, settings.given_tags) for file in files)
        self._hub = tuple(hub)
        self._settings = settings
        self._must_have_fields = must_have_fields
        self._spool = ExitStack()
        self._as_found = [FileNote.of(file.path) for file in files]
        self._found_notes = list(notes)
        self._read_notes: list[str] = []
        self.documents = self._resolved_borders()

    @classmethod
    def find(
        cls,
        patterns: Sequence[str | Path],
        settings: TextSettings,
        *,
        must_have_fields: bool = True,
    ) -> TextSources:
        """The text that `patterns` name.

        Args:
            patterns: files, directories (recursive, sorted) and globs; `-` for standard input;
                `hf:NAME[:CONFIG][:SPLIT]` for a data set of the hub. A file named twice is read
                once.
            settings: how it becomes documents.
            must_have_fields: whether a field to keep that no record has is an error.

        Raises:
            UserError: as `FoundFiles.add` and `HubRows.find`; what separates documents does not
                fit the files; standard input is a terminal.
        """
        if not patterns:
            raise UserError("no text: no file was named. Expected files, directories or globs.")
        found = FoundFiles()
        hub: dict[str, HubRows] = {}
        with ExitStack() as spool:
            for pattern in dict.fromkeys(patterns):
                if pattern == STANDARD_INPUT:
                    found.add_file(spooled(Path(spool.enter_context(spool_directory()))))
                elif isinstance(pattern, str) and pattern.startswith(HUB):
                    hub[pattern] = HubRows.find(pattern)
                else:
                    found.add(pattern)
            skipped = found.skipped_note()
            notes = [*found.notes, *([skipped] if skipped else [])]
            sources = cls(
                list(found.files.values()),
                list(hub.values()),
                settings,
                notes,
                must_have_fields=must_have_fields,
            )
            sources._spool = spool.pop_all()
            return sources

    def __enter__(self) -> TextSources:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget what was read from standard input."""
        self._spool.close()

    def __call__(self) -> Iterator[Document]:
        """Stream the documents.

        Raises:
            UserError: as `file_documents` and `hub_documents`; nothing has any text; or a file
                changed since it was found, so that two readings may differ.
        """
        counts = ReadingCounts()
        yield from chain(self._of_files(counts), self._of_hub(counts))
        keep = self._settings.keep if self._must_have_fields else ()
        counts.check(replace(self._settings, keep=keep), self.documents, self._names)
        self._read_notes = counts.notes(self._settings)

    def notes(self) -> list[str]:
        """What a user should know of the choice of files and borders, and of the last pass."""
        return [*self._found_notes, *self._read_notes]

    def sources(self) -> tuple[TextSource, ...]:
        """What was read, with the hash of every file as it is on disk, compressed or not."""
        hub = (
            TextSource(
                path=rows.name, num_bytes=0, sha256="", format=HUB_FORMAT, revision=rows.revision
            )
            for rows in self._hub
        )
        return (*map(described, self.files), *hub)

    @property
    def _names(self) -> list[str]:
        return [*(file.name for file in self.files), *(rows.name for rows in self._hub)]

    def _of_files(self, counts: ReadingCounts) -> Iterator[Document]:
        for file, as_found in zip(self.files, self._as_found, strict=True):
            found = file_documents(file, self._settings, self.documents, counts)
            try:
                yield from counts.counted(found, file.name)
            except UserError as error:
                if advice := leaving_out(file, self.files):
                    raise UserError(f"{error}{advice}") from error
                raise
            if difference := as_found.difference(file.path):
                raise UserError(
                    f"text changed while it was read: {file.name} {difference}. "
                    "Give the command again when nothing writes to it."
                )

    def _of_hub(self, counts: ReadingCounts) -> Iterator[Document]:
        for rows in self._hub:
            yield from counts.counted(hub_documents(rows, self._settings, counts), rows.name)

    def _resolved_borders(self) -> str:
        """What separates documents, found by looking at the files where it is "auto"."""
        texts = [file for file in self.files if file.format.is_text]
        wanted, decoding = self._settings.documents, decoding_of(self._settings)
        if note := note_on_record_lines(texts, decoding):
            self._found_notes.append(note)
        if texts and wanted == "auto":
            choice = choose_borders(texts, decoding)
            self._found_notes += choice.notes
            return choice.documents
        if texts and wanted == "row":
            raise UserError(
                f"no rows: documents=row, and {texts[0].name} is text. Expected records. Leave out "
                "--documents, or choose blank-lines, file, line or separator=TEXT."
            )
        if not texts and wanted not in ("auto", "row"):
            self._found_notes.append(
                f"documents={wanted} has no effect, since each record of {self._names[0]} is a "
                "document."
            )
        return wanted if texts else "row"


def _as_tagged(file: InputFile, tags: GivenTags | None) -> InputFile:
    """The file with words and tags on its lines, where it is said that files have them."""
    has_lines = file.format.is_text or file.format is Format.TSV
    if tags is None or tags.conllu is not None or not has_lines:
        return file
    return replace(file, format=Format.COLUMNS)


def described(file: InputFile) -> TextSource:
    """What a manifest says of a file that is read.

    Raises:
        UserError: it cannot be read.
    """
    return described_file(file.path, file.name, str(file.format))


def described_file(path: Path, name: str, kind: str) -> TextSource:
    """Name, size, hash and format of a file as it is on disk.

    Raises:
        UserError: it cannot be read.
    """
    check_plain_file(path)
    try:
        with path.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
            size = opened.tell()
    except OSError as error:
        raise UserError(f"cannot read: {why_refused(error, path)}.") from error
    return TextSource(path=name, num_bytes=size, sha256=sha256, format=kind)
