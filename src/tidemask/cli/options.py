"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

CorpusArgument = Annotated[str, typer.Argument(help="A corpus made by `tidemask prepare`.")]

RecipeOption = Annotated[
    str,
    typer.Option(
        "--recipe",
        "-r",
        help="A shipped recipe (`tidemask recipes` lists them) or a YAML file of your own.",
    ),
]

OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="section.field=value",
        help="Settings over the recipe's, such as training.max_steps=500 model.size=bert-mini. "
        "The length of a run is training.max_steps, training.max_epochs or training.max_tokens. "
        "`tidemask recipes NAME` shows those of a recipe.",
        show_default=False,
    ),
]

ModelArgument = Annotated[
    str,
    typer.Argument(metavar="RUN_OR_MODEL", help="A run, a model directory, or a model on the hub."),
]

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON Lines with all digits in place of tables.")
]

JobsOption = Annotated[
    int, typer.Option("--jobs", help="Runs at once; GPUs or the cores are divided among them.")
]

EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="local|ray[:ADDRESS]",
        help="Where the work is done: local, or ray for the machines of a cluster at ADDRESS; "
        "without one, Ray is started on this machine.",
    ),
]
