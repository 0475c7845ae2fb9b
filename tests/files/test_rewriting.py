from __future__ import annotations

from pathlib import Path

import pytest

from tidemask.errors import UserError
from tidemask.files.rewriting import own_directory

MARKER = ".mine"


def write(path: Path, **files: str) -> None:
    with own_directory(path, marker=MARKER, last="index.html") as aside:
        for name, content in files.items():
            place = aside / name.replace("__", "/")
            place.parent.mkdir(exist_ok=True)
            place.write_text(content)


def content(path: Path) -> dict[str, str]:
    files = (file for file in path.rglob("*") if file.is_file() and file.name != MARKER)
    return {str(file.relative_to(path)): file.read_text() for file in files}


def test_own_directory_replaces_its_files_and_leaves_those_of_others(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, index="1", tables__a="1", tables__b="1")
    (out / "tables" / "notes").write_text("a user's")
    write(out, index="2", tables__a="2", figures__c="2")
    expected = {"index": "2", "tables/a": "2", "figures/c": "2", "tables/notes": "a user's"}
    assert content(out) == expected
    write(out, index="3")
    assert content(out) == {"index": "3", "tables/notes": "a user's"}
    assert {path.name for path in out.iterdir()} >= {MARKER, "index", "tables"}


def test_own_directory_is_as_it_was_after_a_failure(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, index="1", tables__a="1")
    with pytest.raises(UnicodeEncodeError):
        write(out, index="2", tables__a="\udcff")
    assert content(out) == {"index": "1", "tables/a": "1"}


def test_own_directory_goes_on_after_a_kill_while_files_were_moved(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, index="1", tables__a="1")
    (out / f"{MARKER}.new" / "tables").mkdir(parents=True)
    (out / f"{MARKER}.new" / "tables" / "a").write_text("2")
    write(out, index="3")
    assert content(out) == {"index": "3"}


def test_own_directory_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(UserError, match="output directory is not empty"):
        write(tmp_path, index="1")
    (tmp_path / MARKER).write_text("../mine\n")
    with pytest.raises(UserError, match=r"damaged list of files: .*\.\./mine"):
        write(tmp_path, index="1")
    assert (tmp_path / "mine").read_text() == "keep"


@pytest.mark.parametrize("listed", [b"\n", b"a\0b\n", b"/etc/hosts\n", b"caf\xe9\n"])
def test_own_directory_refuses_a_list_of_what_is_no_file_in_it(tmp_path: Path, listed: bytes):
    write(tmp_path / "out", index="1")
    (tmp_path / "out" / MARKER).write_bytes(listed)
    with pytest.raises(UserError, match=r"damaged list of files: .*\. (Delete|Save)"):
        write(tmp_path / "out", index="2")
    assert content(tmp_path / "out") == {"index": "1"}


def test_own_directory_changes_nothing_behind_a_link(tmp_path: Path) -> None:
    """Files of another directory are neither removed nor replaced, whatever the list says."""
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.mkdir()
    (mine / "a").write_text("keep")
    write(out, index="1")
    (out / "tables").symlink_to(mine)
    with pytest.raises(UserError, match="output leads elsewhere: "):
        write(out, index="2", tables__a="2")
    (out / MARKER).write_text("tables/a\n")
    with pytest.raises(UserError, match="output leads elsewhere: "):
        write(out, index="2")
    assert (mine / "a").read_text() == "keep"
    assert (out / "index").read_text() == "1"


def test_own_directory_names_what_the_system_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, index="1")
    (out / "tables").write_text("a user's file where a directory has to be")
    with pytest.raises(UserError, match=rf"output not written: {out}"):
        write(out, index="2", tables__a="2")
    assert (out / "tables").is_file()
    (out / "tables").unlink()
    write(out, index="3", tables__a="3")
    assert content(out) == {"index": "3", "tables/a": "3"}
