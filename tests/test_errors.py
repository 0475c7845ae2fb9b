"""Hints and lines that every message shares."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

import tidemask
from tidemask.cli.app import app
from tidemask.cli.terminal import print_error
from tidemask.errors import command_line, did_you_mean, one_line


def test_errors_hint_names_the_nearest():
    assert did_you_mean("colla", ["sst2", "cola"]) == " Did you mean cola?"
    assert did_you_mean(12, ["sst2", "cola"]) == ""
    assert did_you_mean("cola", []) == ""


def test_errors_of_libraries_take_one_line():
    assert one_line(ValueError("a\n  b\tc")) == "a b c"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(ValueError("It ends.")) == "It ends"
    long = one_line(ValueError("see https://hub.example/a/long/place " * 30))
    assert len(long) < 205
    assert long.endswith(" see ...")


@given(st.lists(st.text()))
def test_errors_commands_are_what_a_shell_takes(words: list[str]):
    assert shlex.split(command_line(*words)) == ["tidemask", *words]


def test_errors_commands_take_no_path_for_an_option():
    assert command_line("resume", Path("-r"), "--out", Path("a/-b"), "-x") == (
        "tidemask resume ./-r --out a/-b -x"
    )


def test_errors_in_a_terminal_keep_the_spaces_of_names(capsys: pytest.CaptureFixture[str]):
    print_error(f"no such run: my  run.\n  Give {command_line('resume', Path('my   run'))}\v.\n")
    assert capsys.readouterr().err == (
        "tidemask: no such run: my  run. Give tidemask resume 'my   run' .\n"
    )


def test_errors_every_advised_command_is_quoted():
    """A path in a command that is put together by hand is cut at its first space."""
    group: Any = get_command(app)
    by_hand = re.compile(rf"tidemask ({'|'.join(group.commands)}) [^`.]*\{{")
    sources = Path(tidemask.__file__).parent.rglob("*.py")
    found = {str(path) for path in sources if by_hand.search(_joined(path.read_text()))}
    assert found == set()


def _joined(source: str) -> str:
    """Source whose strings that go on in the next line are one."""
    return re.sub(r'"\n *f?"', "", source)
