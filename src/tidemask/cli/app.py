"""The command line: reads arguments, calls one function, shows its result.

What the library needs is imported inside each command, so that `--help` is quick. An expected
error becomes one line on stderr and exit status 2.
"""

from __future__ import annotations

import errno
import sys
import time
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from tidemask.cli.comparison_tables import show_comparison
from tidemask.cli.evaluate import evaluate
from tidemask.cli.scoring import fill, score
from tidemask.cli.terminal import print_error, print_table, reporting, stderr, stdout
from tidemask.cli.training import interruptible, stopping_in_order, train_and_show
from tidemask.errors import UserError
from tidemask.processes import ending_early, is_first_rank

app = typer.Typer(
    help="Pre-train masked language models whose masking changes over training: how much is "
    "masked, and what.\n\nStart with `tidemask demo`, then `tidemask prepare` your own text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RecipeOption = Annotated[
    str,
    typer.Option(
        "--recipe",
        "-r",
        help="A shipped recipe (`tidemask recipes` lists them) or a YAML file of your own.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="section.field=value",
        help="Settings over the recipe's, such as training.max_steps=500 model.size=bert-mini. "
        "`tidemask recipes NAME` shows those of a recipe.",
        show_default=False,
    ),
]


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Directory for corpus, runs and report.")
    ] = Path("tidemask-demo"),
    steps: Annotated[
        int, typer.Option("--steps", min=20, help="Optimizer steps of each run.")
    ] = 1350,
) -> None:
    """Run the whole job on text that every installation carries, and compare four policies.

    A few minutes on a laptop's CPU. What is there already is kept: run it again to continue.
    """
    from tidemask.cli.demo import run_demo

    with reporting() as reporter, interruptible(f"tidemask demo --out {out} --steps {steps}"):
        comparison = run_demo(out, steps=steps, reporter=reporter)
    show_comparison(comparison)


@app.command()
def prepare(
    text: Annotated[
        list[str],
        typer.Argument(
            help=".txt, .txt.gz or .txt.xz files, directories or globs; documents are separated "
            "by empty lines."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Directory to be made.")],
    tokenizer: Annotated[
        str | None,
        typer.Option(
            "--tokenizer", help="Directory or hub name of a fast tokenizer. Default: train one."
        ),
    ] = None,
    vocab_size: Annotated[
        int | None,
        typer.Option(
            "--vocab-size", help="Entries of the WordPiece tokenizer to train; 8192 if left out."
        ),
    ] = None,
    tagger: Annotated[
        str,
        typer.Option(
            "--tagger", help="textblob, spacy:NAME_OR_PATH, or none for no token classes."
        ),
    ] = "textblob",
    sequence_length: Annotated[
        int, typer.Option("--sequence-length", help="Tokens per sequence, special ones included.")
    ] = 128,
    held_out: Annotated[
        float, typer.Option("--held-out", help="Share of the documents kept for evaluation.")
    ] = 0.05,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes; one per core if left out."),
    ] = None,
) -> None:
    """Turn text files into a prepared corpus: tokenised, tagged, aligned and packed."""
    from tidemask.corpus.prepare import PrepareSettings, available_cores, prepare_files

    if tokenizer is not None and vocab_size is not None:
        raise UserError("both --tokenizer and --vocab-size. Give one of them.")
    settings = PrepareSettings(
        tokenizer=tokenizer,
        vocab_size=8192 if vocab_size is None else vocab_size,
        tagger=tagger,
        sequence_length=sequence_length,
        held_out=held_out,
        workers=available_cores() if workers is None else workers,
    )
    with reporting() as reporter:
        corpus = prepare_files(text, out=out, settings=settings, on_progress=reporter.on_progress)
    manifest = corpus.manifest
    rows = [
        [
            name,
            f"{n.num_documents:,}",
            f"{n.num_words:,}",
            f"{n.num_tokens:,}",
            f"{n.num_sequences:,}",
        ]
        for name, n in (("training", manifest.train), ("held-out", manifest.held_out))
    ]
    print_table(["split", "documents", "words", "tokens", "sequences"], rows)
    stdout.print(
        f"{manifest.vocab_size:,} vocabulary entries, tagger {manifest.tagger}, "
        f"{manifest.num_duplicates_dropped:,} near-duplicates dropped",
        soft_wrap=True,
    )
    stdout.print(f"Corpus: {out}", soft_wrap=True)


@app.command()
def pretrain(
    corpus: Annotated[Path, typer.Argument(help="A corpus made by `tidemask prepare`.")],
    out: Annotated[Path, typer.Option("--out", help="Run directory to be made.")],
    recipe: RecipeOption = "bert",
    on_existing: Annotated[
        Literal["never", "auto"],
        typer.Option(
            "--resume",
            help="auto continues the run in --out if it was started with the same settings, so "
            "that a scheduler may submit one command again and again.",
        ),
    ] = "never",
    settings: Overrides = None,
) -> None:
    """Pre-train a model on a prepared corpus under a masking recipe.

    SIGTERM, SIGUSR1 and Ctrl-C save a checkpoint and end it; `tidemask resume` continues.
    """
    with stopping_in_order(out) as stop_request:
        from tidemask.runs.config import load_recipe
        from tidemask.runs.creation import new_or_same_run, new_run

        planned = load_recipe(recipe, settings or [])
        if on_existing == "never":
            is_finished = False
            new_run(planned, corpus, out)
        else:
            is_finished = new_or_same_run(planned, corpus, out)
        train_and_show(out, stop_request, is_finished=is_finished)


@app.command()
def resume(run: Annotated[Path, typer.Argument(help="A run that was interrupted.")]) -> None:
    """Continue an interrupted run from its last checkpoint, as if it had never stopped."""
    from tidemask.run_record import RunDirectory

    RunDirectory(run).read_config()
    with stopping_in_order(run) as stop_request:
        train_and_show(run, stop_request)


app.command()(evaluate)
app.command()(fill)
app.command()(score)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories; one is allowed.")],
    out: Annotated[Path, typer.Option("--out", help="Directory to be made for the report.")],
) -> None:
    """Put runs side by side: one HTML page, figures as PNG and SVG, tables as CSV."""
    from tidemask.report.compare import compare_runs

    show_comparison(compare_runs(runs, out))


@app.command()
def preview(
    corpus: Annotated[Path, typer.Argument(help="A corpus made by `tidemask prepare`.")],
    recipe: RecipeOption = "bert",
    progress: Annotated[
        str, typer.Option("--progress", help="Moments of the run as shares of it, comma-separated.")
    ] = "0,0.5,1",
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Weigh classes by the losses that this run logged."),
    ] = None,
    sequence: Annotated[
        int, typer.Option("--sequence", help="Which held-out sequence to show.")
    ] = 0,
    settings: Overrides = None,
) -> None:
    """Show what a recipe masks in real text at several steps of a run."""
    from tidemask.cli.preview_text import show_preview
    from tidemask.runs.config import load_recipe
    from tidemask.runs.preview import preview as mask_passage

    loaded = load_recipe(recipe, settings or [])
    if run is None and loaded.masking.content.weighting == "class_loss":
        stderr.print(
            "Without the losses of a run all are masked alike. "
            + (
                "Those of vocabulary entries are in checkpoints alone, so there is no more to see."
                if loaded.masking.uses_vocabulary_loss
                else "Name one by --run to see its weights."
            ),
            soft_wrap=True,
        )
    steps = mask_passage(
        corpus, loaded, progresses=_progresses(progress), run=run, sequence=sequence
    )
    show_preview(stdout, steps, recipe=loaded.name)


@app.command()
def recipes(
    name: Annotated[
        str | None, typer.Argument(help="The recipe to show; a YAML file of your own, too.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw the ratio over the run, into a .png or .svg file."),
    ] = None,
) -> None:
    """List the shipped recipes, show one with its source, or draw their ratio curves."""
    from tidemask.masking.schedule import mean_ratio
    from tidemask.runs.config import load_recipe, recipe_names, to_yaml

    if plot is not None:
        from tidemask.cli.recipe_figure import draw_recipes

        draw_recipes(recipe_names() if name is None else [name], plot)
        stdout.print(f"Figure: {plot}", soft_wrap=True)
        return
    if name is not None:
        stdout.out(to_yaml(load_recipe(name)), end="", highlight=False)
        return
    rows = []
    for known in recipe_names():
        recipe = load_recipe(known)
        ratio = recipe.masking.ratio
        numbers = [f"{100 * value:.0f} %" for value in (ratio(0.0), ratio(1.0), mean_ratio(ratio))]
        rows.append([known, recipe.summary, *numbers])
    print_table(["recipe", "what it does", "start", "end", "mean"], rows, text_columns=2)


_USERS_OSERRORS = {
    errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOSPC,
    errno.ENOTDIR, errno.EPERM, errno.EROFS,
}  # fmt: skip
"""What the system refuses for a reason that a user can mend; every other is a defect of ours."""

_FIRST_RANK_SECONDS = 5.0
"""How long other processes of a launcher wait with their errors: it looks every 0.1 s."""


@ending_early()
def main() -> NoReturn:
    """Run a command; exit with its status."""
    try:
        app(standalone_mode=True)
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in _USERS_OSERRORS:
            raise
        where = f": {error.filename}" if error.filename else ""
        _fail(f"{error.strerror}{where}.")
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    """Print an error and exit with status 2.

    Of launched processes the first prints at once. What it says is as a rule what the others would
    say, and the launcher ends them while they wait; one that fails alone prints after that.
    """
    if not is_first_rank():
        time.sleep(_FIRST_RANK_SECONDS)
    print_error(message)
    sys.exit(2)


def _progresses(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = [-1.0]
    if not all(0.0 <= value <= 1.0 for value in values):
        raise UserError(
            f"progress outside its range: --progress={text}. Expected numbers in [0, 1]."
        )
    return values
