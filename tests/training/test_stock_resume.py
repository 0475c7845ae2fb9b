"""The stock Trainer broken off and continued: the same masks, class losses and weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import set_seed

from child_processes import HUNG_SECONDS
from places import SUPPORT
from stock_runs import SAVING, Run, Stop, Stream, same_batches, same_weights

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]


@pytest.mark.parametrize(
    ("stop", "accumulation", "workers"),
    [
        (5, 1, 0),
        (7, 1, 0),
        pytest.param(9, 1, 0, marks=pytest.mark.slow),
        pytest.param(4, 2, 0, marks=pytest.mark.slow),
        (9, 1, 2),
    ],
)
def test_stock_trainer_resumed_run_equals_the_unbroken_one(
    stop: int, accumulation: int, workers: int, tmp_path: Path
) -> None:
    """Within an epoch of 7 batches and at its end: masks, class losses, weights; with dropout."""
    more = {"accumulation": accumulation, "dataloader_num_workers": workers, "dropout": 0.1}
    whole = Run(tmp_path / "whole", "class loss", max_steps=12, **more).train()
    broken = Run(
        tmp_path / "run", "class loss", max_steps=12, callbacks=(Stop(stop),), **SAVING, **more
    )
    broken.train()
    set_seed(1)
    rest = Run(tmp_path / "run", "class loss", max_steps=12, **more)
    rest.train(tmp_path / "run" / f"checkpoint-{stop}")
    assert same_batches(broken.trained + rest.trained, whole.trained)
    assert rest.collator.state_dict() == whole.collator.state_dict()
    assert same_weights(rest, whole)


@pytest.mark.parametrize("workers", [0, 1])
def test_stock_trainer_resumes_within_a_stream(workers: int, tmp_path: Path) -> None:
    """The Trainer makes the batches of a stream once more, and throws them away."""
    more = {"data": Stream(), "dataloader_num_workers": workers}
    Run(tmp_path, "words", max_steps=6, callbacks=(Stop(3),), **SAVING, **more).train()
    rest = Run(tmp_path, "words", max_steps=6, **more).train(tmp_path / "checkpoint-3")
    rest.check("words", first_step=3)


def test_stock_trainer_resumes_from_a_directory_elsewhere(tmp_path: Path) -> None:
    """The state is the checkpoint's own, whatever is in the output directory."""
    Run(tmp_path / "a", "class loss", callbacks=(Stop(4),), **SAVING).train()
    Run(tmp_path / "b", "words", callbacks=(Stop(4),), **SAVING).train()
    rest = Run(tmp_path / "b", "class loss").train(tmp_path / "a" / "checkpoint-4")
    whole = Run(tmp_path / "c", "class loss").train()
    assert same_batches(rest.trained, whole.trained[4:])
    with pytest.raises(ValueError, match=r"class losses in the saved state: "):
        Run(tmp_path / "b", "words").train(tmp_path / "a" / "checkpoint-4")


def run_in_a_process(out: str, kill_at: int) -> None:
    """Train in this process, from the newest checkpoint if there is one; print the end."""
    checkpoints = sorted(Path(out).glob("checkpoint-*"), key=lambda p: int(p.name[11:]))
    stop = (Stop(kill_at, kill=True),) if kill_at else ()
    more = {**SAVING, "save_steps": 3, "dataloader_num_workers": 2}
    run = Run(Path(out), "class loss", max_steps=12, callbacks=stop, **more)
    run.train(checkpoints[-1] if checkpoints else None)
    digest = sum(float(w.double().abs().sum()) for w in run.model.state_dict().values())
    print("RESULT", len(run.trained), repr(digest), run.collator.state_dict()["class_loss"])


@pytest.mark.slow
def test_stock_trainer_killed_and_resumed(tmp_path: Path) -> None:
    def process(out: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
        code = f"import test_stock_resume as t; t.run_in_a_process({str(out)!r}, {kill_at})"
        path = os.pathsep.join([str(Path(__file__).parent), str(SUPPORT)])
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=HUNG_SECONDS,
            check=False,
        )

    killed = process(tmp_path / "killed", 8)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    results = [process(tmp_path / "killed", 0), process(tmp_path / "whole", 0)]
    lines = []
    for done in results:
        assert done.returncode == 0, done.stderr
        lines.append(
            next(x for x in done.stdout.splitlines() if x.startswith("RESULT")).split(" ", 2)
        )
    assert [line[1] for line in lines] == ["6", "12"]
    assert lines[0][2] == lines[1][2]


def test_stock_trainer_refuses_a_checkpoint_without_class_losses(tmp_path: Path) -> None:
    run = Run(tmp_path, "words", callbacks=(Stop(2),), **SAVING)
    run.trainer.remove_callback(run.masking)
    run.train()
    Run(tmp_path / "on", "words", **SAVING).train(tmp_path / "checkpoint-2").check(
        "words", first_step=2
    )
    with pytest.raises(ValueError, match="no masking state in the checkpoint of step 2"):
        Run(tmp_path, "class loss").train(tmp_path / "checkpoint-2")
