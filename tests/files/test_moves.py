"""A directory that is filled part by part is whole or as before, whenever its writer is killed."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS
from tidemask.errors import UserError
from tidemask.files.atomic import check_new_directory, new_directory

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks that end with a process")

FILL = """
import itertools, json, os, signal, sys
from pathlib import Path
from tidemask.errors import UserError
from tidemask.files.atomic import new_directory

NAMES = ("manifest", "held_out", "train/0", "train/1")
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}

def fill(out, text, kill_before=None):
    '''Fill a directory in a process that dies before one of its changes of files; its status.'''
    if child := os.fork():
        return os.waitpid(child, 0)[1]
    changes = itertools.count()

    def count(event, arguments):
        made = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if (made or event in CHANGES) and str(out) in os.fsdecode(arguments[0]):
            if next(changes) == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    try:
        with new_directory(out, last="manifest") as aside:
            (aside / "train").mkdir()
            for name in NAMES:
                (aside / name).write_text(text)
    except UserError:
        os._exit(3)
    os._exit(0)
"""
"""The beginning of programs that fill a directory in processes which are killed."""

KILLED_AFTER_THE_FIRST = """
out, rename = Path(sys.argv[1]), Path.rename

def die_after(path, target):
    rename(path, target)
    os.kill(os.getpid(), signal.SIGKILL)

Path.rename = die_after
fill(out, "first")
"""

KILLED_ANYWHERE = """
root, found = Path(sys.argv[1]), []

def after(*kills):
    out = root / "-".join(map(str, kills))
    out.mkdir()
    statuses = [fill(out, "first", kills[0])]
    statuses += [fill(out, "second", kill) for kill in kills[1:]]
    moving = (out / "held_out").exists() and not (out / "manifest").exists()
    fill(out, "third")
    texts = {path.relative_to(out).as_posix(): path.read_text()
             for path in sorted(out.rglob("*")) if path.is_file()}
    found.append([kills, texts])
    return statuses, moving

for first in itertools.count():
    statuses, moving = after(first)
    if statuses[0] == 0:
        break
    for second in itertools.count() if moving else ():
        if after(first, second)[0][1] in (0, 3 << 8):
            break
print(json.dumps(found))
"""


def _child(program: str, *arguments: Path) -> str:
    process = subprocess.run(
        [sys.executable, "-c", FILL + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=True,
    )
    return process.stdout


@pytest.mark.slow
def test_moves_any_kill_leaves_a_directory_that_is_whole_or_as_before(tmp_path: Path) -> None:
    """Also a second one, while the next start finishes what the first began."""
    states = json.loads(_child(KILLED_ANYWHERE, tmp_path))
    names = {"manifest", "held_out", "train/0", "train/1"}
    for kills, texts in states:
        assert texts.keys() == names, kills
        assert len(set(texts.values())) == 1, kills
    assert {text for _, texts in states for text in texts.values()} == {"first", "third"}
    assert any(len(kills) == 2 for kills, _ in states)


def test_moves_of_a_killed_process_are_finished_by_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _child(KILLED_AFTER_THE_FIRST, tmp_path)
    assert (tmp_path / "held_out").read_text() == "first"
    assert not (tmp_path / "manifest").exists()
    with caplog.at_level(logging.WARNING), pytest.raises(UserError, match="is not empty"):
        check_new_directory(tmp_path)
    assert f"{tmp_path} was whole" in caplog.text
    assert "2 of its 3 parts" in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {"manifest", "held_out", "train"}


@pytest.mark.parametrize("change", ["taken away", "another in a place", "all taken away"])
def test_moves_are_not_finished_where_a_user_has_changed_the_parts(
    tmp_path: Path, change: str
) -> None:
    """What the user has there stays as it is; nothing is put beside it."""
    _child(KILLED_AFTER_THE_FIRST, tmp_path)
    mine = tmp_path / "manifest"
    if change == "another in a place":
        mine.write_text("mine")
    else:
        (tmp_path / "held_out").unlink()
    if change == "taken away":
        mine = tmp_path / "mine"
        mine.write_text("mine")
    if change == "all taken away":
        with new_directory(tmp_path) as aside:
            (aside / "file").write_text("second")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        return
    with pytest.raises(UserError, match="is not empty"):
        check_new_directory(tmp_path)
    assert mine.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} <= {"held_out", mine.name}


LISTS = {
    "a file elsewhere": ["../../victim"],
    "an absolute path": ["{victim}"],
    "the directory around": [".."],
    "the directory itself": ["."],
    "nothing": [""],
    "a part twice": ["part", "part"],
    "a NUL": ["a\0b"],
    "the list itself": [".parts-to-move.json"],
    "a number": 5,
    "null": None,
    "a mapping": {"part": 1},
    "numbers": [1],
}


@pytest.mark.parametrize("listed", [*LISTS.values(), "deep", "huge"], ids=[*LISTS, "deep", "huge"])
def test_moves_take_parts_alone_from_a_list_that_others_wrote(tmp_path: Path, listed) -> None:
    """A directory comes from somewhere: its list moves nothing from or to another place."""
    victim, out = tmp_path / "victim", tmp_path / "out"
    victim.write_text("keep")
    aside = out / ".tidemask.0123abcd.tmp"
    aside.mkdir(parents=True)
    (out / ".tidemask.0123abcd.claim.tmp").touch()
    (aside / "part").write_text("a part")
    text = {"deep": "[" * 100_000, "huge": f'["{"x" * 11_000_000}"]'}
    found = text[listed] if isinstance(listed, str) else json.dumps(listed)
    (aside / ".parts-to-move.json").write_text(found.replace("{victim}", str(victim)))
    check_new_directory(out)
    assert victim.read_text() == "keep"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out", "victim"]


def test_moves_do_not_follow_a_link_in_the_place_of_what_was_written_aside(tmp_path: Path) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.mkdir()
    out.mkdir()
    (mine / "part").write_text("keep")
    (mine / ".parts-to-move.json").write_text('["part"]')
    (out / ".tidemask.0123abcd.claim.tmp").touch()
    (out / ".tidemask.0123abcd.tmp").symlink_to(mine)
    check_new_directory(out)
    assert (mine / "part").read_text() == "keep"
    assert not any(out.iterdir())
