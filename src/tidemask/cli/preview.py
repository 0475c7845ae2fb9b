"""`tidemask preview`: real text, what the model sees of it and has to predict, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tidemask.cli.options import CorpusArgument, OverridesArgument, RecipeOption
from tidemask.cli.previewed_text import show_preview
from tidemask.cli.terminal import print_line, print_note, stdout
from tidemask.errors import UserError

if TYPE_CHECKING:
    from tidemask.masking.policy import MaskingSettings


def preview_command(
    corpus: CorpusArgument,
    recipe: RecipeOption = "bert",
    progress: Annotated[
        str,
        typer.Option(
            "--progress",
            help="Steps as shares of the run, comma-separated; auto for beginning, middle, end and "
            "each side of where a phase ends.",
        ),
    ] = "auto",
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="PATH",
            help="Mask by what this run logged and saved, such as losses of classes; without it a "
            "policy that learns from losses masks all kinds alike.",
        ),
    ] = None,
    sequence: Annotated[
        str | None,
        typer.Option(
            "--sequence",
            metavar="NUMBERS",
            help="Which held-out sequences to show, comma-separated; else the first, and in --html "
            "the first four.",
        ),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="PATH", help="Write one HTML page instead."),
    ] = None,
    settings: OverridesArgument = None,
) -> None:
    """Show what a recipe masks in real text at several steps of a run, and why."""
    from tidemask.runs.config import load_recipe
    from tidemask.runs.preview import preview

    loaded = load_recipe(recipe, settings or [])
    steps = preview(
        corpus,
        loaded,
        progress=_progresses(progress),
        run=run,
        sequence=None if sequence is None else _sequences(sequence),
        page=html,
    )
    for note in steps[0].notes:
        print_note(note)
    if run is None:
        _note_what_is_unknown(loaded.masking)
    if html is None:
        show_preview(stdout, steps, recipe=loaded.name)
    else:
        print_line(f"Page: {html}")


def _note_what_is_unknown(masking: MaskingSettings) -> None:
    """Say what of a policy shows only beside a run."""
    if masking.learning is not None:
        print_note(
            "Without the losses of a run all are masked alike. Name one by --run to see its "
            "weights."
        )
    if masking.scoring is not None:
        print_note(
            "Positions are weighted by the model in training; here all are masked alike. Name a "
            "run by --run to see the weights that its models give."
        )


def _progresses(text: str) -> list[float] | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = [-1.0]
    if not all(0.0 <= value <= 1.0 for value in values):
        raise UserError(
            f"progress outside its range: --progress={text}. Expected numbers from 0 to 1, or auto."
        )
    return values


def _sequences(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(
            f"no such sequence: --sequence={text}. Expected integers of at least 0, "
            "comma-separated."
        ) from error
