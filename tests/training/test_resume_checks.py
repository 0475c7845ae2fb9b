"""What a run refuses to continue with, and what it lets change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from small_runs import (
    TINY,
    problem_with,
    records,
    run_command,
    same_weights,
    started,
    stopped_at,
    trained,
    trainer_of,
)
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.train import train
from tidemask.training.run_lock import run_lock


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Eight steps with a checkpoint after each, all kept."""
    return trained(
        corpus, tmp_path_factory.mktemp("runs") / "unbroken", "ptw-mrd", "training.save_steps=1",
        "training.keep_checkpoints=0",
    )  # fmt: skip


def _edit(run: RunDirectory, *changes: tuple[str, str]) -> None:
    text = run.config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    run.config.write_text(text)


@pytest.mark.slow
def test_continuation_with_other_settings_names_them(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, 3, tmp_path / "broken")
    _edit(
        broken, ("seed: 0", "seed: 7"), ("mask: 0.8", "mask: 0.7"), ("random: 0.1", "random: 0.2"),
        ("max_steps: 8", "max_steps: 80"),
    )  # fmt: skip
    with pytest.raises(UserError) as caught:
        train(broken)
    for difference in (
        "training.seed=7 against 0",
        "training.max_steps=80 against 8",
        "masking.corruption.mask=0.7 against 0.8",
    ):
        assert difference in str(caught.value)


@pytest.mark.slow
def test_continuation_may_keep_another_number_of_checkpoints(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, 3, tmp_path / "broken")
    _edit(broken, ("keep_checkpoints: 0", "keep_checkpoints: 1"), ("workers: 0", "workers: 1"))
    train(broken)
    assert [step for step, _ in broken.checkpoints()] == [8]
    assert same_weights(broken, unbroken)


@pytest.mark.slow
def test_continuation_of_a_run_that_is_being_trained_is_refused(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, 3, tmp_path / "broken")
    with run_lock(broken), pytest.raises(UserError, match="run is being trained"):
        train(broken)
    train(broken)
    assert same_weights(broken, unbroken)


@pytest.mark.slow
def test_continuation_on_changed_rows_is_refused(
    corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy)
    broken = stopped_at(unbroken, 3, tmp_path / "broken")
    _edit(broken, (str(corpus), str(copy)))
    shard = next((copy / "train").glob("rows-*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError, match=r"corpus changed: the rows"):
        train(broken)


@pytest.mark.slow
def test_continuation_passes_over_damage_when_it_prunes(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, 7, tmp_path / "broken")
    _edit(broken, ("keep_checkpoints: 0", "keep_checkpoints: 2"))
    for step in (5, 6, 7):
        (broken.checkpoint(step) / "scheduler.pt").unlink()
    train(broken)
    assert [step for step, _ in broken.checkpoints()] == [7, 8]
    assert all(problem_with(path, step) is None for step, path in broken.checkpoints())
    assert same_weights(broken, unbroken)


@pytest.mark.slow
def test_continuation_after_a_kill_before_the_final_model(
    unbroken: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(unbroken, 8, tmp_path / "broken")
    assert train(broken).step == 8
    assert same_weights(broken, unbroken)
    name = "held-out--final.json"
    assert (broken.evaluation / name).read_bytes() == (unbroken.evaluation / name).read_bytes()


@pytest.mark.slow
def test_continuation_never_follows_gradients_that_are_not_finite(
    corpus: Path, tmp_path: Path
) -> None:
    """An infinite gradient at a finite loss reaches neither the weights nor a checkpoint."""
    run = started(corpus, tmp_path / "run", "bert", "training.save_steps=1")
    trainer = trainer_of(run)

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * (float("inf") if trainer.state.global_step == 3 else 1.0)

    next(trainer.model.parameters()).register_hook(spoil)
    with pytest.raises(UserError, match=r"gradient norm is not finite: .* in step 4"):
        trainer.train_from(None)
    assert max(step for step, _ in run.checkpoints()) == 3
    saved = load_file(run.checkpoint(3) / "model.safetensors")
    assert all(torch.isfinite(weight).all() for weight in saved.values())


@pytest.mark.slow
def test_continuation_on_another_number_of_ranks_goes_on_unchanged(
    corpus: Path, tmp_path: Path
) -> None:
    """Begun on two processes, continued on one: the same samples, masks and losses."""
    settings = [
        "pretrain", str(corpus), "--recipe=ptw-mrd", *TINY, "model.dropout=0.0",
        "training.micro_batch_size=4", "training.logging_steps=1", "training.save_steps=4",
        "masking.content.horizon_steps=1",
    ]  # fmt: skip
    run = RunDirectory(tmp_path / "run")
    done = run_command([*settings, f"--out={run.root}"], processes=2)
    assert done.returncode == 0, done.stderr
    broken = stopped_at(run, 4, tmp_path / "broken")
    again = run_command(["resume", str(broken.root)])
    assert again.returncode == 0, again.stderr
    for a, b in zip(records(run), records(broken), strict=True):
        assert b == pytest.approx(a, rel=1e-5, nan_ok=True), a["step"]
        assert a["predicted_tokens"] == b["predicted_tokens"]
