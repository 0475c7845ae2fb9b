"""A preparation that was interrupted goes on, to the same bytes as one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS, ended
from places import SUPPORT
from prose import document
from small_runs import warm_command
from tidemask import progress
from tidemask.corpus import encoding, planning, writing
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store import shards, tables
from tidemask.corpus.store.corpus import verify_corpus
from tidemask.errors import UserError
from tidemask.progress import ignore

SETTINGS = PrepareSettings(
    vocab_size=200, sequence_length=16, held_out=0.2, tagger="none", workers=1
)


def make_small_files(patch: pytest.MonkeyPatch) -> None:
    """Notes, files and chunks so small that forty documents have several."""
    patch.setattr(writing, "TOKENS_BETWEEN_NOTES", 150)
    patch.setattr(shards, "SHARD_TOKENS", 400)
    patch.setattr(tables, "FILE_ROWS", 30)
    patch.setattr(encoding, "CHUNK_CHARACTERS", 300)
    patch.setattr(progress, "SECONDS_BETWEEN_CALLS", 0)


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small_files(monkeypatch)


def documents() -> Iterator[Document]:
    rng = random.Random(6)
    for place in range(40):
        yield Document(document(rng, 4), f"text {place % 3}", place=place, fields={"place": place})
        if place % 9 == 0:
            yield Document(" ", "blank")


SOFTWARE = ("tidemask", "tokenizers", "icu4py", "regex")
"""Packages that decide what rows hold."""


def content(directory: Path) -> dict[str, bytes]:
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def _is_going_on(note: str) -> bool:
    return note.startswith("Going on with a preparation that was interrupted: ")


def interrupting(stage: str, after: int) -> Callable[[str, int, int | None], None]:
    def interrupt(current: str, done: int, _total: int | None) -> None:
        if (current, done) == (stage, after):
            raise KeyboardInterrupt

    return interrupt


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    with pytest.MonkeyPatch.context() as patch:
        make_small_files(patch)
        root = tmp_path_factory.mktemp("unbroken") / "corpus"
        prepare_corpus(documents, out=root, settings=SETTINGS)
        yield content(root)


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("moments", [[0], [1], [7], [20], [39], [5, 6, 30]])
def test_prepare_goes_on_to_the_same_bytes(
    tmp_path: Path, unbroken: dict[str, bytes], moments: list[int], exists: bool
) -> None:
    out = tmp_path / "corpus"
    if exists:
        out.mkdir()
    notes: list[str] = []
    for moment in moments:
        with pytest.raises(KeyboardInterrupt):
            prepare_corpus(
                documents,
                out=out,
                settings=SETTINGS,
                on_progress=interrupting(writing.ENCODING, moment),
            )
    corpus = prepare_corpus(documents, out=out, settings=SETTINGS, on_note=notes.append)
    assert content(out) == unbroken
    verify_corpus(corpus)
    assert any(map(_is_going_on, notes)) == (max(moments) >= 7)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_prepare_interrupted_at_its_end_goes_on(
    tmp_path: Path, unbroken: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "corpus"
    with monkeypatch.context() as patch:
        patch.setattr("tidemask.files.continued.follow_umask", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare_corpus(documents, out=out, settings=SETTINGS)
    prepare_corpus(documents, out=out, settings=SETTINGS, on_note=ignore)
    assert content(out) == unbroken


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_prepare_does_not_train_its_tokenizer_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt = interrupting(writing.ENCODING, 0)
    out = tmp_path / "corpus"
    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(documents, out=out, settings=SETTINGS, on_progress=interrupt)
    stages: list[str] = []
    prepare_corpus(
        documents, out=out, settings=SETTINGS, on_progress=lambda stage, *_: stages.append(stage)
    )
    assert planning.LEARNING not in stages


@pytest.mark.slow
@pytest.mark.parametrize("change", ["settings", "documents", "damaged", *SOFTWARE])
def test_prepare_of_something_else_begins_from_the_start(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, other = tmp_path / "corpus", tmp_path / "other"
    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(
            documents, out=out, settings=SETTINGS, on_progress=interrupting(writing.ENCODING, 30)
        )
    settings = replace(SETTINGS, sequence_length=17) if change == "settings" else SETTINGS
    if change == "damaged":
        (tmp_path / ".corpus.partial" / ".progress" / "begun.json").write_text("{")

    if change in SOFTWARE:  # upgraded between the two
        installed = metadata.version
        later = lambda name: "99" if name == change else installed(name)  # noqa: E731
        monkeypatch.setattr(metadata, "version", later)

    def now() -> list[Document]:
        return list(documents())[change == "documents" :]

    notes: list[str] = []
    prepare_corpus(now, out=out, settings=settings, on_note=notes.append)
    prepare_corpus(now, out=other, settings=settings)
    assert content(out) == content(other)
    assert not any(map(_is_going_on, notes))


def test_prepare_by_two_at_once_is_refused(tmp_path: Path) -> None:
    def meanwhile(stage: str, done: int, _total: int | None) -> None:
        if (stage, done) == (writing.ENCODING, 5):
            with pytest.raises(UserError, match="another process writes to the output directory"):
                prepare_corpus(documents, out=tmp_path / "corpus", settings=SETTINGS)

    corpus = prepare_corpus(
        documents, out=tmp_path / "corpus", settings=SETTINGS, on_progress=meanwhile
    )
    verify_corpus(corpus)


SCRIPT = f"""
import os, sys, time
from pathlib import Path
sys.path += {str(Path(__file__).parent)!r}, {str(SUPPORT)!r}
import test_going_on as test

def main():
    print(os.getpid(), flush=True)
    test.make_small_files(test.pytest.MonkeyPatch())
    test.prepare_corpus(
        test.documents, out=Path(sys.argv[1]), settings=test.SETTINGS,
        on_progress=say,
    )

def say(stage, done, total):
    print(stage, done, flush=True)
    if f"{{stage}} {{done}}" == sys.argv[2]:
        time.sleep(float(sys.argv[3]))

if __name__ == "__main__":
    main()
"""


def kill_at(script: Path, moment: str, delay: float = 0.0) -> bool:
    """Whether a preparation was killed, so many seconds after it said that it is at a moment.

    With no delay it waits there, and so is killed however busy the machine is.
    """
    waits = str(0 if delay else HUNG_SECONDS)
    process = subprocess.Popen(
        warm_command(script, "out/corpus", moment, waits),
        cwd=script.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    with ended(process):
        assert process.stdout is not None
        preparing = int(process.stdout.readline())
        for line in process.stdout:
            if line.strip() == moment:
                time.sleep(delay)
                with suppress(ProcessLookupError):  # it was finished before
                    os.kill(preparing, signal.SIGKILL)
                break
        process.wait(HUNG_SECONDS)
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0


def random_moments(seed: int) -> list[tuple[str, float]]:
    """Three moments of all stages, and how many seconds after them; the first is exact."""
    rng = random.Random(seed)
    stages = [planning.READING, planning.COUNTING, planning.LEARNING, *[writing.ENCODING] * 6]
    moments = [f"{rng.choice(stages)} {rng.randrange(1, 25)}" for _ in range(3)]
    return [(moment, place * rng.uniform(0, 0.02)) for place, moment in enumerate(moments)]


@pytest.mark.slow
def test_prepare_that_was_killed_goes_on(tmp_path: Path, unbroken: dict[str, bytes]) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    for moment in ("reading text 3", "tagging and tokenizing 4", "tagging and tokenizing 25"):
        assert kill_at(script, moment)
    notes: list[str] = []
    prepare_corpus(
        documents, out=tmp_path / "out" / "corpus", settings=SETTINGS, on_note=notes.append
    )
    assert any(map(_is_going_on, notes))
    assert content(tmp_path / "out" / "corpus") == unbroken


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_prepare_that_was_killed_at_random_moments_goes_on(
    tmp_path: Path, unbroken: dict[str, bytes], seed: int
) -> None:
    """What a moment's file holds when it is killed differs from run to run; the corpus does not."""
    script, out = tmp_path / "script.py", tmp_path / "out" / "corpus"
    script.write_text(SCRIPT)
    killed = [kill_at(script, *moment) for moment in random_moments(seed) if not out.exists()]
    assert killed[0]
    if not out.exists():
        prepare_corpus(documents, out=out, settings=SETTINGS)
    assert content(out) == unbroken
