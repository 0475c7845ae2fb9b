"""An empty string is not a path: nothing takes it for the present directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tidemask as library
from cases import all_cases
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.evaluation.targets import newest_model
from tidemask.files.paths import CONVERT_TEXT, check_utf8, given_path
from tidemask.tasks.zero_shot.pll import read_texts

Command = Callable[..., tuple[int, str, str]]

COMMANDS: list[list[str]] = [
    ["prepare", "", "--out", "out"],
    ["prepare", "text.txt", "", "--out", "out"],
    ["prepare", "text.txt", "--out", ""],
    ["prepare", "text.txt", "--out="],
    ["prepare", "text.txt", "--out", "out", "--tokenizer", ""],
    ["pretrain", "", "--out", "out"],
    ["pretrain", "CORPUS", "--out", ""],
    ["pretrain", "CORPUS", "--out", "out", "model.warm_start=''"],
    ["pretrain", "CORPUS", "--out", "out", "model.config=''"],
    ["resume", ""],
    ["evaluate", ""],
    ["evaluate", "model", "--tasks-from", ""],
    ["evaluate", "model", "--data", ""],
    ["evaluate", "model", "--out", ""],
    ["fill", "", "The [MASK]."],
    ["score", "", "text"],
    ["score", "model", "--file", ""],
    ["compare", "", "--out", "out"],
    ["compare", "run", "--out", ""],
    ["preview", ""],
    ["preview", "CORPUS", "--run", ""],
    ["preview", "CORPUS", "--html", ""],
    ["recipes", "--plot", ""],
    ["demo", "--out", ""],
]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present directory, with a text, a model and a run in it that would be taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("A fox saw the grapes.\n", encoding="utf-8")
    for name in (".", "model"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "config.json").write_text("{}", encoding="utf-8")
    return tmp_path


def _names(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


@all_cases("arguments", COMMANDS, ids=" ".join)
@pytest.mark.slow
def test_paths_that_are_empty_are_refused_by_every_command(
    tidemask: Command, plain_corpus: Path, directory: Path, arguments: list[str]
) -> None:
    before = _names(directory)
    filled = [str(plain_corpus) if part == "CORPUS" else part for part in arguments]
    status, out, err = tidemask(*filled)
    assert (status, out) == (2, "")
    assert "empty path: " in err or "=''. Expected a name." in err
    assert len(err.splitlines()) == 1
    assert _names(directory) == before


def _prepared(out: str) -> object:
    return prepare_corpus(
        lambda: iter([Document("text", "a")]), out=out, settings=PrepareSettings()
    )


FUNCTIONS: dict[str, Callable[[str], object]] = {
    "prepare text": lambda p: library.prepare(p, out="out"),
    "prepare out": lambda p: library.prepare("text.txt", out=p),
    "prepare tokenizer": lambda p: library.prepare("text.txt", out="out", tokenizer=p),
    "prepare_corpus out": _prepared,
    "open_corpus": library.open_corpus,
    "pretrain corpus": lambda p: library.pretrain(p, out="out"),
    "pretrain out": lambda p: library.pretrain("corpus", out=p),
    "resume": library.resume,
    "evaluate targets": library.evaluate,
    "evaluate list of targets": lambda p: library.evaluate(["model", p]),
    "evaluate tasks_from": lambda p: library.evaluate("model", tasks_from=p),
    "evaluate task_data": lambda p: library.evaluate("model", tasks="cola", task_data={"cola": p}),
    "evaluate data": lambda p: library.evaluate("model", data=p),
    "evaluate out": lambda p: library.evaluate("model", out=p),
    "compare runs": lambda p: library.compare([p], out="out"),
    "compare out": lambda p: library.compare("run", out=p),
    "preview corpus": library.preview,
    "newest_model": newest_model,
    "load_tokenizer": load_tokenizer,
    "read_texts": read_texts,
    "TextSources.find": lambda p: TextSources.find([p], TextSettings()),
}


@all_cases("call", FUNCTIONS.values(), ids=FUNCTIONS)
@all_cases("path", ["", "  ", "a\0b", "caf\udce9", "\ud800"], ids=ascii)
def test_paths_that_cannot_be_are_refused_by_every_function(
    directory: Path, call: Callable[[str], object], path: str
) -> None:
    before = _names(directory)
    with pytest.raises(UserError, match=r"^(empty path|not a path|not UTF-8): ") as caught:
        call(path)
    str(caught.value).encode()
    assert len(str(caught.value).splitlines()) == 1
    assert _names(directory) == before


def test_paths_have_a_point_for_the_present_directory() -> None:
    assert given_path(".", "out") == given_path(Path(), "out") == Path()


@pytest.mark.parametrize("value", [None, 3, b"bytes", ["a"]])
def test_paths_given_path_refuses_what_is_not_a_path(value: object) -> None:
    with pytest.raises(UserError, match=r"^not a path: out="):
        given_path(value, "out")  # type: ignore[arg-type]


def test_paths_given_path_may_be_called_as_a_home_where_it_says_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`./~` is what shells call it; read twice, as by a command and then a function, it stays."""
    monkeypatch.chdir(tmp_path)
    once = given_path("./~", "out")
    assert given_path(once, "out") == once == tmp_path / "~"
    assert given_path("~", "out") == Path.home()


def test_paths_given_path_names_a_home_that_does_not_exist() -> None:
    with pytest.raises(UserError, match=r"^no home directory: out=~no-such-user-here/x"):
        given_path("~no-such-user-here/x", "out")


def test_paths_check_utf8_shows_the_place_and_not_the_whole_text() -> None:
    with pytest.raises(UserError, match=r"text='a{20}\\ud83db{20}', character 500\.") as caught:
        check_utf8("a" * 500 + "\ud83d" + "b" * 500, "text")
    assert len(str(caught.value)) < 250
    with pytest.raises(UserError, match=r"in UTF-8\. Convert the text to UTF-8\.$"):
        check_utf8("\udcff", "text", CONVERT_TEXT)
    check_utf8("\N{GRINNING FACE} caf\N{LATIN SMALL LETTER E WITH ACUTE}", "text")
