"""`tidemask push`: a run's model, on the hub."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tidemask.cli.terminal import print_line, print_note


def push_command(
    run: Annotated[str, typer.Argument(help="A finished run; or any, with --checkpoint.")],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="USER/NAME",
            help="Owner and name on the hub; your own and that of the run if left out.",
            show_default=False,
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Let only you, or the owner's members, see it.")
    ] = False,
    checkpoint: Annotated[
        int | None,
        typer.Option(
            "--checkpoint",
            metavar="STEPS",
            min=0,
            help="Upload a checkpoint in place of the final model.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Upload the model of a run to the Hugging Face hub, with its card and its record.

    It is one commit: after an interruption the hub has all of it, or what it had before. Log in
    first with `hf auth login`, or set HF_TOKEN.
    """
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    from tidemask.runs.push import push

    if not sys.stderr.isatty():
        disable_progress_bars()
    address = push(run, to=to, private=private, checkpoint=checkpoint, on_note=print_note)
    print_line(f"Model: {address}")
