"""A corpus that others touch while a run goes on: noticed, named, and nothing wrong is kept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cases import one_in
from child_processes import HUNG_SECONDS, ended, wait_until
from places import ROOT
from small_runs import TINY, command, started, stopped_at, trained
from tidemask.corpus.prepare import prepare
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus, verify_corpus
from tidemask.errors import UserError
from tidemask.evaluation.evaluate import evaluate
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.preview import preview
from tidemask.runs.train import train
from touched_runs import SIX_STEPS, assert_same_runs, at_step, saved_steps


@pytest.fixture(scope="module")
def copy(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that may be spoilt and is restored after each test."""
    return Path(shutil.copytree(corpus, tmp_path_factory.mktemp("corpora") / "copy"))


@pytest.fixture(scope="module")
def unbroken(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Six steps with a line for each, a checkpoint after every second."""
    return trained(copy, tmp_path_factory.mktemp("runs") / "unbroken", "ptw-mrd", *SIX_STEPS)


@pytest.mark.parametrize("place", one_in(2, ["train", "held_out"]))
@pytest.mark.slow
def test_changed_rows_stop_the_run_before_they_are_saved(
    place: str, copy: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """Overwritten in place after step 3: the checkpoint of step 2 is the last; then restored."""
    run = started(copy, tmp_path / "run", "ptw-mrd", *SIX_STEPS)
    (path,) = (copy / place).glob("*.arrow")
    whole = path.read_bytes()

    def overwrite() -> None:
        path.write_bytes(bytes(byte ^ 1 for byte in whole))

    try:
        with pytest.raises(UserError, match="corpus changed while it was in use") as caught:
            train(run, at_step(3, overwrite))
    finally:
        path.write_bytes(whole)
    assert str(path) in str(caught.value)
    assert saved_steps(run) == [2]
    assert not run.model.exists()
    train(run)
    assert_same_runs(run, unbroken)


@pytest.mark.slow
def test_changed_corpus_after_the_last_step_leaves_no_model(
    copy: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """The card would name a fingerprint that the corpus no longer has."""
    run = started(copy, tmp_path / "run", "ptw-mrd", *SIX_STEPS)
    manifest = copy / "manifest.json"
    content = manifest.read_bytes()

    def on_progress(stage: str, done: int, total: int | None) -> None:
        if stage == "held-out loss" and run.checkpoint(6).exists():
            manifest.write_bytes(content + b"\n")

    try:
        with pytest.raises(UserError, match=r"corpus changed .*manifest.json has"):
            train(run, RunCallbacks(on_progress=on_progress))
    finally:
        manifest.write_bytes(content)
    assert not run.model.exists()
    train(run)
    assert_same_runs(run, unbroken)


@contextmanager
def _mask_token(tokenizer: Path, token: str) -> Iterator[None]:
    """A tokenizer whose configuration names another mask token; then as it was."""
    path = tokenizer / "tokenizer_config.json"
    whole = path.read_text()
    path.write_text(json.dumps({**json.loads(whole), "mask_token": token}))
    try:
        yield
    finally:
        path.write_text(whole)


@pytest.mark.slow
def test_changed_mask_token_of_the_corpus_is_refused_wherever_it_is_read(
    copy: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """The backend of the tokenizer is the same, and so is its fingerprint."""
    run = stopped_at(unbroken, 2, tmp_path / "run")
    named = r"corpus changed: .*tokenizer is not the .* ids of mask_token: 1\. Expected 4\."
    with _mask_token(copy / "tokenizer", "[UNK]"):
        for command in (
            lambda: verify_corpus(open_corpus(copy)),
            lambda: train(run),
            lambda: started(copy, tmp_path / "new", "ptw-mrd", *SIX_STEPS),
            lambda: preview(copy, "ptw-mrd", progress=[0.0]),
        ):
            with pytest.raises(UserError, match=named):
                command()
        (result,) = evaluate(unbroken.root, tasks="held-out", with_random=False, progress=False)
        assert "ids of mask_token: 1. Expected 4." in result.problem
    assert not (tmp_path / "new").exists()
    train(run)
    assert_same_runs(run, unbroken)


def test_changed_mask_token_is_not_noticed_in_a_corpus_that_does_not_say_it(
    tmp_path: Path,
) -> None:
    """Corpora of earlier versions open as they did; their fingerprint does not cover it."""
    earlier = Path(
        shutil.copytree(ROOT / "tests" / "earlier_version" / "corpus", tmp_path / "earlier")
    )
    with _mask_token(earlier / "tokenizer", "[UNK]"):
        verify_corpus(open_corpus(earlier))


def test_changed_mask_token_gives_the_corpus_that_is_prepared_again_another_fingerprint(
    copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("The fox saw the grapes.\n\nA dog sat by the sea.\n")

    def prepared(name: str) -> PreparedCorpus:
        return prepare(
            tmp_path / "text.txt", out=tmp_path / name, tokenizer=copy / "tokenizer",
            tagger=None, held_out=0, workers=1, progress=False,
        )  # fmt: skip

    first, again = prepared("first"), prepared("again")
    with _mask_token(copy / "tokenizer", "[UNK]"):
        other = prepared("other")
    rows = [corpus.train.rows([0]).input_ids.tolist() for corpus in (first, other)]
    assert rows[0] == rows[1]
    assert first.manifest.fingerprint == again.manifest.fingerprint != other.manifest.fingerprint
    verify_corpus(other)
    before = replace(first.manifest, special_ids=None).with_fingerprint("a", "b")
    assert replace(before, special_ids=first.manifest.special_ids).is_of("a", "b")


def test_changed_mask_token_of_a_model_is_measured_again_and_fits_no_corpus(
    copy: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    run = RunDirectory(Path(shutil.copytree(unbroken.root, tmp_path / "run")))

    def measured() -> dict[str, float]:
        (found,) = evaluate(
            run.root, tasks="pseudo-perplexity", with_random=False, progress=False,
            overrides=["pseudo_perplexity.sequences=2"],
        )  # fmt: skip
        assert not found.problem
        path = run.result("pseudo-perplexity", "final")
        return {**found.results[0].metrics, "written": path.stat().st_mtime_ns}

    first = measured()
    assert measured() == first
    with _mask_token(run.model, "[UNK]"):
        assert measured()["written"] > first["written"]
        with pytest.raises(UserError, match="have different tokenizers"):
            started(copy, tmp_path / "warm", "bert", f"model.warm_start={run.model}",
                    "model.size=null")  # fmt: skip
    assert len(list((run.evaluation / "replaced").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "processes"), [(0, 1), (1, 1), (0, 2)])
def test_changed_shard_that_is_cut_is_one_line_and_no_signal(
    workers: int, processes: int, corpus: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(corpus, tmp_path / "copy"))
    run = RunDirectory(tmp_path / "run")
    (path,) = (copy / "train").glob("*.arrow")
    arguments = [
        "pretrain", str(copy), f"--out={run.root}", *TINY, "training.max_steps=100000",
        "training.logging_steps=1", "training.save_steps=100000",
        "evaluation.every_steps=100000", f"training.loader_workers={workers}",
    ]  # fmt: skip
    process = subprocess.Popen(
        command(arguments, processes=processes, warm=True),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    with ended(process):
        wait_until(lambda: run.metrics.is_file() and bool(run.metrics.read_text()), process)
        os.truncate(path, 4096)
        _, errors = process.communicate(timeout=HUNG_SECONDS)
    assert f"tidemask: corpus changed while it was in use: {path} has 4,096 bytes" in errors
    if processes > 1:  # the launcher has a status of its own
        assert process.returncode == 1, errors
        return
    assert process.returncode == 2, errors
    assert "Traceback" not in errors
    assert "worker" not in errors
