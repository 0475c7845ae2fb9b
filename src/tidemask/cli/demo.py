"""`tidemask demo`: a small study on Python's own documentation, and a look at what it trained.

What exists already is kept, so an interrupted demonstration continues where it stopped. A hidden
file tells its directory from a user's own, which may have the same names in it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemask.cli.interrupts import stopping_study_at_signals
from tidemask.cli.previewed_text import show_preview
from tidemask.cli.study import show_status
from tidemask.cli.tables import print_table
from tidemask.cli.terminal import print_line, progress_display, stdout
from tidemask.errors import UserError
from tidemask.files.atomic import check_is_directory, write_atomically
from tidemask.files.paths import given_path
from tidemask.processes import available_cores
from tidemask.run_record import FINAL, HELD_OUT_TASK, MEAN_LOSS, RunDirectory

if TYPE_CHECKING:
    from tidemask.progress.display import ProgressDisplay
    from tidemask.studies.status import StudyStatus
    from tidemask.training.signals import StopRequest

STEPS = 200
SEEDS = (0, 1, 2)

ARMS = {"constant": "constant-matched", "decay": "mrd-cosine"}
"""Recipes by the names of the arms. Both mask 17 % of the tokens on average over the run."""

MARKER = ".tidemask-demo"
"""The file that says that a demonstration made the directory, and with how many steps."""

_PARTS = {"corpus", "study.yaml", "study"}

_PREVIEWED = (0.05, 0.3, 1.0)
"""The moments at which it is shown what PTW masks, as shares of the run."""

_SENTENCES = (
    "If the file does not [MASK], an exception is raised.",
    "Return the [MASK] of items in the list.",
    "The default value of this argument [MASK] None.",
)


def demo_command(
    out: Annotated[
        str, typer.Option("--out", metavar="PATH", help="Directory for corpus, study and page.")
    ] = "tidemask-demo",
    steps: Annotated[
        int, typer.Option("--steps", min=20, max=1_000_000, help="Optimizer steps of each run.")
    ] = STEPS,
) -> None:
    """Ask whether a masking ratio that decays pays, on text that every installation has.

    Two policies with three seeds each, a few minutes on a laptop's CPU. Finished parts are kept:
    run it again to continue.
    """
    from tidemask.corpus.demo_text.prepared import prepare_demo_text

    place = given_path(out, "--out")
    with stopping_study_at_signals() as stop_request, progress_display() as display:
        _check_place(place, steps)
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / MARKER, f"{steps}\n")
        prepare_demo_text(place / "corpus", display.on_progress)
        status = _study(place, steps, display, stop_request)
    show_status(status, with_notes=False)
    if not status.is_finished or status.page_problem:
        raise typer.Exit(2)
    best = _best_run(status)
    _show_masking(place / "corpus", best, steps)
    _show_fillings(best)
    print_line("")
    print_line(f"The page, with curves and tables: {status.page}")
    print_line(
        "Your own text: tidemask prepare FILES --out corpus, then tidemask preview corpus "
        "--recipe ptw-mrd and tidemask pretrain corpus --out run --recipe ptw-mrd."
    )


def study_definition(steps: int) -> dict[str, object]:
    """The study of the demonstration, as its YAML file has it."""
    return {
        "question": "Does a masking ratio that decays beat a constant one of the same mean?",
        "corpus": "corpus",
        "baseline": "constant",
        "seeds": list(SEEDS),
        "margin": 0.02,
        "settings": [
            "model.size=modernbert-tiny-local",
            "model.dropout=0",
            f"training.max_steps={steps}",
            "training.micro_batch_size=24",
            "training.learning_rate=4.5e-3",
            f"training.logging_steps={max(1, steps // 30)}",
            f"training.save_steps={max(1, steps // 3)}",
            f"evaluation.every_steps={max(1, steps // 6)}",
            "evaluation.sequences=96",
            "evaluation.final_draws=2",
        ],
        "arms": {name: {"recipe": recipe} for name, recipe in ARMS.items()},
    }


def _check_place(out: Path, steps: int) -> None:
    """Refuse a directory that holds something else, or a demonstration of another length."""
    check_is_directory(out)
    marker = out / MARKER
    known = _PARTS if marker.is_file() else set()
    others = sorted(path.name for path in out.glob("[!.]*") if path.name not in known)
    if others:
        raise UserError(
            f"output exists: {out} holds {others[0]}, which no demonstration of this version "
            "made. Name another directory with --out, or delete this one if it is of an earlier "
            "version."
        )
    if known and (made := marker.read_text(errors="replace").strip()) != str(steps):
        raise UserError(
            f"another demonstration: {out} was begun with --steps={made or 'none'}, now "
            f"--steps={steps}. Name another directory with --out, or delete this one."
        )


def _study(
    place: Path, steps: int, display: ProgressDisplay, stop_request: StopRequest
) -> StudyStatus:
    from tidemask.studies.study import run_study

    file = place / "study.yaml"
    write_atomically(file, json.dumps(study_definition(steps), indent=2) + "\n")
    return run_study(
        file,
        out=place / "study",
        jobs=min(available_cores(), len(ARMS) * len(SEEDS)),
        progress=display,
        stop_request=stop_request,
    )


def _best_run(status: StudyStatus) -> RunDirectory:
    """The run with the lowest held-out loss, the mean of the six cells."""
    from tidemask.evaluation_files import read_metrics_of

    runs = [RunDirectory(status.directory / one.run.place) for one in status.states]
    measured = {run: read_metrics_of(run, HELD_OUT_TASK, FINAL) or {} for run in runs}
    return min(runs, key=lambda run: measured[run].get(MEAN_LOSS, math.inf))


def _show_masking(corpus: Path, run: RunDirectory, num_steps: int) -> None:
    """What PTW masks at three moments, by the losses of parts of speech that a run logged."""
    from tidemask.runs.config import load_recipe
    from tidemask.runs.preview import preview

    recipe = load_recipe("ptw", [f"training.max_steps={num_steps}"])
    print_line("")
    print_line(f"What PTW would mask, by the losses of the parts of speech in {run.root}:")
    steps = preview(corpus, recipe, progress=_PREVIEWED, run=run.root)
    show_preview(stdout, steps, recipe=recipe.name)


def _show_fillings(run: RunDirectory) -> None:
    """The words that a run's model fills in for the masks of a few sentences."""
    from tidemask.evaluation.targets import newest_model
    from tidemask.tasks.zero_shot.fill import fill_masks

    model = newest_model(str(run.root))
    rows = []
    for sentence in _SENTENCES:
        (words,) = fill_masks(model.masked_lm(), model.tokenizer, sentence, top=3)
        found = ", ".join(f"{word.token} {100 * word.probability:.0f} %" for word in words)
        rows.append([sentence, found])
    print_line("")
    print_line(f"What the best model, {run.root}, fills in:")
    print_table(["sentence", "words"], rows, text_columns=2)
