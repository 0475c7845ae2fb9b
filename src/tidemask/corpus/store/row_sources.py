"""Which source each training row of a corpus is from, by the field `source` of its documents."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemask.corpus.sources.mixture import SOURCE_FIELD
from tidemask.corpus.store.corpus import PreparedCorpus
from tidemask.errors import UserError


def rows_by_source(corpus: PreparedCorpus) -> dict[str, NDArray[np.int64]]:
    """The numbers of the training rows of each source, ascending, by its name; names are sorted.

    A row counts to the source of most of its tokens, to the first by name where two have as many.
    Documents stand in a corpus source by source, so few rows are of several.

    Raises:
        UserError: the corpus is of an earlier version, without its documents, or these have no
            field `source`; or a file is missing or damaged.
    """
    names, source_of_document = _sources(corpus)
    files = corpus.train.pieces.files
    keys, tokens = [], []
    for index in range(len(files.paths)):
        table = files.read(index)
        columns = (table.column(name).to_numpy() for name in ("row", "document", "num_tokens"))
        rows, documents, counts = (column.astype(np.int64) for column in columns)
        sources = source_of_document[documents]
        if (sources < 0).any():
            raise _no_sources(corpus)
        keys.append(rows * len(names) + sources)
        tokens.append(counts)
    # A key is a row with one of its sources, so these sort by row, and then by source.
    pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
    totals = np.bincount(place, weights=np.concatenate(tokens)).astype(np.int64)
    rows, sources = np.divmod(pairs, len(names))
    most_first = np.lexsort((sources, -totals, rows))
    rows, first = np.unique(rows[most_first], return_index=True)
    sources = sources[most_first][first]
    found = {name: rows[sources == number] for number, name in enumerate(names)}
    return {name: of_source for name, of_source in found.items() if len(of_source)}


def _sources(corpus: PreparedCorpus) -> tuple[list[str], NDArray[np.int64]]:
    """The names of the sources, sorted, and the number of each document's; -1 where it has none."""
    columns = []
    files = corpus.documents.files
    for index in range(len(files.paths)):
        table = files.read(index)
        fields = (
            table.schema.field("fields").type if "fields" in table.column_names else pa.struct([])
        )
        if (
            fields.get_field_index(SOURCE_FIELD) < 0
            or fields.field(SOURCE_FIELD).type != pa.string()
        ):
            raise _no_sources(corpus)
        columns += pc.struct_field(table.column("fields"), SOURCE_FIELD).chunks
    encoded = pa.chunked_array(columns).dictionary_encode().combine_chunks()
    order = pc.sort_indices(encoded.dictionary)
    number = np.append(np.argsort(order.to_numpy()), -1)
    codes = encoded.indices.fill_null(len(number) - 1).to_numpy()
    return encoded.dictionary.take(order).to_pylist(), number[codes]


def _no_sources(corpus: PreparedCorpus) -> UserError:
    return UserError(
        f"corpus without sources: training.source_shares, and the documents of {corpus.root} do "
        "not say which source they are from. Prepare the text from a list of sources."
    )
