"""Several processes compute what one does: masks, losses, gradients, and the same after a resume.

Real processes joined by gloo on the CPU: two runs are under torchrun itself and one under
`accelerate launch`, the others have what these set; all are forked from one that has imported all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from child_processes import HUNG_SECONDS
from direct_training import train_directly
from observed_run import observe
from places import SUPPORT
from small_runs import (
    TINY,
    in_ranks,
    records,
    run_command,
    started,
    stopped_at,
    torchrun,
    trained,
    warm_command,
)
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.train import train
from tidemask.training.checkpoint_files import find_resume_point

EXACT = (
    "model.dropout=0.0", "training.logging_steps=1", "masking.content.horizon_steps=1",
    "evaluation.batch_size=3", "training.save_steps=4",
)  # fmt: skip
"""Class losses decide the weights of the very next step; ranks share evaluation unevenly."""


def _started(corpus: Path, out: Path, micro: int, *settings: str) -> RunDirectory:
    return started(corpus, out, "ptw-mrd", *EXACT, f"training.micro_batch_size={micro}", *settings)


def _script_in_two(script: str, *arguments: str | Path) -> str:
    """What a script of `tests/support` prints on two processes."""
    done = subprocess.run(
        in_ranks(warm_command(SUPPORT / script, *map(str, arguments)), 2),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _observed_in_two(run: RunDirectory, out: Path) -> list[dict[str, Any]]:
    _script_in_two("observed_run.py", run.root, out)
    return [torch.load(f"{out}-{rank}.pt", weights_only=True) for rank in range(2)]


def _in_any_order(rows: torch.Tensor) -> list[list[int]]:
    return sorted(rows.tolist())


def _assert_same_step(
    rows: list[torch.Tensor],
    gradients: dict[str, torch.Tensor],
    whole_rows: torch.Tensor,
    whole_gradients: dict[str, torch.Tensor],
) -> None:
    assert _in_any_order(torch.cat(rows)) == _in_any_order(whole_rows)
    assert gradients.keys() == whole_gradients.keys()
    scale = max(float(g.abs().max()) for g in whole_gradients.values())
    for name, gradient in whole_gradients.items():
        torch.testing.assert_close(
            gradients[name], gradient, rtol=1e-4, atol=1e-5 * scale, msg=name
        )


def _assert_same_lines(a: RunDirectory, b: RunDirectory) -> None:
    for one, other in zip(records(a), records(b), strict=True):
        assert other == pytest.approx(one, rel=1e-5, abs=1e-9, nan_ok=True), one["step"]
        assert one["predicted_tokens"] == other["predicted_tokens"]


@pytest.mark.slow
def test_distributed_masks_losses_and_gradients_are_those_of_one_process(
    corpus: Path, tmp_path: Path
) -> None:
    """1 x 32, 2 x 16 accumulated, 2 ranks x 16 whole and in shards, with class loss feedback."""
    steps = "training.max_steps=4"
    whole_run = _started(corpus, tmp_path / "whole", 32, steps)
    whole = observe(whole_run)
    padding = 0
    assert any(bool((rows[:, :32] == padding).any()) for rows in whole.rows), "no padding"
    parts_run = _started(
        corpus, tmp_path / "parts", 16, steps, "training.gradient_accumulation_steps=2"
    )
    parts = observe(parts_run)
    for step in range(4):
        _assert_same_step(
            [parts.rows[step]], parts.gradients[step], whole.rows[step], whole.gradients[step]
        )
    _assert_same_lines(whole_run, parts_run)
    for sharding in ("none", "fsdp2"):
        run = _started(corpus, tmp_path / sharding, 16, steps, f"training.sharding={sharding}")
        ranks = _observed_in_two(run, tmp_path / f"seen-{sharding}")
        assert [rank["sharded"] for rank in ranks] == [sharding == "fsdp2"] * 2
        for step in range(4):
            for rank in ranks:
                _assert_same_step(
                    [other["rows"][step] for other in ranks], rank["gradients"][step],
                    whole.rows[step], whole.gradients[step],
                )  # fmt: skip
        _assert_same_lines(whole_run, run)


@pytest.mark.slow
@pytest.mark.parametrize(("sharding", "kind"), [("none", "DDP"), ("fsdp2", "FSDP2")])
def test_distributed_trainer_used_directly_joins_the_processes_itself(
    sharding: str, kind: str, corpus: Path, tmp_path: Path
) -> None:
    """Checkpoints, metrics and events are written once, by the first rank."""
    whole, run = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "run")
    train_directly(corpus, whole, micro_batch_size=8)
    printed = _script_in_two("direct_training.py", corpus, run.root, sharding)
    assert printed == f"{kind} on 2 processes (gloo)\n"
    assert [step for step, _ in run.checkpoints()] == [2, 4]
    assert find_resume_point(run).passed_over == ()
    assert sorted(path.name for path in run.root.iterdir()) == sorted(
        path.name for path in whole.root.iterdir()
    )
    assert len(list(run.tensorboard.iterdir())) == 1
    _assert_same_lines(whole, run)


@pytest.fixture(scope="module")
def alone(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The run in one process that was never broken."""
    run = _started(corpus, tmp_path_factory.mktemp("runs") / "alone", 16)
    train(run)
    return run


@pytest.fixture(scope="module")
def sharded(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The same on two processes under FSDP2, with what it printed beside it."""
    root = tmp_path_factory.mktemp("runs") / "sharded"
    arguments = [
        "pretrain", str(corpus), "--recipe=ptw-mrd", *TINY, *EXACT, f"--out={root}",
        "training.micro_batch_size=8", "training.sharding=fsdp2",
    ]  # fmt: skip
    done = subprocess.run(
        [*torchrun(2), "--no-python", *warm_command("tidemask", *arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=HUNG_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (root / "printed.json").write_text(json.dumps([done.stdout, done.stderr]))
    return RunDirectory(root)


@pytest.mark.slow
def test_distributed_shards_are_named_saved_whole_and_printed_once(
    alone: RunDirectory, sharded: RunDirectory
) -> None:
    _assert_same_lines(alone, sharded)
    assert sharded.read_environment()["engine"] == "FSDP2 on 2 processes (gloo)"
    assert alone.read_environment()["engine"] == "one process"
    printed, errors = json.loads((sharded.root / "printed.json").read_text())
    assert printed.count("Held-out loss") == 1
    assert printed.endswith(f"Model: {sharded.model}\n")
    assert errors.count("Training runs as FSDP2 on 2 processes (gloo).") == 1
    assert errors.count("training: 8 of 8") == 1
    whole, gathered = (
        load_file(run.checkpoint(4) / "model.safetensors") for run in (alone, sharded)
    )
    assert {n: w.shape for n, w in whole.items()} == {n: w.shape for n, w in gathered.items()}
    for name, weight in whole.items():
        torch.testing.assert_close(gathered[name], weight, rtol=1e-4, atol=1e-5, msg=name)
    AutoModelForMaskedLM.from_pretrained(sharded.checkpoint(4))


def _set(run: RunDirectory, *, micro: int, sharding: str) -> None:
    """Choose another sharding for the continuation; `micro` is what the run was begun with."""
    text = run.config.read_text()
    kind = "fsdp2" if "sharding: fsdp2" in text else "none"
    run.config.write_text(text.replace(f"sharding: {kind}", f"sharding: {sharding}"))
    assert f"micro_batch_size: {micro}" in text


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["none", "fsdp2"])
def test_distributed_run_of_one_process_goes_on_in_two(
    sharding: str, corpus: Path, tmp_path: Path
) -> None:
    run = _started(corpus, tmp_path / "run", 4, "training.gradient_accumulation_steps=2")
    train(run)
    broken = stopped_at(run, 4, tmp_path / "broken")
    _set(broken, micro=4, sharding=sharding)
    done = run_command(["resume", str(broken.root)], processes=2)
    assert done.returncode == 0, done.stderr
    assert "Continuing after step 4." in done.stderr
    _assert_same_lines(run, broken)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_distributed_run_in_shards_goes_on_without(
    processes: int, sharded: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(sharded, 4, tmp_path / "broken")
    if processes == 1:
        notes: list[str] = []
        train(broken, RunCallbacks(on_note=notes.append))
        assert any("training.sharding=fsdp2 has no effect on one process" in n for n in notes)
    else:
        _set(broken, micro=8, sharding="none")
        done = run_command(["resume", str(broken.root)], processes=2)
        assert done.returncode == 0, done.stderr
    _assert_same_lines(sharded, broken)


@pytest.mark.slow
def test_distributed_run_in_shards_goes_on_in_shards_as_if_unbroken(
    sharded: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(sharded, 4, tmp_path / "broken")
    done = run_command(["resume", str(broken.root)], processes=2)
    assert done.returncode == 0, done.stderr
    assert [json.dumps(r) for r in records(broken)] == [json.dumps(r) for r in records(sharded)]


@pytest.mark.slow
def test_distributed_batch_that_does_not_divide_is_one_line(
    alone: RunDirectory, tmp_path: Path
) -> None:
    """16 sequences a step in micro-batches of 16 cannot be shared by two processes."""
    broken = stopped_at(alone, 4, tmp_path / "broken")
    done = run_command(["resume", str(broken.root)], processes=2)
    assert done.returncode != 0
    assert "global batch does not divide: 16 sequences a step on 2 processes" in done.stderr
    assert "Use a number of processes that divides it." in done.stderr
    done = run_command(["resume", str(alone.root), "training.max_steps=99"], processes=2)
    assert "global batch does not divide: 16 sequences a step on 2 processes" in done.stderr
    assert not alone.root.with_name(f"{alone.root.name}-99-steps").exists()


@pytest.mark.slow
def test_distributed_accelerate_launch_runs_the_same(
    alone: RunDirectory, corpus: Path, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    launcher = [
        "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--num_machines=1",
        "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0", "--no_python",
    ]  # fmt: skip
    forked = warm_command(
        "tidemask", "pretrain", str(corpus), "--recipe=ptw-mrd", *TINY, *EXACT, f"--out={run.root}",
        "training.micro_batch_size=8",
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, *launcher, *forked],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_FSDP": "false"},
        capture_output=True, text=True, timeout=HUNG_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert run.read_environment()["engine"] == "DDP on 2 processes (gloo)"
    _assert_same_lines(alone, run)


@pytest.mark.slow
def test_distributed_trained_alone_says_nothing_of_engines(corpus: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    run = _started(corpus, tmp_path / "run", 4, "training.max_steps=1")
    train(run, RunCallbacks(on_note=notes.append))
    assert notes == []
    assert trained(corpus, tmp_path / "other", "bert").read_environment()["engine"] == "one process"
