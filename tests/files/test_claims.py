"""What a living process writes aside is never taken away by another."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from tidemask.files import claims, locks
from tidemask.files.claims import claimed_beside, clear_abandoned

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks that end with a process")


@pytest.mark.parametrize("goes_on", ["while we write", "before we lock"])
def test_claims_one_that_another_process_is_clearing_is_given_up(
    goes_on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has its turn between the making of our claim and its lock."""
    first: list[Path] = []

    def clear() -> None:
        first[0].with_name(first[0].name.replace(claims.CLAIM, claims.ASIDE)).unlink(True)
        first[0].unlink()

    def lock_after_another(descriptor: int) -> bool:
        if not first:
            first.extend(tmp_path.iterdir())
            others = os.open(first[0], os.O_RDWR)
            assert locks.try_lock(others)
            if goes_on == "before we lock":
                clear()
                os.close(others)
        return locks.try_lock(descriptor)

    monkeypatch.setattr(claims, "try_lock", lock_after_another)
    with claimed_beside(tmp_path / "out") as aside:
        aside.write_text("half")
        if goes_on == "while we write":
            clear()
        assert aside.read_text() == "half"
        clear_abandoned(tmp_path / "out")
        assert aside.read_text() == "half"
    assert list(tmp_path.iterdir()) == []


def test_claims_a_lock_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("tidemask.files.locks.fcntl.flock", flock)
    with pytest.raises(OSError, match="Input/output error"), claimed_beside(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []
