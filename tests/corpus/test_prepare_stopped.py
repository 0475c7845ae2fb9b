"""A preparation that is stopped: no worker goes on, and what is finished stays."""

import multiprocessing
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from child_processes import HUNG_SECONDS, ended
from prepared_documents import SETTINGS, make_documents, prepare
from tidemask import progress
from tidemask.corpus import encoding
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.store.shards import SplitWriter


@pytest.mark.parametrize("stage", ["reading text", "counting letters", "training tokenizer"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_prepare_interrupted_before_anything_is_finished_leaves_nothing(tmp_path, stage, error):
    def interrupt(current, done, total):
        if current == stage:
            raise error

    with pytest.raises(error):
        prepare_corpus(
            make_documents, out=tmp_path / "a" / "out", settings=SETTINGS, on_progress=interrupt
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_prepare_interrupted_ends_its_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK_CHARACTERS", 500)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_CALLS", 0)

    def interrupt(stage, done, total):
        if stage == "tagging and tokenizing" and done == 35:
            raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(
            make_documents,
            out=tmp_path / "out",
            settings=replace(SETTINGS, workers=2),
            on_progress=interrupt,
        )
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    assert threading.active_count() == threads


@pytest.mark.slow
def test_prepare_ends_its_workers_when_writing_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK_CHARACTERS", 500)

    def full_disk(self, document, number):
        raise OSError("No space left on device")

    monkeypatch.setattr(SplitWriter, "add", full_disk)
    with pytest.raises(OSError, match="No space left") as caught:
        prepare(tmp_path, make_documents(), workers=2)
    assert multiprocessing.active_children() == []
    assert [path.name for path in tmp_path.iterdir()] == [".corpus.partial"]
    del caught  # it held the frames, and with them all that was not ended


SCRIPT = """
import signal, sys
from tidemask.corpus import encoding
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.text_sources import TextSources

def stop(number, frame):
    raise SystemExit(128 + number)

def main():
    signal.signal(signal.SIGTERM, stop)
    encoding.CHUNK_CHARACTERS = 2000
    settings = PrepareSettings(vocab_size=300, sequence_length=32, held_out=0.2, workers=2,
                               documents="blank-lines")
    def show(stage, done, total):
        if done:
            print(stage, flush=True)
    files = TextSources.find(sys.argv[1:2], settings)
    prepare_corpus(files, out=sys.argv[2], settings=settings, on_progress=show)

if __name__ == "__main__":
    main()
"""


def start_script(tmp_path, num_documents):
    (tmp_path / "script.py").write_text(SCRIPT)
    text = "\n\n".join(d.text for d in make_documents(num_documents))
    (tmp_path / "text.txt").write_text(text)
    (tmp_path / "home").mkdir()
    arguments = [sys.executable, "-W", "error", "script.py", "text.txt", "out"]
    return subprocess.Popen(
        arguments,
        cwd=tmp_path,
        env={"HOME": str(tmp_path / "home"), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_prepare_is_quiet_and_leaves_nothing_in_the_home_directory(tmp_path):
    process = start_script(tmp_path, 60)
    with ended(process):
        _, errors = process.communicate(timeout=HUNG_SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert len(open_corpus(tmp_path / "out").train) > 10
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.slow
def test_prepare_ended_by_a_signal_leaves_what_is_finished(tmp_path):
    process = start_script(tmp_path, 4000)
    with ended(process):
        for line in process.stdout:
            if line.startswith("tagging"):
                break
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=HUNG_SECONDS)
    assert (process.returncode, errors) == (128 + signal.SIGTERM, "")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".out.partial", "home", "script.py", "text.txt"]
