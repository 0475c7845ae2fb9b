"""What the system refuses is one line with path, cause and remedy; a defect keeps its traceback.

The errors are the system's own, as far as it can be brought to make them.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from cases import all_cases
from small_runs import started
from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError
from tidemask.runs.train import train
from tidemask.system_errors import (
    _WHAT_TO_DO,
    errno_of,
    is_out_of_memory,
    named_causes,
    naming_place,
    refusal,
    refusal_of_writing,
)
from tidemask.training import trainer

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for its errors")


def _circle(place: Path) -> Path:
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    return place / "a"


def _below_a_file(place: Path) -> Path:
    (place / "file").write_text("text")
    return place / "file" / "text.txt"


@contextmanager
def _limited(kind: int, value: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def _with_too_many_open(place: Path) -> None:
    with _limited(resource.RLIMIT_NOFILE, 3):
        (place / "text.txt").open("wb").close()


def _of_a_running_program(place: Path) -> None:
    program = place / "sleep"
    shutil.copy(shutil.which("sleep") or "", program)
    process = subprocess.Popen([program, "600"])
    try:
        program.open("r+b").close()
    finally:
        process.kill()
        process.wait()


REFUSED: dict[int, Callable[[Path], Any]] = {
    errno.ENOENT: lambda place: (place / "missing").read_bytes(),
    errno.ELOOP: lambda place: _circle(place).read_bytes(),
    errno.ENOTDIR: lambda place: _below_a_file(place).read_bytes(),
    errno.EISDIR: lambda place: place.read_bytes(),
    errno.ENAMETOOLONG: lambda place: (place / ("n" * 300)).read_bytes(),
    errno.EMFILE: _with_too_many_open,
    errno.ETXTBSY: _of_a_running_program,
    errno.EIO: lambda _: Path("/proc/self/mem").read_bytes(),  # nothing is mapped at 0
    errno.ENOSPC: lambda _: Path("/dev/full").write_bytes(b"word"),
    errno.ENOTEMPTY: lambda place: (_below_a_file(place), place.rmdir()),
    errno.ENXIO: lambda place: os.open(_pipe(place), os.O_WRONLY | os.O_NONBLOCK),
}


def _pipe(place: Path) -> Path:
    os.mkfifo(place / "pipe")
    return place / "pipe"


@on_linux
@pytest.mark.parametrize("number", REFUSED, ids=errno.errorcode.get)
def test_system_error_names_path_cause_and_remedy(number: int, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, named_causes(""), naming_place("the place"):
        REFUSED[number](tmp_path)
    message = str(caught.value)
    path = getattr(caught.value.__cause__, "filename")  # noqa: B009  # an OSError, as all of these
    assert message.startswith(f"{path}: {os.strerror(number)}. ")
    assert message.endswith(f"{_WHAT_TO_DO[number]}, then give the command again.")
    assert isinstance(caught.value.__cause__, OSError)


@all_cases("number", _WHAT_TO_DO, ids=errno.errorcode.get)
def test_system_error_of_every_number_is_a_sentence(number: int) -> None:
    assert refusal(OSError(number, "words", "place")) == (
        f"place: {os.strerror(number)}. {_WHAT_TO_DO[number]}"
    )
    assert not _WHAT_TO_DO[number].endswith(".")
    assert refusal(OSError(number, "words", b"\xff")) is not None


@on_linux
def test_system_error_is_found_where_libraries_hide_it(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    (tmp_path / "taken").mkdir()
    with pytest.raises(Exception, match="os error") as rust:
        Tokenizer(models.BPE()).save(str(tmp_path / "taken"))
    assert errno_of(rust.value) == errno.EISDIR
    with pytest.raises(OSError, match="space") as arrow, pa.OSFile("/dev/full", "wb") as full:
        full.write(bytes(1))
    assert errno_of(arrow.value) == errno.ENOSPC
    of_torch = RuntimeError("unable to open shared memory object </t>: Too many open files (24)")
    assert errno_of(of_torch) == errno.EMFILE
    assert refusal(of_torch) == f"{of_torch}. {_WHAT_TO_DO[errno.EMFILE]}"


@pytest.mark.parametrize(
    "defect",
    [KeyError("name"), OSError("words alone"), OSError(errno.EBADF, "Bad file descriptor"),
     RuntimeError("sizes (24) differ"), ValueError("batch of 3 (5)"), AssertionError()],
    ids=repr,
)  # fmt: skip
def test_system_error_is_not_read_into_a_defect(defect: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(defect)) as caught, named_causes("Use less."):
        raise defect
    assert caught.value is defect
    assert refusal_of_writing(defect, tmp_path, tmp_path) is None


@pytest.mark.parametrize(
    "take",
    [
        lambda: torch.empty(1 << 50), lambda: np.empty(1 << 50),
        lambda: pa.allocate_buffer(1 << 60), lambda: bytearray(1 << 60),
    ],
    ids=["torch", "numpy", "arrow", "python"],
)  # fmt: skip
def test_memory_that_ran_out_is_named(take: Callable[[], Any]) -> None:
    with pytest.raises(UserError, match=r"^out of memory.*\. Less\.$"), named_causes("Less."):
        take()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("std::bad_alloc"), OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "),
        RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback: "
                     "DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=repr,
)  # fmt: skip
def test_memory_that_ran_out_elsewhere_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("a memory format"))


@pytest.mark.slow
def test_memory_that_ran_out_does_not_make_a_corpus_damaged(corpus: Path) -> None:
    """The address space ends below what is in use, so that no shard can be opened."""
    code = """
import resource, sys
from tidemask.corpus.store import shards
from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError

def end_here(path, real=shards.Shard.open):
    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, -1))
    try:
        real(path)
        bytearray(1 << 24)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))

shards.Shard.open = end_here
try:
    open_corpus(sys.argv[1])
except UserError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(corpus)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "out of memory" in done.stdout
    assert "incomplete corpus" not in done.stdout


@on_linux
def test_corpus_that_may_not_be_opened_is_not_called_damaged(corpus: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    shard = next((copy / "train").glob("*.arrow"))
    shard.unlink()
    shard.symlink_to(shard.name)
    with pytest.raises(UserError, match=rf"cannot read: {shard}: Too many levels of symbolic"):
        open_corpus(copy)


@pytest.mark.slow
def test_defect_while_a_checkpoint_is_written_keeps_its_traceback(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(trainer, "write_state", defective)
    run = started(corpus, tmp_path / "run", "bert")
    with pytest.raises(KeyError, match="a defect"):
        train(run)
    assert run.checkpoints() == []
    assert not list(run.root.glob(".*.tmp"))


@on_linux
@pytest.mark.parametrize("path", ["circle", "n" * 300, "file/below"], ids=lambda path: path[:10])
@pytest.mark.parametrize(
    "arguments",
    [("preview", "nothing", "--recipe={}.yaml"), ("prepare", "{}", "--out=out"),
     ("prepare", "text.txt", "--out={}"), ("pretrain", "{}", "--out=out"), ("resume", "{}"),
     ("compare", "{}", "--out=out"),
     ("evaluate", "{}"), ("score", "{}", "word"), ("fill", "{}", "word [MASK]")],
    ids=" ".join,
)  # fmt: skip
def test_system_error_at_the_command_line_is_one_line(
    path: str, arguments: tuple[str, ...], tidemask: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Where a command looks first whether something is there, its own words may come before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "circle.yaml").symlink_to("circle.yaml")
    (tmp_path / "file").write_text("Some words. " * 50)
    (tmp_path / "text.txt").write_text("Some words. " * 50)
    status, _, errors = tidemask(*(argument.format(path) for argument in arguments))
    assert status == 2, errors
    assert errors.startswith("tidemask: "), errors
    assert errors.count("\n") == 1
    assert path in errors
    assert not (tmp_path / "out").exists()
