"""The corpus and the columns that a run was started on: found again, and compared with then."""

from __future__ import annotations

from tidemask.corpus.store.column_check import verify_column
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus, verify_corpus
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.runs.config import RunConfig
from tidemask.runs.corpus_inputs import CorpusInputs


def corpus_of(config: RunConfig) -> PreparedCorpus:
    """The corpus that a run was started on.

    Raises:
        UserError: it is missing, incomplete, or not what it was.
    """
    path = given_path(config.corpus.path, "corpus.path")
    if not path.is_dir():
        raise UserError(
            f"no such corpus: corpus.path={path}, which the run.yaml of the run names, is not a "
            "directory. Move the corpus back, or write there where it is now."
        )
    corpus = open_corpus(path)
    fingerprint = config.corpus.fingerprint
    if corpus.manifest.fingerprint != fingerprint:
        raise UserError(
            f"corpus changed: {corpus.root} has the fingerprint {corpus.manifest.fingerprint}, "
            f"the run was started on {fingerprint}, as its run.yaml says. Restore the corpus."
        )
    return corpus


def inputs_of(config: RunConfig) -> CorpusInputs:
    """The corpus that a run was started on, and the columns that its policy reads.

    Raises:
        UserError: as `corpus_of`; a column is missing, or is not what it was.
    """
    return with_columns(CorpusInputs.of(corpus_of(config)), config)


def with_columns(data: CorpusInputs, config: RunConfig) -> CorpusInputs:
    """The corpus of a run with the columns that its policy reads, which must be what they were.

    Raises:
        UserError: one is missing, damaged, or another than the run was started on.
    """
    data = data.for_policy(config.masking)
    for column in data.columns:
        was, now = config.corpus.columns.get(column.manifest.name), column.manifest.fingerprint
        if was != now:
            raise UserError(
                f"column changed: {column.root} has the fingerprint {now}, the run was started on "
                f"{was}, as its run.yaml says. Restore it."
            )
    return data


def verify_inputs(data: CorpusInputs) -> None:
    """Read every row and the columns and compare them with their fingerprints.

    Raises:
        UserError: they are not what was written; or a column has a wrong value.
    """
    verify_corpus(data.corpus)
    for column in data.columns:
        verify_column(column, data.corpus)
