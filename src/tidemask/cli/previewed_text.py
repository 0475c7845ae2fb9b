"""A preview in a terminal: passages in colour or in brackets, a legend, and what was counted.

Colour says what the input shows and which class a word has, bold and dim letters stand for its
weight, corners hold together what is selected together, and small numbers name the weighting of a
mixture that a word is due to. Without colours, brackets and sentences say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from tidemask.cli.class_styles import class_colour
from tidemask.progress.line import printable

if TYPE_CHECKING:
    from tidemask.report.previewed import PreviewPassage, PreviewStep, PreviewToken

_STYLES = {
    "mask": "bold white on blue",
    "random": "bold black on yellow",
    "kept": "black on green",
    "hidden": "white on bright_black",
}
_MARKS = {"mask": "⟦{}⟧", "random": "⟪{}⟫", "kept": "⟨{}⟩", "hidden": "⟮{}⟯"}
"""Where there is no colour: brackets of mathematics, which other texts do not have."""
_CORNERS = "⌊⌋"
_LEGEND = {
    "mask": "masked",
    "random": "replaced by a random token",
    "kept": "kept, but predicted",
    "hidden": "hidden, not predicted",
}
_ALWAYS_EXPLAINED = {"mask", "random", "kept"}
_HEAVY, _LIGHT = 1.5, 0.67
"""Weights from which on words are bold, and below which they are dim, in multiples of the mean."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_SMALL_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def show_preview(console: Console, steps: Sequence[PreviewStep], *, recipe: str) -> None:
    """Print each step: its ratio, the passages, and the share of each class."""
    in_colour = console.color_system is not None and not console.no_color
    legend = _legend(steps, in_colour=in_colour)
    print_packed(console, [Text(f"{printable(recipe)}: "), *legend])
    for step in steps:
        console.print()
        _show_step(console, step, in_colour=in_colour)


def _show_step(console: Console, step: PreviewStep, *, in_colour: bool) -> None:
    heading = [Text(f"progress {step.progress:.10g}", style="bold")]
    heading += map(Text, (f"ratio {step.ratio:.3f}", f"realised {step.realised_ratio:.3f}"))
    heading.append(Text(f"step {step.step:,} of {step.num_steps:,}", style="dim"))
    print_packed(console, heading, gap="   ")
    if step.note:
        console.print(Text(printable(step.note), style="dim"))
    if step.budget_note:
        console.print(Text(step.budget_note, style="yellow"))
    if step.parts and not (len(step.parts) == 1 and step.passages[0].weightings):
        console.print(Text(printable(parts_line(step.parts)), style="dim"))
    shown: tuple[str, ...] = ()
    for passage in step.passages:
        _show_passage(console, step, passage, in_colour=in_colour, known=shown)
        shown = passage.weightings
    if step.class_shares:
        print_packed(console, class_entries(step.class_shares, in_colour=in_colour))
    console.print(Text(length_line(step.length_ratios), style="dim"))


def _show_passage(
    console: Console,
    step: PreviewStep,
    passage: PreviewPassage,
    *,
    in_colour: bool,
    known: tuple[str, ...],
) -> None:
    """A passage with what differs from the step; its weightings, unless they are known above it."""
    if len(step.passages) > 1 or len(step.parts) > 1 or passage.ratio != step.ratio:
        words = [f"sequence {passage.sequence}:"]
        words += [f"ratio {passage.ratio:.3f}"] if passage.ratio != step.ratio else []
        words += [passage.part] if len(step.parts) > 1 else []
        console.print(Text(printable("  ".join(words)), style="dim"))
    if passage.weightings != known:
        named = (f"{_small(n)} {printable(name)}" for n, name in enumerate(passage.weightings, 1))
        print_packed(console, [Text(f"{passage.unit}, by"), *map(Text, named)], style="dim")
    console.print(passage_text(passage, in_colour=in_colour))
    if passage.has_weights:
        print_packed(console, map(Text, weight_entries(passage.tokens)), style="dim")


def print_packed(
    console: Console, entries: Iterable[Text], *, gap: str = "  ", style: str = ""
) -> None:
    """Print entries side by side, as many in a line as its width has room for."""
    line = Text()
    for entry in entries:
        if line and line.cell_len + len(gap) + entry.cell_len > console.width:
            console.print(line, style=style)
            line = Text()
        line.append(gap if line else "").append_text(entry)
    console.print(line, style=style)


def _legend(steps: Sequence[PreviewStep], *, in_colour: bool) -> Iterable[Text]:
    """What the marks mean that occur."""
    passages = [passage for step in steps for passage in step.passages]
    occurring = {token.state for passage in passages for token in passage.tokens}
    for state, meaning in _LEGEND.items():
        if state in occurring | _ALWAYS_EXPLAINED:
            shown = f" {meaning} " if in_colour else _MARKS[state].format(meaning)
            yield Text(shown, style=_STYLES[state] if in_colour else "")
    if any(stretch.is_boxed for passage in passages for stretch in passage.stretches()):
        yield Text("selected together".join(_CORNERS))
    if any(passage.weightings for passage in passages):
        yield Text(f"word{_small(1)} selected by weighting 1")
    if in_colour and any(passage.has_weights for passage in passages):
        yield Text(f"weight {_HEAVY:g} or more", style="bold")
        yield Text(f"below {_LIGHT:g}", style="dim")
    if in_colour and any(token.class_name for passage in passages for token in passage.tokens):
        yield Text("colours of words: their classes, below")


def passage_text(passage: PreviewPassage, *, in_colour: bool) -> Text:
    """The passage with its selected tokens in colour; a masked one shows what it was."""
    text = Text()
    for stretch in passage.stretches():
        if stretch.is_boxed:
            text.append(" " if stretch.tokens[0].is_spaced else "").append(_CORNERS[0])
        for number, token in enumerate(stretch.tokens):
            if token.is_spaced and not (stretch.is_boxed and number == 0):
                text.append(" ")
            text.append_text(_token_text(token, in_colour=in_colour))
            after = stretch.tokens[number + 1 :]
            # One number a word, behind its last token.
            if token.due_to is not None and not (after and not after[0].starts_word):
                text.append(_small(token.due_to + 1))
        if stretch.is_boxed:
            text.append(_CORNERS[1])
    return text


def _token_text(token: PreviewToken, *, in_colour: bool) -> Text:
    if token.state == "visible":
        return Text(printable(token.text), style=_visible_style(token) if in_colour else "")
    shown = token.original
    if token.state == "random":
        # Read in its direction the new token comes first; the arrow is not turned with the text.
        is_turned = all(map(_RIGHT_TO_LEFT.search, (token.text, token.original)))
        shown = f"{token.text}{'→' if is_turned else '←'}{token.original}"
    if in_colour:
        return Text(printable(shown), style=_STYLES[token.state])
    return Text(_MARKS[token.state].format(printable(shown)))


def _visible_style(token: PreviewToken) -> str:
    weight = "bold" if token.weight >= _HEAVY else "dim" if token.weight < _LIGHT else ""
    colour = class_colour(token.class_name) if token.class_name else ""
    return f"{weight} {colour}".strip()


def _small(number: int) -> str:
    return str(number).translate(_SMALL_DIGITS)


def weight_entries(tokens: Sequence[PreviewToken], *, most: int = 3) -> list[str]:
    """The largest and the smallest weights, by words and their first tokens, with chances."""
    words = {token.original: token for token in tokens if token.starts_word}
    ordered = sorted(words.values(), key=lambda token: -token.weight)
    if len(ordered) > 2 * most:
        ordered = [*ordered[:most], *ordered[-most:]]
    shown = []
    for token in ordered:
        chance = "" if token.inclusion is None else f" ({100 * token.inclusion:.0f} %)"
        shown.append(f"{printable(token.original)} {token.weight:.2f}{chance}")
    return ["weight (chance):", *shown]


def class_entries(shares: dict[str, tuple[float, float]], *, in_colour: bool) -> Iterable[Text]:
    """Share of each class among the masked and, in brackets, among all maskable tokens."""
    yield Text("share of the masked (of all tokens):", style="dim")
    for name, (masked, of_all) in sorted(shares.items(), key=lambda item: -item[1][1]):
        if of_all >= 0.005:
            style = class_colour(name) if in_colour else ""
            numbers = f" {100 * masked:.0f} % ({100 * of_all:.0f})"
            yield Text(printable(name), style=style).append(numbers, style="dim")


def parts_line(parts: dict[str, float]) -> str:
    """The parts of a policy with their shares of the sequences; one alone masks all of them."""
    if len(parts) == 1:
        return f"all sequences: {next(iter(parts))}"
    return "sequences: " + "  ".join(f"{100 * share:.3g} % {name}" for name, share in parts.items())


def length_line(ratios: dict[str, float]) -> str:
    """Masked share of the tokens of words of each length."""
    parts = [f"{length}: {100 * ratio:.1f} %" for length, ratio in ratios.items()]
    return "masked, by the word's length in tokens: " + "  ".join(parts)
