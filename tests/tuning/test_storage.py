"""Journals and databases of a search: opened, damaged, refused, and shown without passwords."""

from __future__ import annotations

import errno
import os
import resource
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.system_errors import named_causes
from tidemask.tuning.storage import checked_storage, opened_study, without_password


def opened(root: Path, storage: str | None = None) -> AbstractContextManager[Any]:
    return opened_study(root / "journal", storage, name="search")


def tried(study: Any, number: int) -> None:
    for _ in range(number):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("x", 0.0, 1.0))


@all_cases("content", [b"\xff\xfe\n{}\n", b'{"op_code": 4}\n', b"[]\n", b"none\nof this\n"])
def test_a_damaged_journal_is_one_line_that_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal").write_bytes(content)
    expected = r"^damaged record of a search: .*journal.* name a new directory as --out"
    with pytest.raises(UserError, match=expected) as error, opened(tmp_path):
        pass
    assert "\n" not in str(error.value)


def test_the_connections_to_a_database_are_closed_at_the_end(tmp_path: Path) -> None:
    """Python 3.13 warns of those that are left open."""
    with opened(tmp_path, f"sqlite:///{tmp_path}/record.db") as study:
        tried(study, 1)
        pool = study._storage._backend.engine.pool
        assert pool.checkedin() + pool.checkedout() > 0
    assert pool.checkedin() + pool.checkedout() == 0


def test_a_pipe_in_the_place_of_a_journal_is_one_line(tmp_path: Path) -> None:
    """Optuna would wait for a reader of it."""
    os.mkfifo(tmp_path / "journal")
    with pytest.raises(UserError, match="journal is a pipe"), opened(tmp_path):
        pass


def test_a_line_that_was_cut_and_a_lock_that_was_left_are_got_over(tmp_path: Path) -> None:
    with opened(tmp_path) as study:
        tried(study, 3)
    journal = tmp_path / "journal"
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    (tmp_path / "journal.lock").symlink_to(journal)
    began = time.monotonic()
    with opened(tmp_path) as study:
        assert time.monotonic() - began < 20, "Optuna waits 30 seconds for a lock that was left"
        assert len(study.trials) == 3
        tried(study, 1)
    with opened(tmp_path) as study:
        assert len(study.trials) == 4


@all_cases(
    "url",
    [
        "nonsense://nowhere/x",
        "postgresql://user:secret@127.0.0.1:1/x",
        "sqlite:////no/such/place.db",
        "mysql+pymysql://user:secret@127.0.0.1:1/x",
        "redis://127.0.0.1:1",
    ],
)
def test_a_storage_that_does_not_answer_is_one_line_without_its_password(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(UserError, match=r"^storage does not answer: ") as error:  # noqa: SIM117
        with opened(tmp_path, url):
            pass
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.slow
def test_what_a_driver_says_of_a_storage_is_said_without_secrets(tmp_path: Path) -> None:
    """Some repeat the URL, or a part of it."""
    url = f"sqlite:///file:{tmp_path}/record.db?uri=true&token=hidden"

    def check(_: object) -> None:
        raise RuntimeError("no way to //me:secret@host/db with hidden")

    expected = r"^storage does not answer: .*: no way to //host/db with \*\*\*\. Expected the URL"
    with pytest.raises(UserError, match=expected) as error:  # noqa: SIM117
        with opened_study(tmp_path / "journal", url, name="search", check=check):
            pass
    assert "secret" not in str(error.value)
    assert "hidden" not in str(error.value)


def test_what_the_system_refuses_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path):
        pass
    before = (tmp_path / "journal").read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    for more in (0, 300):  # where it is opened, and where it is written
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + more, limit[1]))
        try:
            with pytest.raises(OSError, match="File too large"), opened(tmp_path) as study:
                tried(study, 3)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    with opened(tmp_path) as study:
        assert study.study_name == "search"

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refused)
    with opened(tmp_path) as study:
        tried(study, 1)
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "journal").mkdir()
    with pytest.raises(UserError, match=r"^.*journal: Is a directory\. "):  # noqa: SIM117
        with named_causes(""), opened(tmp_path / "directory"):
            pass


@all_cases(
    ("url", "expected"),
    [
        ("postgresql://me:pw@host/db", "postgresql://host/db"),
        ("postgresql://me:p/w@host:5/db", "postgresql://host:5/db"),
        ("postgresql://host/db?user=me&password=pw", "postgresql://host/db?user=me"),
        ("sqlite:///a/b@c.db", "sqlite:///a/b@c.db"),
    ],
)
def test_passwords_are_left_out_of_urls(url: str, expected: str) -> None:
    assert without_password(url) == expected


def test_the_file_of_a_database_is_the_same_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked_storage("sqlite:///record.db") == f"sqlite:///{tmp_path}/record.db"
    for url in ("sqlite:////a/b.db", "sqlite://", "postgresql://me:pw@host/db", "redis://host:1"):
        assert checked_storage(url) == url
    with pytest.raises(UserError, match=r"^no URL of a database") as error:
        checked_storage("pg://me:secret@host:port/db")  # short enough to be shown whole
    assert "secret" not in str(error.value)


def test_without_optuna_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'tidemask\[tune\]'"), opened(tmp_path):
        pass


def test_an_error_of_ours_is_not_taken_for_one_of_the_storage(tmp_path: Path) -> None:
    with pytest.raises(KeyError), opened(tmp_path):
        raise KeyError("ours")
