"""Names that users give are printed as they are: never markup, an emoji or a control sequence."""

from __future__ import annotations

import ast
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from cases import all_cases
from places import ROOT
from prose import text
from small_runs import TINY
from tidemask.progress.display import ProgressDisplay

Command = Callable[..., tuple[int, str, str]]

NAMES = ["c[red]x", "[/]", "[bold", ":boom:[link]y[/]"]
"""Each is markup or an emoji for rich, and some of them raise `MarkupError` in it."""

WHERE_A_NAME_STANDS = [
    "prepare {name} --out {out}",
    "prepare text.txt --out {out} --tokenizer ./{name}",
    "prepare text.txt --out {out} --tagger {name}",
    "pretrain {name} --out {out}",
    "pretrain corpus --out {out} --recipe {name}",
    "pretrain corpus --out {out} {name}=3",
    "pretrain corpus --out {out} --resume {name}",
    "resume {name}",
    "evaluate ./{name}",
    "evaluate model --tasks {name}",
    "evaluate model --tasks blimp --task-data {name}=x",
    "evaluate model --tasks-from {name}",
    "fill ./{name} text",
    "score ./{name} text",
    "score model --file {name}",
    "compare {name} --out {out}",
    "preview {name}",
    "preview corpus --progress {name}",
    "recipes {name}",
    "recipes --plot {name}",
    "{name}",
    "recipes --{name}",
]


@pytest.mark.slow
@all_cases("name", NAMES)
@all_cases("arguments", WHERE_A_NAME_STANDS)
def test_names_stand_in_an_error_as_they_are(
    tidemask: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    Path("text.txt").write_text("A fox saw the grapes.\n", encoding="utf-8")
    for place in ("corpus", "model"):
        Path(place).mkdir(exist_ok=True)
        Path(place, "config.json").write_text("{}", encoding="utf-8")
    filled = [part.format(name=name, out="out") for part in arguments.split()]
    status, _, err = tidemask(*filled)
    assert status == 2
    assert name in err
    assert "\x1b" not in err


@pytest.mark.parametrize("name", [*NAMES, "caf\udce9 \x1b[31mred"])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_names_stand_in_progress_and_notes_as_they_are(name: str, is_terminal: bool) -> None:
    """Even on a console of the caller, which reads markup."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, color_system=None, width=100)
    with ProgressDisplay(console, logs=True) as display:
        display.on_note(f"note {name}.")
        display.on_progress(name, 2, 2)
    shown = name.replace("\udce9", r"\udce9").replace("\x1b", r"\x1b")
    assert f"note {shown}." in file.getvalue()
    assert f"\n{shown}" in file.getvalue().replace("\r", "\n").replace("\x1b[2K", "")
    file.getvalue().encode()


@pytest.mark.slow
def test_names_are_markup_on_no_console_of_the_tree() -> None:
    calls = [
        (path.name, {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords})
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Console")
    ]
    assert len(calls) >= 3
    for place, given in calls:
        assert (given.get("markup"), given.get("emoji")) == ("False", "False"), place


@pytest.mark.slow
def test_names_are_printed_as_they_are_by_every_command(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command at work in directories whose names are markup, with files of such names."""
    root = tmp_path / "c[red]x :boom: [bold [" / "i]"
    root.mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "200")
    (root / "te[xt].txt").write_text(text(40), encoding="utf-8")
    corpus, run, recipe = root / "[corpus", root / "run[/]x", root / "my [red] recipe.yaml"
    shutil.copy(Path(__file__).parents[2] / "src/tidemask/recipes/bert.yaml", recipe)

    def shown(*arguments: object) -> str:
        status, out, err = tidemask(*arguments)
        assert status == 0, err
        return out

    sizes = ("--vocab-size", 200, "--sequence-length", 32, "--held-out", 0.2, "--workers", 1)
    assert f"Corpus: {corpus}" in shown("prepare", root / "te[xt].txt", "--out", corpus, *sizes)
    trained = shown("pretrain", corpus, "--out", run, "--recipe", recipe, *TINY)
    assert f"Model: {run / 'model'}" in trained
    shutil.rmtree(run / "model")
    assert f"Model: {run / 'model'}" in shown("resume", run)
    assert "my [red] recipe: " in shown("preview", corpus, "--recipe", recipe)
    assert "my [red] recipe" in shown("recipes", recipe)
    scored = shown("score", run, "[red]the[/] :boom: [bold", "--tokens")
    assert "[red]the[/] :boom: [bold" in scored
    assert "probability" in shown("fill", run, "[bold the [MASK] [/red]")
    evaluated = shown("evaluate", run, "--tasks", "pseudo-perplexity", "--no-random")
    assert f"{run}: shares x 100" in evaluated
    compared = shown("compare", run, "--out", root / "re[port]")
    assert f"Report: {root / 're[port]' / 'index.html'}" in compared
    assert "my [red] recipe" in compared
    assert f"Figure: {root / 'fig[ure].svg'}" in shown(
        "recipes", recipe, "--plot", root / "fig[ure].svg"
    )
