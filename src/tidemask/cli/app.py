"""The command line: its commands, and what becomes of their errors.

A command reads its arguments, calls a public function of the library, and shows the result. What
the library needs is imported inside it, so that `--help` is quick. An expected error becomes one
line on stderr and exit status 2.
"""

from __future__ import annotations

import inspect
import os
import sys
import time
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from tidemask import __version__
from tidemask.children import end_with_launcher
from tidemask.cli.annotate import annotate_command
from tidemask.cli.compare import compare_command
from tidemask.cli.demo import demo_command
from tidemask.cli.evaluate import evaluate_command
from tidemask.cli.fill import fill_command
from tidemask.cli.inspect import inspect_command
from tidemask.cli.interrupts import ending_in_order
from tidemask.cli.prepare import prepare_command
from tidemask.cli.pretrain import pretrain_command
from tidemask.cli.preview import preview_command
from tidemask.cli.push import push_command
from tidemask.cli.recipes import recipes_command
from tidemask.cli.resume import resume_command
from tidemask.cli.score import score_command
from tidemask.cli.study import study_app
from tidemask.cli.terminal import escape_what_cannot_be_encoded, print_error, print_line
from tidemask.cli.tune import tune_command
from tidemask.errors import UserError
from tidemask.processes import ending_early, is_first_rank, launch_problem
from tidemask.system_errors import named_causes

app = typer.Typer(
    help="Pre-train masked language models whose masking changes over training: how much is "
    "masked, and what.\n\nStart with `tidemask demo`, then `tidemask prepare` your own text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print_line(f"tidemask {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # its callback shows it
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None: ...


class _Command(TyperCommand):
    """A command whose arguments are refused in one line that shows the value seen."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the arguments.

        Raises:
            UserError: a value is of another type or outside its range.
        """
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if not hasattr(error.__cause__, "errors") or error.param is None:
                raise
            raise _wrong_value(error.param.opts[0], error.__cause__) from error


def _wrong_value(name: str, problem: Any) -> UserError:
    """What pydantic found wrong with an argument, in one line."""
    first = problem.errors()[0]
    expected = str(first["msg"]).removeprefix("Input should be ").partition(", unable to")[0]
    expected = (
        expected.rpartition(" is not ")[2].rstrip(".").replace("a valid integer", "an integer")
    )
    bound = "a number " if expected.startswith(("greater", "less")) else ""
    return UserError(
        f"wrong value: {name}={first['input']}. Expected {bound}{expected.replace('a valid', 'a')}."
    )


def _help(command: Any) -> str:
    """The help of a command: its docstring, whose paragraphs the terminal breaks into lines."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


_AGAIN = "Nothing was written; give the command again."

for _command, _kept in (
    (demo_command, "What is finished is kept; give the command again to continue."),
    (prepare_command, "Give the command again; it goes on with what is finished."),
    (annotate_command, "Give the command again; it goes on with what is finished."),
    (evaluate_command, "Results so far are saved; give the command again to continue."),
    (fill_command, _AGAIN),
    (score_command, _AGAIN),
    (compare_command, _AGAIN),
    (inspect_command, _AGAIN),
    (preview_command, _AGAIN),
    (recipes_command, _AGAIN),
    (push_command, "The hub has all of it or nothing new; give the command again."),
):
    _name = _command.__name__.removesuffix("_command")
    app.command(_name, cls=_Command, help=_help(_command))(ending_in_order(_kept)(_command))
for _training in (pretrain_command, resume_command, tune_command):  # they end in their own order
    _name = _training.__name__.removesuffix("_command")
    app.command(_name, cls=_Command, help=_help(_training))(_training)

app.add_typer(study_app, name="study")


_FIRST_RANK_SECONDS = 5.0
"""How long other processes of a launcher wait with their errors: it looks every 0.1 s."""


@ending_early()
def main(parent: int | None = None) -> NoReturn:
    """Run a command; exit with its status.

    Args:
        parent: the process that started this one; the present parent if left out.
    """
    end_with_launcher(os.getppid() if parent is None else parent)
    escape_what_cannot_be_encoded()
    if problem := launch_problem(joins=False):
        _fail(problem)
    try:
        with named_causes("Use shorter texts or a smaller model, or end other programs."):
            app(standalone_mode=True)
    except UserError as error:
        _fail(str(error))
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    """Print an error and exit with status 2.

    Of launched processes the first prints at once. The others have the same error as a rule, and
    the launcher ends them while they wait; one that fails alone prints after that.
    """
    if not is_first_rank():
        time.sleep(_FIRST_RANK_SECONDS)
    print_error(message)
    sys.exit(2)
