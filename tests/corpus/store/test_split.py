"""Files of a corpus that change after it was opened: never read as if they had not."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tidemask.corpus.store import open_files
from tidemask.corpus.store import split as split_module
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.store.rows import Rows
from tidemask.errors import UserError


def _num_open() -> int:
    """Descriptors that this process has, and the one that counts them."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.fixture
def copy(corpus: Path, tmp_path: Path) -> Path:
    """A corpus that may be spoilt."""
    return Path(shutil.copytree(corpus, tmp_path / "copy"))


@pytest.fixture(params=["all", "some", "none"])
def held(request: pytest.FixtureRequest, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which columns of the corpus are small enough to stay in memory."""
    train = open_corpus(corpus).train
    num_bytes = len(train) * (4 + -(-train.rows([0]).input_ids.shape[1] // 8))  # length, bits
    most = {"all": 1 << 25, "some": num_bytes, "none": 0}
    monkeypatch.setattr(split_module, "MAX_HELD_BYTES", most[request.param])
    return str(request.param)


def _in_place(path: Path) -> None:
    """Change a byte, and nothing else that shows in a listing."""
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\xff")
    os.utime(path, ns=(0, 1))


def _replace(path: Path) -> None:
    """Put a file with the same content and time in its place."""
    status = path.stat()
    other = path.with_name("other")
    shutil.copyfile(path, other)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "in place": (_in_place, "was written to (1970-01-01"),
    "cut": (lambda path: os.truncate(path, 1000), "has 1,000 bytes, and had"),
    "emptied": (lambda path: os.truncate(path, 0), "has 0 bytes, and had"),
    "longer": (lambda path: os.truncate(path, 10**7), "has 10,000,000 bytes, and had"),
    "replaced": (_replace, "was replaced by another file"),
    "deleted": (Path.unlink, "cannot be read any more (No such file or directory)"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "place", ["train", "held_out", "tokenizer/tokenizer.json", "manifest.json"]
)
def test_split_of_changed_files_is_noticed_without_reading(
    change: str, place: str, copy: Path
) -> None:
    opened = open_corpus(copy)
    opened.check_unchanged()
    path = next((copy / place).glob("rows-*")) if (copy / place).is_dir() else copy / place
    spoil, said = CHANGES[change]
    spoil(path)
    with pytest.raises(UserError) as caught:
        opened.check_unchanged()
    assert str(caught.value).startswith(f"corpus changed while it was in use: {path} {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["in place", "cut", "emptied", "longer"])
@pytest.mark.parametrize("was_read", [False, True])
def test_split_gives_no_row_of_a_file_that_was_written_to(
    change: str, was_read: bool, held: str, copy: Path
) -> None:
    """A cut file that is mapped would end this process by SIGBUS."""
    split = open_corpus(copy).train
    everything = np.arange(len(split))
    if was_read:
        split.rows(everything)
    (path,) = split.notes
    spoil, said = CHANGES[change]
    spoil(path)
    for one in (split, pickle.loads(pickle.dumps(split))):
        with pytest.raises(UserError, match=r"corpus changed while it was in use: .*\.arrow") as e:
            one.rows(everything)
        assert said in str(e.value)


def test_split_reads_on_from_a_file_that_lost_its_name(copy: Path, held: str) -> None:
    """What is open still has its rows; that the name is gone is noticed when it is asked for."""
    opened = open_corpus(copy)
    before = opened.train.rows([0, 1])
    (path,) = opened.train.notes
    path.unlink()
    assert np.array_equal(opened.train.rows([0, 1]).input_ids, before.input_ids)
    with pytest.raises(UserError, match="No such file"):
        opened.check_unchanged()


def test_split_of_many_files_holds_few_open(
    copy: Path, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_files, "MAX_OPEN_FILES", 2)
    one = open_corpus(copy).train
    many = split_module.CorpusSplit(one._shards * 10)
    before = _num_open()
    rows = many.rows(np.arange(len(many)))
    assert np.array_equal(rows.input_ids, np.tile(one.rows(range(len(one))).input_ids, (10, 1)))
    assert _num_open() - before <= 3
    del one, many
    assert _num_open() <= before


def test_split_that_cannot_be_opened_is_one_line(copy: Path) -> None:
    split = open_corpus(copy).train
    (path,) = split.notes
    path.unlink()
    with pytest.raises(UserError, match=r"cannot read: .*\.arrow: No such file"):
        split.rows([0])


def test_split_gives_the_same_rows_held_or_read(copy: Path, held: str) -> None:
    split = open_corpus(copy).train
    assert len(split._held_columns) == {"all": 4, "some": 2, "none": 0}[held]
    everything = [Rows(*split._read(np.array([row]), range(4))) for row in range(len(split))]
    indices = np.random.default_rng(0).integers(0, len(split), 50)
    for _ in range(2):
        rows = split.rows(indices)
        expected = Rows.concatenate([everything[row] for row in indices])
        for one, other in zip(rows.columns(), expected.columns(), strict=True):
            assert np.array_equal(one, other)
        rows.input_ids[:] = 0  # they are copies


def test_split_reads_on_where_the_system_gives_less_at_a_time(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = open_corpus(copy).train.rows([0, 1, 5])
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda f, n, at: pread(f, min(n, 7), at))
    rows = open_corpus(copy).train.rows([0, 1, 5])
    for one, other in zip(rows.columns(), expected.columns(), strict=True):
        assert np.array_equal(one, other)


AT_THE_END = """
import atexit, sys
atexit.register(lambda: print(len(split.rows([0]).input_ids)))  # runs last, as it came first
from pathlib import Path
from tidemask.corpus.store import split as split_module
from tidemask.corpus.store.corpus import open_corpus
split_module.MAX_HELD_BYTES = 0
split = open_corpus(Path(sys.argv[1])).train
split.rows([1])
"""


@pytest.mark.slow
def test_split_is_read_until_python_has_ended_and_says_nothing(corpus: Path) -> None:
    """What others do at the end, such as threads that read ahead, finds its files open."""
    command = [sys.executable, "-c", AT_THE_END, str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_split_names_the_file_that_fails_or_ends(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two fails after a part was read; a network drive may still know its size."""
    both = open_corpus(copy)
    split = split_module.CorpusSplit(both.train._shards + both.held_out._shards)
    first = both.train._shards[0].path
    pread, said = os.pread, "Input/output error"

    def fail(file: int, count: int, offset: int) -> bytes:
        if os.path.samestat(os.fstat(file), first.stat()):
            if offset % 2:
                if said:
                    raise OSError(errno.EIO, said)
                return b""
            return pread(file, 1, offset)
        return pread(file, count, offset)

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(UserError, match=rf"^cannot read: {first}: Input/output error\. "):
        split.rows([0, len(split) - 1])
    said = ""
    with pytest.raises(UserError, match=rf"^corpus changed .*: {first} ends at byte \d"):
        split.rows([0, len(split) - 1])
