"""The documents of one file or data set, by its format, and what a pass over them found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from tidemask.corpus.sources.borders import MAX_DOCUMENT_CHARACTERS, texts_between
from tidemask.corpus.sources.columns import column_sentences
from tidemask.corpus.sources.conllu import conllu_sentences
from tidemask.corpus.sources.decoding import LEAVE_OR_REPLACE, REPLACEMENT, Decoding, read_records
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.sources.fields import Record, RecordCounts, documents_of, missing_field
from tidemask.corpus.sources.finding import InputFile
from tidemask.corpus.sources.formats import Format
from tidemask.corpus.sources.hub_rows import HubRows
from tidemask.corpus.sources.records import arrow_records, json_records, parquet_records
from tidemask.corpus.sources.settings import SEPARATOR, TextSettings
from tidemask.corpus.sources.tables import table_records
from tidemask.corpus.sources.tagged_documents import GivenSentence, documents_of_sentences
from tidemask.corpus.tagging.given_tags import GivenTags
from tidemask.errors import UserError, shortened
from tidemask.progress import ignore

_NAMED = 3
"""Files that a message names."""


@dataclass
class ReadingCounts:
    """What one pass over all sources found.

    Attributes:
        records: what the records were.
        num_documents: documents.
        num_separators: lines that separate documents by their text.
        replaced: bytes that became U+FFFD, by the name of the file.
        without_text: names of files and data sets that had no document.
    """

    records: RecordCounts = field(default_factory=RecordCounts)
    num_documents: int = 0
    num_separators: int = 0
    replaced: dict[str, int] = field(default_factory=dict)
    without_text: list[str] = field(default_factory=list)

    def counted(self, documents: Iterator[Document], name: str) -> Iterator[Document]:
        """Count the documents of a file or data set while they are read."""
        before = self.num_documents
        for document in documents:
            self.num_documents += 1
            yield document
        if self.num_documents == before:
            self.without_text.append(name)

    def add_replaced(self, name: str, number: int) -> None:
        """Count bytes of a file that became U+FFFD."""
        self.replaced[name] = self.replaced.get(name, 0) + number

    def add_separator(self) -> None:
        """Count a line that separates documents."""
        self.num_separators += 1

    def check(self, settings: TextSettings, documents: str, names: Sequence[str]) -> None:
        """Refuse what a whole pass did not find.

        Args:
            settings: of reading.
            documents: what separates documents.
            names: of the files and data sets.

        Raises:
            UserError: there is no text, no record has a field to keep, or no line is the separator.
        """
        listed = shortened(names, _NAMED)
        if not self.num_documents:
            nulls = self.records.num_null
            what = f" Of its records {nulls:,} have null as their text." if nulls else ""
            raise UserError(
                f"empty text: {listed}.{what} Expected at least one line that is not blank, or one "
                "record with text. Name files with text in them."
            )
        for name in settings.keep:
            if name not in self.records.found:
                raise missing_field(name, self.records.known, listed, "--keep")
        if documents.startswith(SEPARATOR) and not self.num_separators:
            raise UserError(
                f"no separator: no line of {listed} is {documents.removeprefix(SEPARATOR)!r}. "
                "Expected lines of this text between documents. Check --documents, or choose file."
            )

    def notes(self, settings: TextSettings) -> list[str]:
        """What a user should know of it, a sentence each."""
        notes = []
        if self.records.num_null:
            notes.append(
                f"Records left out because {settings.text_field} is null: "
                f"{self.records.num_null:,}, the first of them {self.records.first_null}."
            )
        if self.without_text:
            notes.append(f"Without any text: {shortened(self.without_text, _NAMED)}.")
        if self.replaced:
            listed = [f"{number:,} in {name}" for name, number in self.replaced.items()]
            more = len(listed) - _NAMED
            others = [f"and more in {more:,} other files"] if more > 0 else []
            notes.append(
                f"Bytes that are not {settings.encoding}, or NUL, and stand as U+FFFD: "
                f"{', '.join([*listed[:_NAMED], *others])}."
            )
        return notes


def decoding_of(settings: TextSettings, on_replaced: Callable[[int], None] = ignore) -> Decoding:
    """How the bytes of files become characters under some settings."""
    return Decoding(
        encoding=settings.encoding,
        replace=settings.errors == "replace",
        on_replaced=on_replaced,
        any_line_end=True,
        has_options=True,
    )


def file_documents(
    file: InputFile, settings: TextSettings, documents: str, counts: ReadingCounts
) -> Iterator[Document]:
    """Stream the documents of a file.

    Args:
        file: of any format.
        settings: of reading.
        documents: what separates those of running text; neither "auto" nor "row".
        counts: is added to.

    Raises:
        UserError: the file is binary, damaged, truncated or of another encoding; a record has no
            text; a document is too long.
    """
    decoding = decoding_of(settings, lambda number: counts.add_replaced(file.name, number))
    if file.format.is_text:
        lines = read_records(file.path, max_characters=MAX_DOCUMENT_CHARACTERS, decoding=decoding)
        for text, line in texts_between(lines, documents, file.path, counts.add_separator):
            yield Document(text, file.name, place=line)
        return
    if file.format in (Format.CONLLU, Format.COLUMNS):
        lines = read_records(file.path, max_characters=MAX_DOCUMENT_CHARACTERS, decoding=decoding)
        yield from documents_of_sentences(_sentences(file, lines, settings.given_tags), file.name)
        return
    unit = "line" if file.format is Format.JSON_LINES else "row"
    records = _records(file, _fields(settings), decoding)
    yield from _of_records(records, file.name, unit, settings, counts)


def _sentences(
    file: InputFile, lines: Iterator[str], tags: GivenTags | None
) -> Iterator[GivenSentence]:
    if file.format is Format.CONLLU:
        return conllu_sentences(lines, file.name, None if tags is None else tags.conllu)
    tags = tags or GivenTags("column")
    return column_sentences(lines, file.name, tags.word, tags.tag)


def hub_documents(
    rows: HubRows, settings: TextSettings, counts: ReadingCounts
) -> Iterator[Document]:
    """Stream the documents of a data set of the hub, as `file_documents`."""
    records = rows.records(_fields(settings))
    yield from _of_records(records, rows.name, "row", settings, counts)


def _fields(settings: TextSettings) -> tuple[str, ...]:
    return (settings.text_field, *settings.keep)


def _records(file: InputFile, fields: Sequence[str], decoding: Decoding) -> Iterator[Record]:
    match file.format:
        case Format.PARQUET:
            return parquet_records(file.path, fields)
        case Format.ARROW:
            return arrow_records(file.path, fields)
        case Format.JSON_LINES:
            return json_records(file.path, decoding, MAX_DOCUMENT_CHARACTERS)
        case _:
            return table_records(file.path, file.format, decoding, MAX_DOCUMENT_CHARACTERS)


def _of_records(
    records: Iterator[Record], name: str, unit: str, settings: TextSettings, counts: ReadingCounts
) -> Iterator[Document]:
    for document in documents_of(
        records,
        name,
        unit,
        text_field=settings.text_field,
        keep=settings.keep,
        counts=counts.records,
    ):
        if number := document.text.count("\0"):
            if settings.errors == "strict":
                raise UserError(
                    f"NUL in a text: {name}, {unit} {document.place:,}, character "
                    f"{document.text.index(chr(0))}. Expected text without NUL. {LEAVE_OR_REPLACE}"
                )
            counts.add_replaced(name, number)
            document = replace(document, text=document.text.replace("\0", REPLACEMENT))
        yield document
