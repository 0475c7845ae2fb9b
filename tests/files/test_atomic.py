"""Files and directories are whole or absent."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tidemask.errors import UserError
from tidemask.files.atomic import new_directory, sync, write_atomically
from tidemask.files.claims import clear_abandoned


def test_atomic_new_directory_appears_at_the_end(tmp_path):
    target = tmp_path / "a" / "b"
    with new_directory(target) as staged:
        (staged / "file").write_text("x")
        assert not target.exists()
    assert (target / "file").read_text() == "x"
    assert [path.name for path in target.parent.iterdir()] == ["b"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("name", ["out", "a/b/out"])
def test_atomic_new_directory_leaves_nothing_behind_on_failure(tmp_path, error, name):
    def write_and_fail():
        with new_directory(tmp_path / name) as staged:
            (staged / "deep").mkdir()
            (staged / "deep" / "file").write_text("x")
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_atomic_new_directory_may_exist_if_it_is_empty(tmp_path):
    (tmp_path / "out").mkdir()
    with new_directory(tmp_path / "out") as staged:
        (staged / "file").write_text("x")
    assert (tmp_path / "out" / "file").exists()


@pytest.mark.parametrize("kind", ["empty", "link", "cwd"])
def test_atomic_new_directory_that_exists_stays_the_one_it_was(tmp_path, monkeypatch, kind):
    """A link to it still leads there, a mount point stays one, a shell in it is not lost."""
    out = tmp_path / "out"
    out.mkdir(mode=0o750)
    place = {"empty": out, "link": tmp_path / "link", "cwd": Path()}[kind]
    if kind == "link":
        place.symlink_to(out)
    if kind == "cwd":
        monkeypatch.chdir(out)
    before = out.stat()
    with new_directory(place) as staged:
        (staged / "below").mkdir()
        (staged / "below" / "file").write_text("x")
    after = out.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert (place / "below" / "file").read_text() == "x"
    assert [path.name for path in out.iterdir()] == ["below"]
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "link"}


def test_atomic_new_directory_that_exists_is_filled_with_the_last_file_last(tmp_path, monkeypatch):
    """A part that cannot be moved takes the others back, so that the directory is empty again."""
    moved, rename = [], Path.rename

    def full(path, target):
        if path.parent.name.startswith(".tidemask."):
            moved.append(path.name)
            if path.name == "manifest" and len(moved) == 3:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    def fill():
        with new_directory(tmp_path, last="manifest") as staged:
            for name in ("manifest", "train", "zebra"):
                (staged / name).write_text("x")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(UserError, match=r"^output not written: .*: Input/output error"):
        fill()
    assert moved == ["train", "zebra", "manifest"]
    assert list(tmp_path.iterdir()) == []
    fill()
    assert {path.name for path in tmp_path.iterdir()} == {"manifest", "train", "zebra"}


def test_atomic_new_directory_refuses_what_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    for target, start in (
        (tmp_path / "out", "output directory is not empty: "),
        (tmp_path / "out" / "mine", "output is a file: "),
        (tmp_path / "out" / "mine" / "below", "cannot make the output directory: "),
    ):
        with pytest.raises(UserError) as caught, new_directory(target):
            pytest.fail("work was begun")
        assert str(caught.value).startswith(f"{start}{target}")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_atomic_new_directory_keeps_what_came_meanwhile(tmp_path):
    def write_while_another_does():
        with new_directory(tmp_path / "out"):
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "other").write_text("x")

    with pytest.raises(UserError, match="not empty"):
        write_while_another_does()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "other"]


@pytest.mark.parametrize("content", ["naïve\r\n", b"\x00\xff"])
def test_atomic_file_holds_what_was_written(tmp_path, content):
    write_atomically(tmp_path / "file", content)
    expected = content.encode() if isinstance(content, str) else content
    assert (tmp_path / "file").read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_atomic_file_is_as_it_was_when_the_disk_is_full(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"^figure not written: .*file: No space left") as caught:
        write_atomically(tmp_path / "file", "new", what="figure")
    assert str(caught.value).endswith(". Make room, then give the command again.")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_atomic_new_directory_follows_the_umask_whoever_writes_the_files(tmp_path, umask):
    before = os.umask(umask)
    try:
        with new_directory(tmp_path / "new") as aside:
            (aside / "ours").write_text("text")
            (aside / "below").mkdir()
            descriptor, _ = tempfile.mkstemp(dir=aside / "below")  # 0600, as safetensors does
            os.close(descriptor)
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o666 & ~umask}


@pytest.mark.parametrize("name", ["EINVAL", "EOPNOTSUPP", "EIO"])
def test_atomic_sync_of_a_directory_is_left_out_where_it_cannot_be(tmp_path, monkeypatch, name):
    """Some network drives sync files and no directories; a fault of the disk is another thing."""
    number = getattr(errno, name)

    def fsync(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=os.strerror(number)):
        sync(tmp_path / "file")
    if name == "EIO":
        with pytest.raises(OSError, match=os.strerror(number)):
            sync(tmp_path)
    else:
        sync(tmp_path)


WRITERS = {
    "directory": """
with new_directory(place) as staged:
    (staged / "file").write_text("x")
    print("writing", flush=True)
    signal.pause()
""",
    "file": """
def wait(descriptor):
    print("writing", flush=True)
    signal.pause()

os.fsync = wait
write_atomically(place, "x")
""",
}
"""Programs that write for ever."""


@contextmanager
def _writing(kind: str, place: Path) -> Iterator[subprocess.Popen[str]]:
    before = (
        "import os, signal, sys; from pathlib import Path; place = Path(sys.argv[1]); "
        "from tidemask.files.atomic import new_directory, write_atomically"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", before + WRITERS[kind], str(place)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def _write(kind: str, place: Path) -> None:
    if kind == "file":
        write_atomically(place, "y")
    else:
        with new_directory(place) as staged:
            (staged / "file").write_text("y")


@pytest.mark.skipif(sys.platform == "win32", reason="no locks that end with their process")
def test_atomic_what_a_killed_process_left_in_a_directory_is_removed_by_the_next(
    tmp_path: Path,
) -> None:
    with _writing("directory", tmp_path) as killed:
        assert len(list(tmp_path.iterdir())) == 2
        killed.kill()
        killed.wait()
        _write("directory", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no locks that end with their process")
@pytest.mark.parametrize("kind", WRITERS)
def test_atomic_what_a_killed_process_left_is_removed_by_the_next(
    kind: str, tmp_path: Path
) -> None:
    """That of a process that lives stays, and so does what is beside it under another name."""
    place, other = tmp_path / "out[1]", tmp_path / "out"
    with _writing(kind, place) as killed, _writing(kind, place), _writing(kind, other):
        all_three = set(tmp_path.iterdir())
        assert len(all_three) == 6
        killed.kill()
        killed.wait()
        _write(kind, place)
        left = set(tmp_path.iterdir())
        assert place in left
        assert len(left & all_three) == 4
        assert left - all_three == {place}
    _write(kind, tmp_path / "unrelated")
    assert set(tmp_path.iterdir()) == left | {tmp_path / "unrelated"}
    for path in (place, other):
        clear_abandoned(path)
    assert {path.name for path in tmp_path.iterdir()} == {"out[1]", "unrelated"}


def test_atomic_nothing_is_removed_where_there_are_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a process that was killed looks free on its own machine alone."""
    with _writing("directory", tmp_path / "out") as killed:
        killed.kill()
        killed.wait()
    before = set(tmp_path.iterdir())

    def missing(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as without:
        without.setattr("tidemask.files.locks.fcntl.flock", missing)
        _write("directory", tmp_path / "out")
    assert set(tmp_path.iterdir()) == before | {tmp_path / "out"}
