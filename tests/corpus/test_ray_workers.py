"""Preparation by tasks of Ray: the same bytes, lost workers, other software, nobody there."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from child_processes import HUNG_SECONDS, ended
from prose import document
from tidemask import progress
from tidemask.corpus import encoding, encoding_workers, writing
from tidemask.corpus.encoding_workers import EncodingTools
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.errors import UserError
from tidemask.progress import ignore

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

IN_PROCESS = PrepareSettings(vocab_size=300, sequence_length=32, held_out=0.2, workers=1)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "CHUNK_CHARACTERS", 500)
    monkeypatch.setattr(writing, "TOKENS_BETWEEN_NOTES", 500)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_CALLS", 0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[PrepareSettings]:
    """Settings with the address of a Ray that this process did not start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(sys.executable).with_name("ray")
    command = [sys.executable, script, "start", "--head", "--block", "--num-cpus", 2,
               "--node-ip-address", "127.0.0.1", "--port", port, "--include-dashboard", "false",
               "--disable-usage-stats"]  # fmt: skip
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with ended(process):
        assert process.stdout is not None
        assert any("Ray runtime started" in line for line in process.stdout)
        yield replace(IN_PROCESS, engine=f"ray:127.0.0.1:{port}", workers=2)
        process.terminate()
        process.communicate(timeout=HUNG_SECONDS)


def documents() -> Iterator[Document]:
    rng = random.Random(14)
    for place in range(60):
        yield Document(document(rng, 5), "text", place=place)


def content(directory: Path) -> dict[str, bytes]:
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def interrupt(stage: str, done: int, _total: int | None) -> None:
    if (stage, done) == (writing.ENCODING, 40):
        raise KeyboardInterrupt


def of_this_test(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that travels to the workers itself, which have no module of this name."""
    function.__module__ = "__main__"
    return function


def test_ray_started_here_is_interrupted_and_one_elsewhere_loses_a_worker_to_the_same_bytes(
    cluster: PrepareSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_corpus(documents, out=tmp_path / "in-process", settings=IN_PROCESS)
    out, lost, notes = tmp_path / "by-ray", tmp_path / "lost", list[str]()
    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(
            documents,
            out=out,
            settings=replace(IN_PROCESS, engine="ray", workers=2),
            on_progress=interrupt,
        )

    def encode_or_die(tools: bytes, chunk: Any) -> Any:
        from tidemask.corpus.encoding_workers import _encode_in_task

        if not lost.exists():
            lost.touch()
            os._exit(1)
        return _encode_in_task(tools, chunk)

    monkeypatch.setattr(encoding_workers, "_encode_in_task", of_this_test(encode_or_die))
    prepare_corpus(documents, out=out, settings=cluster, on_note=notes.append)
    assert lost.exists()
    assert any(note.startswith("Going on with a preparation") for note in notes)
    assert content(out) == content(tmp_path / "in-process")


def test_ray_that_loses_every_worker_is_one_line(
    cluster: PrepareSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        os._exit(1)

    monkeypatch.setattr(encoding_workers, "_encode_in_task", of_this_test(die))
    with pytest.raises(UserError, match="a worker of Ray was lost while encoding") as error:
        prepare_corpus(documents, out=tmp_path / "out", settings=cluster)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]


def test_ray_machines_with_other_software_are_refused(
    cluster: PrepareSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools_of = EncodingTools.of

    def older(*arguments: Any) -> EncodingTools:
        tools = tools_of(*arguments)
        return replace(tools, software={**tools.software, "tokenizers": "0.1"})

    monkeypatch.setattr(EncodingTools, "of", older)
    with pytest.raises(UserError, match=r"cluster: tokenizers .* on .*Expected 0\.1, as") as error:
        prepare_corpus(documents, out=tmp_path / "out", settings=cluster, on_note=ignore)
    assert "\n" not in str(error.value)


def test_ray_where_nobody_answers_is_one_line_before_anything_is_read(
    tmp_path: Path, tidemask: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "text.txt").write_text("The fox saw the grapes.\n\nA dog slept.\n")
    status, out, err = tidemask(
        "prepare", tmp_path / "text.txt", "--out", tmp_path / "out", "--engine", "ray:127.0.0.1:1"
    )
    assert (status, out) == (2, "")
    assert "no Ray cluster: 127.0.0.1:1 does not answer" in err
    assert "reading text" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
