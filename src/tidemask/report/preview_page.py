"""The page of a preview: passages at the moments of a run, with what decides about each word.

One HTML file that can be sent: it needs no network, and without its script all moments stand below
each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemask.report.corpus_page import class_colour
from tidemask.report.figures.palette import FUNCTION, INK
from tidemask.report.inlined import (
    content_security_policy,
    page_script,
    page_style,
    page_template,
)
from tidemask.report.previewed import PreviewPassage, PreviewStep, PreviewToken
from tidemask.report.tables.typed_table import Column, Table
from tidemask.token_classes import UPOS

STATES = {
    "mask": ("masked", "The model sees the mask token in its place."),
    "random": ("replaced", "The model sees the second token, drawn at random, for the first."),
    "kept": ("kept", "The model sees it, and has to predict it nonetheless."),
    "hidden": ("hidden", "Corrupted, but not predicted."),
}
"""What stands of each state in the legend, and what it means."""

_DARKEST = 40
"""Of the colour behind the words with the largest chance, per cent."""

_COUNTED = (
    Column("class", "class"),
    Column("masked", "of the masked", unit="%", kind="real", digits=1),
    Column("of_all", "of all", unit="%", kind="real", digits=1),
)


def render_preview_page(
    steps: Sequence[PreviewStep], *, recipe: str, summary: str, facts: Mapping[str, str]
) -> str:
    """The page as HTML.

    Args:
        steps: what a preview says, at each moment.
        recipe: name of the policy.
        summary: what it does, in a sentence; may be empty.
        facts: what else is known of the preview, by titles: corpus, run.
    """
    script = page_script("elements", "moments")
    passages = [passage for step in steps for passage in step.passages]
    tokens = [token for passage in passages for token in passage.tokens]
    largest = max(map(_emphasis, tokens), default=0.0) or 1.0
    is_shaded = any(passage.has_weights for passage in passages)

    def shade(token: PreviewToken) -> int:
        return round(_DARKEST * _emphasis(token) / largest) if is_shaded else 0

    return page_template("preview.html.jinja").render(
        style=page_style("page.css", "preview.css"),
        script=script,
        policy=content_security_policy(script),
        endings=None,
        recipe=recipe,
        summary=summary,
        facts=facts,
        steps=steps,
        states={
            state: words
            for state, words in STATES.items()
            if any(token.state == state for token in tokens)
        },
        has_units=any(one.is_boxed for passage in passages for one in passage.stretches()),
        has_mixtures=any(passage.weightings for passage in passages),
        shades=_legend_of_shades(tokens, largest) if is_shaded else None,
        classes=_legend_of_classes(tokens),
        class_colours=_class_colours(tokens),
        shade=shade,
        about=about_token,
        counted=counted_table,
        lengths=_lengths_in_words,
    )


def about_token(token: PreviewToken, passage: PreviewPassage) -> str:
    """What is known of a token, in a line."""
    words = {"visible": "not selected", "random": f"replaced by {token.text}"}
    parts = [words.get(token.state) or STATES[token.state][0]]
    if token.inclusion is not None:
        parts.append(f"chance {100 * token.inclusion:.3g} %")
    if passage.has_weights:
        parts.append(f"weight {token.weight:.3g}")
    if token.class_name is not None:
        parts.append(f"class {token.class_name}")
    if token.due_to is not None:
        parts.append(f"by weighting {token.due_to + 1}, {passage.weightings[token.due_to]}")
    elif passage.part and token.state != "visible" and not passage.weightings:
        parts.append(f"by {passage.part}")
    return f"{token.original}: {', '.join(parts)}"


def counted_table(step: PreviewStep) -> Table:
    """Share of each class among the masked and among all maskable tokens, the most frequent first.

    Classes that do not occur are left out.
    """
    ordered = sorted(step.class_shares.items(), key=lambda item: -item[1][1])
    rows = tuple((name, 100 * masked, 100 * of_all) for name, (masked, of_all) in ordered if of_all)
    return Table(name="classes", columns=_COUNTED, rows=rows)


def _lengths_in_words(step: PreviewStep) -> str:
    return ", ".join(
        f"{100 * ratio:.1f} % of the tokens of words of {length}"
        for length, ratio in step.length_ratios.items()
    )


def _emphasis(token: PreviewToken) -> float:
    """What the colour behind a word stands for: its chance; its weight where none is known."""
    return token.weight if token.inclusion is None else token.inclusion


def _legend_of_shades(tokens: Sequence[PreviewToken], largest: float) -> dict[str, Any]:
    """The ends of the scale of colours, in words."""
    if any(token.inclusion is None for token in tokens):
        return {"what": "weight", "low": "0", "high": f"{largest:.3g}", "darkest": _DARKEST}
    high = f"{100 * largest:.3g} %"
    return {"what": "chance of being selected", "low": "0", "high": high, "darkest": _DARKEST}


def _class_colours(tokens: Sequence[PreviewToken]) -> dict[str, str]:
    """The colour of the line below the words of each class that occurs."""
    names = sorted({token.class_name for token in tokens if token.class_name is not None})
    return {name: class_colour(name, names) for name in names}


def _legend_of_classes(tokens: Sequence[PreviewToken]) -> dict[str, str]:
    """Colours by what they stand for: two kinds of parts of speech, or each class by itself."""
    colours = _class_colours(tokens)
    if colours and set(colours) <= set(UPOS):
        return {"content word": INK.variable, "function word, punctuation": FUNCTION.variable}
    return colours
