"""The sources of columns by name: `KIND:ARGUMENT`."""

from __future__ import annotations

from collections.abc import Callable

from tidemask.annotation.source import ColumnSource, SourceRequest
from tidemask.errors import UserError, did_you_mean


def _word_list(request: SourceRequest) -> ColumnSource:
    from tidemask.annotation.word_list import WordList

    return WordList.of(request)


def _python(request: SourceRequest) -> ColumnSource:
    from tidemask.annotation.python_source import PythonSource

    return PythonSource.of(request)


def _span_file(request: SourceRequest) -> ColumnSource:
    from tidemask.annotation.span_file import SpanFile

    return SpanFile.of(request)


def _model(request: SourceRequest) -> ColumnSource:
    from tidemask.annotation.model_scores import ModelScores
    from tidemask.annotation.word_similarity import PREFIX, WordSimilarity

    if (request.attribute or "").startswith(PREFIX):
        return WordSimilarity.of(request)
    return ModelScores.of(request)


def _pmi(request: SourceRequest) -> ColumnSource:
    from tidemask.annotation.pmi_source import Collocations

    return Collocations.of(request)


def _spacy(request: SourceRequest) -> ColumnSource:
    from tidemask.annotation.pipeline_source import PipelineSource

    return PipelineSource.of(request)


def _tf_idf(request: SourceRequest) -> ColumnSource:
    from tidemask.annotation.tf_idf import TfIdf

    return TfIdf.of(request)


SOURCES: dict[str, Callable[[SourceRequest], ColumnSource]] = {
    "list": _word_list,
    "python": _python,
    "file": _span_file,
    "tfidf": _tf_idf,
    "pmi": _pmi,
    "spacy": _spacy,
    "model": _model,
}
"""What makes a source, by the part of its name before the colon; each imports what it needs."""

SOURCE_NAMES: tuple[str, ...] = (
    *("list:FILE", "python:MODULE:FUNCTION", "file:PATH"),
    *("tfidf", "pmi:N", "spacy:PIPELINE", "model:PATH"),
)
"""How sources are asked for."""


_WITH_ATTRIBUTES = ("model", "spacy")
"""Sources that ask which of several things a column takes of them."""


def load_source(request: SourceRequest) -> ColumnSource:
    """The source of a name.

    Raises:
        UserError: there is none, or as the source.
    """
    prefix = request.name.partition(":")[0]
    if prefix not in SOURCES:
        raise UserError(
            f"unknown source: {request.name!r}. Expected one of {', '.join(SOURCE_NAMES)}."
            f"{did_you_mean(prefix, SOURCES)}"
        )
    if request.attribute is not None and prefix not in _WITH_ATTRIBUTES:
        raise UserError(
            f"a source without attributes: attribute={request.attribute} with source="
            f"{request.name}. Expected none, or one of {', '.join(_WITH_ATTRIBUTES)} as the source."
        )
    return SOURCES[prefix](request)
