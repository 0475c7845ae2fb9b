"""The page of a prepared corpus: its tables, and samples of its words with their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidemask.report.figures.palette import FUNCTION, INK, run_colour
from tidemask.report.inlined import content_security_policy, page_style, page_template
from tidemask.report.tables.typed_table import MISSING, Table
from tidemask.token_classes import CONTENT_UPOS, UPOS, TokenColumn

SECTIONS = {
    "splits": ("Splits", "Documents, words, tokens and rows of each split"),
    "sources": ("Sources", "Where the text comes from"),
    "document_lengths": (
        "Documents",
        "Words of a document, as the corpus cuts them: the least, quantiles, the most",
    ),
    "dropped": ("Left out", "Documents that were left out, by the reason"),
    "classes": ("Classes", "Words of each class"),
    "columns": ("Columns", "What the columns say of the tokens"),
    "column_classes": ("Classes of columns", "Tokens of each class of a column"),
    "column_weights": ("Weights of columns", "Weights above 0: the least, quantiles, the most"),
    "tokens_per_word": ("Words", "How many tokens the words have in the rows"),
    "entries": ("Vocabulary", "The most frequent entries of the vocabulary"),
}
"""Heading and caption of each table, in the order of the page."""

_BARS = {
    "sources": "share",
    "classes": "words_share",
    "tokens_per_word": "share",
    "entries": "share",
}
"""The column of a table that is drawn as bars beside it."""


@dataclass(frozen=True)
class SampleWord:
    """A word of a sample, or the words of a group.

    Attributes:
        text: as it is shown.
        label: its class or weight; `None` where it has none.
        shade: its weight as a share of the largest beside it, in [0, 1]; 0 without one.
        is_group: whether it is a group of a column.
    """

    text: str
    label: str | None
    shade: float = 0.0
    is_group: bool = False


def render_corpus_page(
    *,
    name: str,
    fingerprint: str,
    notes: Sequence[str],
    tables: Mapping[str, Table],
    column: TokenColumn | None,
    samples: Sequence[Sequence[SampleWord]],
) -> str:
    """The page as HTML; it needs no network and no script.

    Args:
        name: of the corpus.
        fingerprint: of its rows.
        notes: what was unusual in its preparation, one sentence each.
        tables: those of `SECTIONS` that there are.
        column: what the samples show of the words; `None` for their tokens.
        samples: words of some rows.
    """
    return page_template("corpus.html.jinja").render(
        style=page_style(),
        policy=content_security_policy(),
        endings=None,
        name=name,
        fingerprint=fingerprint,
        notes=notes,
        tables=[
            (tables[key], heading, caption, _bars(tables[key]))
            for key, (heading, caption) in SECTIONS.items()
            if key in tables
        ],
        column=column,
        is_upos=column is not None and set(column.class_names) <= set(UPOS),
        samples=[[(word, _style(word, column)) for word in words] for words in samples],
    )  # fmt: skip


def _style(word: SampleWord, column: TokenColumn | None) -> str:
    """What CSS says of a word: a box, a background by its weight, a line by its class."""
    if word.is_group:
        return f"border:1px solid {run_colour(0).variable}"
    if word.shade:
        share = round(5 + 35 * word.shade)
        return f"background:color-mix(in srgb, {run_colour(0).variable} {share}%, transparent)"
    if word.label is None or column is None:
        return ""
    return f"border-color:{class_colour(word.label, column.class_names)}"


def class_colour(class_name: str, class_names: Sequence[str]) -> str:
    """How CSS calls the colour of a class: of content or function words, or its own."""
    if class_name in UPOS:
        return (INK if class_name in CONTENT_UPOS else FUNCTION).variable
    return run_colour(class_names.index(class_name)).variable


def _bars(table: Table) -> list[tuple[str, str, float]]:
    """First cell, shown value and length in per cent of the longest, of each row of a table."""
    column = _BARS.get(table.name)
    if column is None:
        return []
    values = [float(value or 0) for value in table.values(column)]
    shown = [row[-1] for row in table.select([table.columns[0].name, column]).shown_rows()]
    names = [
        str(cell) if cell is not None else MISSING for cell in table.values(table.columns[0].name)
    ]
    longest = max(values, default=0) or 1
    return [
        (label, text, round(100 * value / longest, 2))
        for label, text, value in zip(names, shown, values, strict=True)
    ]
