"""A broken run equals the unbroken one; damage is noticed and nothing is lost in silence."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import pytest

from small_runs import (
    TINY,
    killed_at,
    problem_with,
    records,
    run_command,
    same_weights,
    stopped_at,
    trained,
)
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.resume_notes import resume_notes
from tidemask.runs.train import train
from tidemask.training.checkpoint_checks import SEAL_FILE
from tidemask.training.checkpoint_files import find_resume_point

_OF_PROCESS = ("tidemask_state.json", "rng_state.pth")


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Eight steps with a checkpoint after each, all kept."""
    return trained(
        corpus, tmp_path_factory.mktemp("runs") / "unbroken", "ptw-mrd", "training.save_steps=1",
        "training.keep_checkpoints=0", "masking.content.horizon_steps=2",
        "training.gradient_accumulation_steps=2",
    )  # fmt: skip


@pytest.mark.parametrize(
    "step", [4, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 1, 2, 3, 5, 6, 7, 8))]
)
@pytest.mark.slow
def test_resume_at_every_step_equals_the_unbroken_run(
    step: int, unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, step, tmp_path / "broken")
    with broken.metrics.open("a") as file:
        file.write('{"step": 8, "loss": 1.')  # a torn last line
    assert train(broken).step == step
    assert same_weights(broken, unbroken)
    assert _text(broken) == _text(unbroken)
    assert _hashes_of_last(broken) == _hashes_of_last(unbroken)


def _hashes_of_last(run: RunDirectory) -> dict[str, object]:
    """Of the files of the last checkpoint.

    Our own state has times in it, and the generators of Python and NumPy are those of this process.
    """
    files: dict[str, object] = json.loads((run.checkpoint(8) / SEAL_FILE).read_text())["files"]
    return {name: entry for name, entry in files.items() if name not in _OF_PROCESS}


@pytest.mark.slow
def test_resume_keeps_the_losses_of_vocabulary_entries(corpus: Path, tmp_path: Path) -> None:
    """Weights by them differ from the second step on, so losing them would change the masks."""
    settings = ("masking.content.horizon_steps=1", "training.save_steps=5")
    unbroken = trained(corpus, tmp_path / "unbroken", "wsbert-loss", *settings)
    broken = stopped_at(unbroken, 5, tmp_path / "broken")
    assert train(broken).step == 5
    assert same_weights(broken, unbroken)
    assert _text(broken) == _text(unbroken)


def _text(run: RunDirectory) -> list[str]:
    return [json.dumps(record) for record in records(run)]


def test_resume_of_a_finished_run_is_refused(unbroken: RunDirectory) -> None:
    with pytest.raises(UserError, match="run is finished"):
        train(unbroken)


def _damage(newest: Path, kind: str) -> None:
    optimizer = newest / "optimizer.pt"
    content = bytearray(optimizer.read_bytes())
    content[len(content) // 2] ^= 1
    match kind:
        case "cut":
            optimizer.write_bytes(content[:-7])
        case "changed":
            optimizer.write_bytes(content)
        case "missing":
            optimizer.unlink()
        case "unsealed":
            (newest / SEAL_FILE).unlink()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut", "changed", "missing", "unsealed"])
def test_resume_passes_over_a_damaged_checkpoint(
    kind: str, unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, 6, tmp_path / "broken")
    _damage(broken.checkpoint(6), kind)
    point = find_resume_point(broken)
    assert point.step == 5
    assert "checkpoint-6 is damaged" in resume_notes(broken, point)[0]


@pytest.mark.slow
def test_resume_writes_a_damaged_checkpoint_again(unbroken: RunDirectory, tmp_path: Path) -> None:
    broken = stopped_at(unbroken, 6, tmp_path / "broken")
    _damage(broken.checkpoint(6), "changed")
    assert train(broken).step == 5
    assert same_weights(broken, unbroken)
    assert problem_with(broken.checkpoint(6), 6) is None


def test_resume_with_every_checkpoint_damaged_is_refused(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, 2, tmp_path / "broken")
    for _, path in broken.checkpoints():
        (path / "model.safetensors").write_bytes(b"")
    before = broken.metrics.read_bytes()
    with pytest.raises(UserError, match=r"no complete checkpoint: .*checkpoint-2 is damaged"):
        train(broken)
    assert broken.metrics.read_bytes() == before


def test_resume_on_a_changed_corpus_is_refused(
    corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, 3, tmp_path / "broken")
    changed = broken.config.read_text().replace("fingerprint: ", "fingerprint: 0")
    broken.config.write_text(changed)
    with pytest.raises(UserError, match=r"corpus changed: .* has the fingerprint"):
        train(broken)


@pytest.mark.slow
def test_resume_keeps_the_newest_checkpoints(corpus: Path, tmp_path: Path) -> None:
    run = trained(
        corpus, tmp_path / "run", "bert", "training.save_steps=2", "training.keep_checkpoints=2"
    )
    assert [step for step, _ in run.checkpoints()] == [6, 8]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_resume_holds_no_file_of_the_checkpoint(unbroken: RunDirectory, tmp_path: Path) -> None:
    """A mapped file would keep its room on the disk when the checkpoint is deleted."""
    broken = stopped_at(unbroken, 3, tmp_path / "broken")
    held: list[str] = []

    def on_progress(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("training", 5):
            held.extend(Path("/proc/self/maps").read_text().splitlines())

    train(broken, RunCallbacks(on_progress=on_progress))
    assert held
    assert not [line for line in held if str(broken.root) in line]


def test_resume_writes_no_pickled_arguments(unbroken: RunDirectory) -> None:
    names = {path.name for path in unbroken.root.rglob("*")}
    assert "training_args.bin" not in names
    assert not [name for name in names if name.endswith(".tmp")]


@pytest.mark.slow
def test_resume_after_sigkill_is_bit_identical(corpus: Path, tmp_path: Path) -> None:
    """A process of its own, killed with SIGKILL at a random step, continued by the command."""
    settings = [
        "pretrain", str(corpus), "--recipe=ptw-mrd", *TINY, "training.max_steps=30",
        "training.save_steps=7", "evaluation.every_steps=12", "masking.content.horizon_steps=5",
        "training.gradient_accumulation_steps=2",
    ]  # fmt: skip
    whole, broken = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "broken")
    assert run_command([*settings, f"--out={whole.root}"]).returncode == 0
    step = random.Random(time.time_ns()).randrange(8, 28)
    killed_at(step, tmp_path / "held", [*settings, f"--out={broken.root}"])
    again = run_command(["resume", str(broken.root)])
    assert again.returncode == 0, again.stderr
    assert "Continuing after step" in again.stderr
    assert same_weights(broken, whole)
    assert _text(broken) == _text(whole)
