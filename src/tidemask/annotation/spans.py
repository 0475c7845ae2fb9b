"""Stretches of a text, in characters, to values of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.source import DocumentTokens, SourceError
from tidemask.token_classes import COLUMN_FORMS, ColumnKind


class TextSpan(NamedTuple):
    """A stretch of a text.

    Attributes:
        begin: offset of its first character.
        end: offset after its last character.
        value: a class by its index, or a weight; a group needs none.
    """

    begin: int
    end: int
    value: float = 0


def span_values(
    document: DocumentTokens, spans: Sequence[TextSpan], kind: ColumnKind, where: str
) -> NDArray[Any]:
    """The values of a document's tokens [N]: those of the span that each overlaps.

    Where spans overlap, a token has the value of the one that is given first. Each span is a group.

    Args:
        document: with its text and the places of its tokens.
        spans: in characters of the text.
        kind: of the column.
        where: what a message calls the spans.

    Raises:
        SourceError: a span is empty, or reaches beyond the text.

    Example:
        >>> import numpy as np
        >>> from tidemask.annotation.source import DocumentTokens
        >>> from tidemask.annotation.spans import TextSpan, span_values
        >>> ids, starts, ends = np.arange(3), np.array([0, 4, 8]), np.array([3, 7, 11])
        >>> document = DocumentTokens(
        ...     0, ids, ids >= 0, ids, text="the old dog", starts=starts, ends=ends
        ... )
        >>> span_values(document, [TextSpan(0, 7, 2.5)], "weight", "example").tolist()
        [2.5, 2.5, 0.0]
    """
    dtype, none = COLUMN_FORMS[kind]
    values = np.full(len(document), none, dtype)
    length = len(document.text or "")
    for number in reversed(range(len(spans))):
        span = spans[number]
        if not 0 <= span.begin < span.end <= length:
            raise SourceError(
                f"span outside its document: {where} has characters {span.begin} to {span.end} of "
                f"{document.source}, place {document.place}, which has {length:,}. Expected a "
                "beginning before its end, both within the text."
            )
        first = int(np.searchsorted(document.ends, span.begin, side="right"))
        last = int(np.searchsorted(document.starts, span.end, side="left"))
        values[first:last] = number if kind == "group" else span.value
    return values
