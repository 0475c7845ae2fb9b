"""The last pass over documents: encoded, packed into rows, and listed, kept and dropped ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.going_on import note_state
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.splitting.dropped_list import DroppedList
from tidemask.corpus.splitting.field_types import FieldTypes
from tidemask.corpus.splitting.plan import KEPT, Documents, Split, SplitPlan
from tidemask.corpus.store.corpus import DOCUMENTS, DROPPED, HELD_OUT, PIECES, TRAIN
from tidemask.corpus.store.documents import DocumentsWriter
from tidemask.corpus.store.manifest import SplitCounts
from tidemask.corpus.store.pieces import PIECES as PIECE_COLUMNS
from tidemask.corpus.store.rows import EncodedDocument, RowLayout
from tidemask.corpus.store.saved_data_set import write_saved_data_set
from tidemask.corpus.store.shards import SplitWriter
from tidemask.corpus.store.tables import TableWriter
from tidemask.files.continued import ContinuedDirectory
from tidemask.progress import ProgressCallback, reported

ENCODING = "tagging and tokenizing"
"""Name of the last stage for the progress callback, which counts documents."""

Encode = Callable[[Iterable[Document]], Generator[EncodedDocument, None, None]]
"""One encoded document for each, in order."""

TOKENS_BETWEEN_NOTES = 1 << 20
"""Tokens after which what is written is noted, to go on from: at 50,000 words a second some fifteen
seconds of tagging."""

_NAMES = {Split.TRAIN: TRAIN, Split.HELD_OUT: HELD_OUT}


class CorpusWriter:
    """Writes encoded documents to the rows of both splits, and to the tables beside them."""

    def __init__(
        self,
        directory: Path,
        layout: RowLayout,
        class_names: tuple[str, ...],
        field_types: FieldTypes,
    ) -> None:
        """Write into the directory of a corpus.

        Args:
            directory: it exists.
            layout: of a row.
            class_names: names of the classes that are counted.
            field_types: of the fields that are kept of documents.
        """
        self._directory = directory
        self._splits = {
            split: SplitWriter(
                directory / name,
                layout,
                class_names,
                TableWriter(directory / PIECES / name, PIECE_COLUMNS),
            )
            for split, name in _NAMES.items()
        }
        self._documents = DocumentsWriter(directory / DOCUMENTS, field_types)
        self.num_documents = 0
        """Documents that were added."""

    def add(self, document: Document, split: Split, encoded: EncodedDocument) -> None:
        """Add the next document, to the split it is in."""
        self._splits[split].add(encoded, self.num_documents)
        self._documents.add(
            document, _NAMES[split], num_tokens=len(encoded.ids), num_words=encoded.num_words
        )
        self.num_documents += 1

    def note(self, words: str) -> str | None:
        """What a user should know about the rows of the training split; `None` for nothing.

        Args:
            words: the rule by which words were cut.
        """
        return self._splits[Split.TRAIN].note(words)

    def state(self) -> dict[str, NDArray[Any]]:
        """What is not in files yet, to go on from; all else is written."""
        self._documents.flush()
        progress = np.array([self.num_documents, self._documents.num_files])
        of_splits = {
            f"{_NAMES[split]}/{name}": value
            for split, writer in self._splits.items()
            for name, value in writer.state().items()
        }
        return {"progress": progress, **of_splits}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state, in the directory in which it was left."""
        self.num_documents, num_files = state["progress"].tolist()
        self._documents.go_on_after(num_files)
        for split, writer in self._splits.items():
            mark = f"{_NAMES[split]}/"
            writer.restore(
                {name.removeprefix(mark): state[name] for name in state if name.startswith(mark)}
            )

    def finish(self) -> tuple[SplitCounts, SplitCounts, list[str]]:
        """Write the rest; returns the counts of both splits, and the hashes of their rows."""
        self._documents.finish()
        (train, train_hash), (held_out, held_out_hash) = (
            writer.finish() for writer in self._splits.values()
        )
        write_saved_data_set(self._directory, {TRAIN: train_hash, HELD_OUT: held_out_hash})
        return train, held_out, [train_hash, held_out_hash]


def write_documents(
    documents: Documents,
    plan: SplitPlan,
    encode: Encode,
    writer: CorpusWriter,
    directory: ContinuedDirectory,
    on_progress: ProgressCallback,
) -> None:
    """Encode and write the documents that are kept, and list those that are dropped.

    Those that the writer has already are passed over. Every `TOKENS_BETWEEN_NOTES` tokens what it
    has is noted.

    Args:
        documents: as they were planned.
        plan: of them.
        encode: gives the tokens.
        writer: takes them.
        directory: of the corpus.
        on_progress: called with documents.

    Raises:
        UserError: the documents changed since they were planned; or as `encode`.
    """
    waiting: deque[tuple[Document, Split]] = deque()
    num_there = writer.num_documents
    num_new_tokens = 0
    with (directory.path / DROPPED).open("w", encoding="utf-8") as file:
        dropped = DroppedList(file, plan)

        def kept() -> Iterator[tuple[Document, Split]]:
            for number, document, split in plan.numbered(documents()):
                dropped.add(number, document, split)
                if split in KEPT:
                    yield document, split

        def to_encode() -> Iterator[Document]:
            new = islice(kept(), num_there, None)
            for each in reported(new, on_progress, ENCODING, plan.num_written, num_done=num_there):
                waiting.append(each)
                yield each[0]

        with closing(encode(to_encode())) as encoded:  # ends the workers, also when this fails
            for one in encoded:
                writer.add(*waiting.popleft(), one)
                num_new_tokens += len(one.ids)
                if num_new_tokens >= TOKENS_BETWEEN_NOTES:
                    note_state(directory, writer.state())
                    num_new_tokens = 0
        dropped.finish()
