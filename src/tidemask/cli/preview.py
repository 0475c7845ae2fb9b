"""`tidemask preview`: a passage in colour, what the model sees of it and has to predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from tidemask.cli.options import CorpusArgument, OverridesArgument, RecipeOption
from tidemask.cli.terminal import print_note, stdout
from tidemask.errors import UserError
from tidemask.progress.line import printable

if TYPE_CHECKING:
    from tidemask.runs.preview import PreviewStep, PreviewToken

_STYLES = {
    "mask": "bold white on blue",
    "random": "bold black on yellow",
    "kept": "black on green",
    "hidden": "white on bright_black",
}
_MARKS = {"mask": "[{}]", "random": "{{{}}}", "kept": "<{}>", "hidden": "({})"}
"""Where there is no colour."""
_LEGEND = {
    "mask": "masked",
    "random": "replaced by a random token",
    "kept": "kept, but predicted",
    "hidden": "hidden, not predicted",
}
_ALWAYS_EXPLAINED = {"mask", "random", "kept"}


def preview_command(
    corpus: CorpusArgument,
    recipe: RecipeOption = "bert",
    progress: Annotated[
        str, typer.Option("--progress", help="Steps as shares of the run, comma-separated.")
    ] = "0,0.5,1",
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="PATH", help="Weight classes by the losses that this run logged."
        ),
    ] = None,
    sequence: Annotated[
        int, typer.Option("--sequence", help="Which held-out sequence to show.")
    ] = 0,
    settings: OverridesArgument = None,
) -> None:
    """Show what a recipe masks in real text at several steps of a run."""
    from tidemask.runs.config import load_recipe
    from tidemask.runs.preview import preview

    loaded = load_recipe(recipe, settings or [])
    if run is None and loaded.masking.content.weighting == "class_loss":
        print_note(
            "Without the losses of a run all are masked alike. "
            + (
                "Those of vocabulary entries are in checkpoints alone, so no more can be shown."
                if loaded.masking.uses_vocabulary_loss
                else "Name one by --run to see its weights."
            )
        )
    steps = preview(corpus, loaded, progress=_progresses(progress), run=run, sequence=sequence)
    show_preview(stdout, steps, recipe=loaded.name)


def show_preview(console: Console, steps: Sequence[PreviewStep], *, recipe: str) -> None:
    """Print each step: its ratio, the passage, and the share of each class."""
    legend = Text(f"{printable(recipe)}: ")
    in_colour = console.color_system is not None
    occurring = {token.state for step in steps for token in step.tokens} | _ALWAYS_EXPLAINED
    for state, meaning in _LEGEND.items():
        if state not in occurring:
            continue
        shown = f" {meaning} " if in_colour else _MARKS[state].format(meaning)
        legend.append(shown, style=_STYLES[state]).append("  ")
    console.print(legend)
    for step in steps:
        console.print()
        console.print(
            Text(f"progress {step.progress:g}", style="bold").append(
                f"   ratio {step.ratio:.3f}   realised {step.realised_ratio:.3f}",
                style="not bold",
            )
        )
        console.print(passage(step.tokens, in_colour=in_colour))
        if step.class_shares:
            console.print(Text(printable(class_line(step.class_shares)), style="dim"))
        console.print(Text(length_line(step.length_ratios), style="dim"))


def passage(tokens: Sequence[PreviewToken], *, in_colour: bool) -> Text:
    """The passage with its selected tokens in colour; a masked one shows what it was."""
    text = Text()
    for number, token in enumerate(tokens):
        if number and token.starts_word:
            text.append(" ")
        shown = f"{token.text}←{token.original}" if token.state == "random" else token.original
        shown = printable(shown)
        if token.state == "visible":
            text.append(printable(token.text))
        elif in_colour:
            text.append(shown, style=_STYLES[token.state])
        else:
            text.append(_MARKS[token.state].format(shown))
    return text


def class_line(shares: dict[str, tuple[float, float]]) -> str:
    """Share of each class among the masked and, in brackets, among all maskable tokens."""
    ordered = sorted(shares.items(), key=lambda item: -item[1][1])
    parts = [f"{name} {100 * a:.0f} % ({100 * b:.0f})" for name, (a, b) in ordered if b >= 0.005]
    return "masked (of all): " + "  ".join(parts)


def length_line(ratios: dict[str, float]) -> str:
    """Masked share of the tokens of words of each length."""
    parts = [f"{length}: {100 * ratio:.1f} %" for length, ratio in ratios.items()]
    return "masked, by the word's length in tokens: " + "  ".join(parts)


def _progresses(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = [-1.0]
    if not all(0.0 <= value <= 1.0 for value in values):
        raise UserError(
            f"progress outside its range: --progress={text}. Expected numbers from 0 to 1."
        )
    return values
