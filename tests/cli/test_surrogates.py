"""Arguments and names that are not UTF-8, lone surrogates in Python: a line, or the work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import all_cases
from child_processes import HUNG_SECONDS
from scored_material import model_for, wordpiece
from small_runs import warm_command

NAME = b"caf\xe9"
"""In Latin-1; as an argument of a Python program it is `caf\\udce9`."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scored")
    model_for(wordpiece()).save_pretrained(path)
    wordpiece().save_pretrained(path)
    return path


def _run(*arguments: str | bytes | Path, **environment: str) -> tuple[int, str, str]:
    """A real process; its streams must hold nothing but UTF-8."""
    command = [*warm_command("tidemask"), *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        timeout=HUNG_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


ARGUMENTS = [
    [b"score", b"MODEL", NAME],
    [b"score", b"MODEL", b"a text", NAME, b"--json"],
    [b"score", b"MODEL", b"--file", NAME],
    [b"score", NAME, b"text"],
    [b"fill", b"MODEL", NAME + b" [MASK]"],
    [b"fill", NAME, b"[MASK]"],
    [b"prepare", NAME, b"--out", b"OUT"],
    [b"prepare", b"TEXT", b"--out", NAME],
    [b"prepare", b"TEXT", b"--out", b"OUT", b"--tokenizer", NAME],
    [b"prepare", b"TEXT", b"--out", b"OUT", b"--tagger", NAME],
    [b"pretrain", b"CORPUS", b"--out", NAME],
    [b"pretrain", b"CORPUS", b"--out", b"OUT", b"--recipe", NAME],
    [b"pretrain", b"CORPUS", b"--out", b"OUT", b"--recipe", NAME + b".yaml"],
    [b"pretrain", b"CORPUS", b"--out", b"OUT", b"model.warm_start=" + NAME],
    [b"pretrain", b"CORPUS", b"--out", b"OUT", NAME + b"=1"],
    [b"resume", NAME],
    [b"evaluate", NAME],
    [b"evaluate", b"MODEL", b"--tasks", NAME],
    [b"evaluate", b"MODEL", b"--task-data", b"cola=" + NAME],
    [b"evaluate", b"MODEL", b"--checkpoints", NAME, b"--data", NAME],
    [b"compare", NAME, b"--out", b"OUT"],
    [b"compare", b"CORPUS", b"--out", NAME],
    [b"preview", NAME],
    [b"preview", b"CORPUS", b"--progress", NAME],
    [b"recipes", NAME],
    [b"recipes", b"--plot", NAME + b".svg"],
    [b"demo", b"--out", NAME],
    [NAME],
]
"""One of each option and argument that is text or a place."""


def _given(
    arguments: list[bytes], model: Path, corpus: Path, directory: Path
) -> list[bytes | Path]:
    (directory / "text.txt").write_text("A fox saw the grapes.\n", encoding="utf-8")
    places = {
        b"MODEL": model,
        b"CORPUS": corpus,
        b"TEXT": directory / "text.txt",
        b"OUT": directory / "out",
    }
    return [places.get(part, part) for part in arguments]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ARGUMENTS[::5])
def test_surrogates_in_arguments_give_one_line_on_streams_of_utf8(
    model: Path, plain_corpus: Path, tmp_path: Path, arguments: list[bytes]
) -> None:
    status, out, err = _run(*_given(arguments, model, plain_corpus, tmp_path))
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert "caf" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@all_cases("arguments", ARGUMENTS)
def test_surrogates_in_arguments_give_one_line(
    model: Path, plain_corpus: Path, tmp_path: Path, arguments: list[bytes],
    tidemask: Callable[..., tuple[int, str, str]],
) -> None:  # fmt: skip
    """In this process, which has imported all; what is printed must be UTF-8 without a repair."""
    given = _given(arguments, model, plain_corpus, tmp_path)
    status, out, err = tidemask(*map(os.fsdecode, given))
    assert (status, out) == (2, "")
    assert "caf" in err
    assert err.encode()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_surrogates_in_a_name_that_a_directory_holds_are_named(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    place = tmp_path / "texts" / os.fsdecode(NAME + b".txt")
    place.write_text("A fox saw the grapes.\n", encoding="utf-8")
    status, _, err = _run("prepare", tmp_path / "texts", "--out", tmp_path / "out")
    assert (status, len(err.splitlines())) == (2, 1)
    assert r"caf\udce9.txt" in err


@pytest.mark.slow
def test_surrogates_in_the_present_directory_give_one_line(tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(NAME)
    place.mkdir()
    (place / "text.txt").write_text("A fox saw the grapes.\n", encoding="utf-8")
    done = subprocess.run(
        [*warm_command("tidemask"), "prepare", "text.txt", "--out", "corpus"],
        cwd=place,
        capture_output=True,
        timeout=HUNG_SECONDS,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert rb"not UTF-8: out=" in done.stderr
    assert [path.name for path in place.iterdir()] == ["text.txt"]


@pytest.mark.slow
def test_surrogates_and_what_an_encoding_lacks_are_printed_as_escapes(model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tidemask", "score", model, "The ☃ paints."],
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=HUNG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"The \u2603 paints." in done.stdout
