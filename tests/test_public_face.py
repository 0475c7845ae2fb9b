"""The public names, and the functions that the commands call: the same from Python as by a command.

The functions are called in a script of their own, as a notebook would call them.
"""

from __future__ import annotations

import ast
import filecmp
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tidemask as package
from places import ROOT
from prose import text
from small_runs import TINY, trained, warm_command

Command = Callable[..., tuple[int, str, str]]

SCRIPT = """
import json, sys, tidemask

settings = json.loads(sys.argv[1])
corpus = tidemask.prepare(
    "text.txt", out="corpus", vocab_size=150, sequence_length=32, held_out=0.25, workers=1
)
run = tidemask.pretrain("corpus", out="run", recipe="ptw-mrd", overrides=settings)
again = tidemask.pretrain("corpus", out="run", recipe="ptw-mrd", overrides=settings, resume="auto")
assert again == run
[result] = tidemask.evaluate(["run"], checkpoints="5", with_random=False)
comparison = tidemask.compare("run", out="report")
steps = tidemask.preview("corpus", "ptw-mrd", run="run")
print(json.dumps([run.metrics, result.results[0].metrics, steps[1].realised_ratio]))
"""


@pytest.mark.slow
def test_public_functions_give_what_the_commands_give(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_function, by_command = tmp_path / "function", tmp_path / "command"
    for directory in (by_function, by_command):
        directory.mkdir()
        (directory / "text.txt").write_text(text(30, seed=7), encoding="utf-8")
    (tmp_path / "script.py").write_text(SCRIPT)
    called = subprocess.run(
        warm_command(tmp_path / "script.py", json.dumps(TINY)),
        cwd=by_function,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # as here: threads round differently
        capture_output=True,
        text=True,
    )
    assert called.returncode == 0, called.stderr
    final, at_checkpoint, realised = json.loads(called.stdout)
    assert "Run is finished: run. Nothing is left to do." in called.stderr
    assert "training: " not in called.stderr, "no lines of progress where there is no terminal"
    monkeypatch.chdir(by_command)
    for arguments in (
        ["prepare", "text.txt", "--out", "corpus", "--vocab-size", 150, "--sequence-length", 32,
         "--held-out", 0.25, "--workers", 1],
        ["pretrain", "corpus", "--out", "run", "--recipe", "ptw-mrd", *TINY],
        ["evaluate", "run", "--checkpoints", 5, "--no-random"],
        ["compare", "run", "--out", "report"],
    ):  # fmt: skip
        status, _, err = tidemask(*arguments)
        assert status == 0, err
    for name in ("corpus/manifest.json", "run/model/model.safetensors"):
        assert filecmp.cmp(by_function / name, by_command / name, shallow=False), name
    for name, metrics in (("final", final), ("checkpoint-5", at_checkpoint)):
        saved = json.loads((by_command / f"run/evaluation/held-out--{name}.json").read_text())
        assert saved["metrics"] == metrics
    assert {path.name for path in (by_function / "report").rglob("*")} == {
        path.name for path in (by_command / "report").rglob("*")
    }
    _, out, _ = tidemask("preview", "corpus", "--recipe", "ptw-mrd", "--run", "run")
    assert f"realised {realised:.3f}" in out


@pytest.mark.slow
def test_public_functions_run_as_the_pages_show_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blocks of README and guide, with tiny settings and held-out loss alone."""
    monkeypatch.chdir(tmp_path)
    for directory in ("books", "data/eval"):
        Path(directory).mkdir(parents=True)
    for number in range(2):
        path = Path(f"books/{number}.txt.gz")
        path.write_bytes(gzip.compress(text(30, seed=number).encode()))
    readme, guide = (
        re.findall(r"```py\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)[0]
        for page in ("README.md", "docs/guides/evaluation.md")
    )
    alike = '["masking.unit=word", "model.size=bert-mini"]'
    assert alike in readme
    exec(readme.replace(alike, str(["masking.unit=word", *TINY])), {})
    assert Path("report/index.html").is_file()
    exec(guide.replace('["sst2", "blimp"]', '["held-out"]'), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["runs/bert", "held-out", "final"], ["runs/ptw", "held-out", "final"],
    ]  # fmt: skip


@pytest.mark.slow
def test_public_functions_take_places_below_the_home_directory(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    for directory in (home, here, home / "tasks"):
        directory.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    (home / "corpus").symlink_to(corpus)
    (home / "text.txt").write_text(text(30, seed=7), encoding="utf-8")
    (home / "own.yaml").write_text("summary: our own", encoding="utf-8")
    pair = {"sentence_good": "the fox saw it", "sentence_bad": "it the saw fox"}
    (home / "pairs.jsonl").write_text(json.dumps(pair), encoding="utf-8")
    package.prepare("~/text.txt", out="~/prepared", vocab_size=150, held_out=0.25, workers=1)
    assert package.open_corpus("~/prepared").root == home / "prepared"
    settings = [*TINY, "training.max_steps=2"]
    run = package.pretrain("~/corpus", out="~/run", recipe="~/own.yaml", overrides=settings)
    assert run.directory.read_config()["corpus"]["path"] == str(corpus.resolve())
    shutil.rmtree(home / "run" / "model")
    assert package.resume("~/run") == run
    results = package.evaluate(
        ["~/run", "~/run/model"], tasks=["held-out", "pairs"], tasks_from="~/tasks",
        task_data={"pairs": "~/pairs.jsonl"}, data="~/corpus", out="~/results", with_random=False,
    )  # fmt: skip
    assert [result.problem for result in results] == [""] * 4
    assert list((home / "results" / "evaluation").glob("*.json"))
    assert package.compare("~/run", out="~/report").page == home / "report" / "index.html"
    assert package.preview("~/corpus", "ptw-mrd", run="~/run", progress=[1.0])
    assert list(here.iterdir()) == []


def test_public_function_of_preparing_takes_a_tokenizer_or_a_size() -> None:
    with pytest.raises(package.UserError, match=r"tokenizer=mine, vocab_size=99. Give one of them"):
        package.prepare("text.txt", out="out", tokenizer="mine", vocab_size=99)


def test_public_names_are_those_that_type_checkers_see() -> None:
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == package._HOMES
    assert package.__all__ == sorted(seen)
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
        assert not (Path(package.__file__).parent / name).exists(), "a package has the same name"


def test_public_names_are_completed_before_they_are_loaded() -> None:
    code = "import sys, tidemask; print(*dir(tidemask)); assert 'torch' not in sys.modules"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {*package.__all__, "__version__"} <= {*shown.stdout.split()}


@pytest.mark.slow
def test_public_messages_name_the_argument_and_the_option(corpus: Path, tmp_path: Path) -> None:
    """A notebook's user knows the one, a terminal's the other."""
    model = trained(corpus, tmp_path / "run", "bert", "training.max_steps=1").model
    (tmp_path / "again").mkdir()
    shutil.copytree(model, tmp_path / "again" / "model")
    nowhere = tmp_path / "nowhere"
    for said, targets, options in (
        (f"no such directory: tasks_from={nowhere} (--tasks-from).", model,
         {"tasks_from": nowhere}),
        (f"no such task: colla in task_data (--task-data colla={nowhere}). Did you mean cola?",
         model, {"task_data": {"colla": nowhere}}),
        ("each with a directory `out` (--out) of its own.", [model, tmp_path / "again" / "model"],
         {"out": nowhere}),
        ("Name a prepared corpus as `data` (--data).", model, {}),
        ("Name some in `tasks` (--tasks).", model, {"tasks": []}),
        ("Name the directory of all tasks as `tasks_from` (--tasks-from)", model,
         {"tasks": ["blimp"]}),
    ):  # fmt: skip
        with pytest.raises(package.UserError, match=re.escape(said)):
            package.evaluate(targets, **options, progress=False)  # type: ignore[arg-type]


def test_public_version_is_that_of_the_command(tidemask: Command) -> None:
    assert tidemask("--version") == (0, f"tidemask {package.__version__}\n", "")
