"""The stock Trainer broken off and continued: the same masks, class losses and weights."""

from __future__ import annotations

import multiprocessing
import signal
from pathlib import Path

import pytest
from transformers import set_seed

from child_processes import HUNG_SECONDS
from stock_runs import SAVING, Run, Stop, Stream, same_batches, same_weights

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]


@pytest.mark.parametrize(
    ("stop", "accumulation", "workers"),
    [
        (5, 1, 0),
        pytest.param(7, 1, 0, marks=pytest.mark.slow),
        pytest.param(4, 2, 0, marks=pytest.mark.slow),
        pytest.param(9, 1, 2, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
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
@pytest.mark.slow
def test_stock_trainer_resumes_within_a_stream(workers: int, tmp_path: Path) -> None:
    """The Trainer makes the batches of a stream once more, and throws them away."""
    more = {"data": Stream(), "dataloader_num_workers": workers}
    Run(tmp_path, "words", max_steps=6, callbacks=(Stop(3),), **SAVING, **more).train()
    rest = Run(tmp_path, "words", max_steps=6, **more).train(tmp_path / "checkpoint-3")
    rest.check("words", first_step=3)


@pytest.mark.slow
def test_stock_trainer_resumes_from_a_directory_elsewhere(tmp_path: Path) -> None:
    """The state is the checkpoint's own, whatever is in the output directory."""
    Run(tmp_path / "a", "class loss", callbacks=(Stop(4),), **SAVING).train()
    Run(tmp_path / "b", "words", callbacks=(Stop(4),), **SAVING).train()
    rest = Run(tmp_path / "b", "class loss").train(tmp_path / "a" / "checkpoint-4")
    whole = Run(tmp_path / "c", "class loss").train()
    assert same_batches(rest.trained, whole.trained[4:])
    with pytest.raises(ValueError, match=r"class losses in the saved state: "):
        Run(tmp_path / "b", "words").train(tmp_path / "a" / "checkpoint-4")


def _train_to(out: Path, kill_at: int, result: Path) -> None:
    """Train in this process, from the newest checkpoint if there is one; write the end down."""
    checkpoints = sorted(out.glob("checkpoint-*"), key=lambda p: int(p.name[11:]))
    stop = (Stop(kill_at, kill=True),) if kill_at else ()
    more = {**SAVING, "save_steps": 3, "dataloader_num_workers": 2}
    run = Run(out, "class loss", max_steps=12, callbacks=stop, **more)
    run.train(checkpoints[-1] if checkpoints else None)
    weights = {name: weight.tolist() for name, weight in run.model.state_dict().items()}
    class_loss = run.collator.state_dict()["class_loss"]
    result.write_text(f"{len(run.trained)}\n{weights}\n{class_loss}")


@pytest.mark.slow
def test_stock_trainer_killed_and_resumed(tmp_path: Path) -> None:
    """In processes that are forked, as an import takes longer than the training."""
    fork, result = multiprocessing.get_context("fork"), tmp_path / "result"

    def ended(out: str, kill_at: int) -> int | None:
        process = fork.Process(target=_train_to, args=(tmp_path / out, kill_at, result))
        process.start()
        process.join(HUNG_SECONDS)
        process.kill()
        process.join()
        return process.exitcode

    assert ended("killed", 8) == -signal.SIGKILL
    assert not result.exists()
    lines = []
    for out in ("killed", "whole"):
        assert ended(out, 0) == 0
        lines.append(result.read_text().splitlines())
    assert [trained for trained, *_ in lines] == ["6", "12"]
    assert lines[0][1:] == lines[1][1:]


@pytest.mark.slow
def test_stock_trainer_refuses_a_checkpoint_without_class_losses(tmp_path: Path) -> None:
    run = Run(tmp_path, "words", callbacks=(Stop(2),), **SAVING)
    run.trainer.remove_callback(run.masking)
    run.train()
    Run(tmp_path / "on", "words", **SAVING).train(tmp_path / "checkpoint-2").check(
        "words", first_step=2
    )
    with pytest.raises(ValueError, match="no masking state in the checkpoint of step 2"):
        Run(tmp_path, "class loss").train(tmp_path / "checkpoint-2")
