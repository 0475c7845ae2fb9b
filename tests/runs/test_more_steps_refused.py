"""More steps that cannot be, or not there: refused by name, and nothing is begun again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tidemask as package
from finished_runs import LONGER
from small_runs import trained
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.config import load_recipe
from tidemask.runs.creation import new_or_same_run
from tidemask.runs.more_steps import run_with_more_steps
from tidemask.runs.train import train


@pytest.mark.parametrize("other", ["file", "run", "run from another"])
def test_more_steps_go_on_in_no_other_directory(
    other: str, flat: RunDirectory, falling: RunDirectory, tmp_path: Path
) -> None:
    match other:
        case "file":
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "mine").write_text("mine")
        case "run":
            shutil.copytree(flat.root, tmp_path / "out")
        case "run from another":
            run_with_more_steps(falling, LONGER, tmp_path / "out")
    before = sorted((tmp_path / "out").rglob("*"))
    with pytest.raises(UserError, match=r"not empty: .*out\."):
        run_with_more_steps(flat, LONGER, tmp_path / "out")
    assert sorted((tmp_path / "out").rglob("*")) == before


@pytest.mark.parametrize(("kept", "found"), [(0, "it has no line"), (1, "last line is of step 3")])
def test_more_steps_need_the_last_line_of_metrics(
    kept: int, found: str, flat: RunDirectory, tmp_path: Path
) -> None:
    run = RunDirectory(Path(shutil.copytree(flat.root, tmp_path / "run")))
    lines = run.metrics.read_bytes().splitlines(keepends=True)
    run.metrics.write_bytes(b"".join(lines[:kept]))
    with pytest.raises(UserError, match=rf"end of the run: .*{found}.* Expected one of step 4"):
        run_with_more_steps(run, LONGER, tmp_path / "longer")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("training.max_steps=4", r"no more steps than it has: training.max_steps=4 is 4 steps"),
        ("training.max_epochs=0.01", r"max_epochs=0.01 is 1 steps, and .* is finished with 4"),
        ("training.max_steps=0", r"training\.max_steps=0\. Expected an integer"),
        ([LONGER, "training.max_epochs=9"], r"Expected one length"),
        (
            [LONGER, "masking.ratio.start=0.4"],
            r"may change when a run goes on: masking.ratio.start",
        ),
        ([LONGER, "training.learning_rate=1e-4"], r"goes on: training.learning_rate.*warm_start"),
        ("training.keep_checkpoints=1", r"no length for the run that begins from"),
        ([], r"no length for the run"),
        ("training.max_steps=null", r"no length for the run"),
        ("training.max_epochs=null", r"no length for the run"),
    ],
)
def test_more_steps_that_cannot_be_are_refused(
    overrides: list[str], message: str, falling: RunDirectory, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        run_with_more_steps(falling, overrides, tmp_path / "longer")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda run: shutil.rmtree(run.model), r"run is not finished: .* planned for 4 steps"),
        (lambda run: shutil.rmtree(run.checkpoint(4)), r"checkpoint-4 is gone"),
        (lambda run: (run.checkpoint(4) / "optimizer.pt").write_bytes(b""), r"checkpoint-4 is dam"),
    ],
    ids=["not finished", "gone", "damaged"],
)
@pytest.mark.slow
def test_more_steps_need_the_end_of_a_finished_run(
    harm: Callable[[RunDirectory], object], message: str, corpus: Path, tmp_path: Path
) -> None:
    run = trained(corpus, tmp_path / "run", "bert", "training.max_steps=4", "training.save_steps=2")
    harm(run)
    with pytest.raises(UserError, match=message):
        run_with_more_steps(run, LONGER, tmp_path / "longer")
    assert not (tmp_path / "longer").exists()


def test_more_steps_never_begin_again_from_the_first(flat: RunDirectory, tmp_path: Path) -> None:
    longer = run_with_more_steps(flat, LONGER, tmp_path / "longer")
    shutil.rmtree(longer.checkpoint(4))
    with pytest.raises(UserError, match=r"no checkpoint: .*longer has none, and began"):
        train(longer)


def test_a_finished_run_says_how_it_gets_more_steps(falling: RunDirectory) -> None:
    with pytest.raises(UserError, match=r"tidemask resume .* training\.max_steps=N"):
        train(falling)


def test_more_steps_that_are_finished_are_named_when_asked_for_again(
    flat: RunDirectory, tmp_path: Path
) -> None:
    made = run_with_more_steps(flat, LONGER, tmp_path / "made")
    assert run_with_more_steps(flat, LONGER, made.root).root == made.root
    again = rf"run exists: {made.root} goes on from {flat.root} to step 8, and "
    shutil.copytree(flat.model, made.model)
    with pytest.raises(UserError, match=rf"{again}is finished"):
        run_with_more_steps(flat, LONGER, made.root)
    with pytest.raises(UserError, match="output directory is not empty"):
        run_with_more_steps(flat, "training.max_steps=9", made.root)


def test_more_steps_without_a_length_or_a_corpus_say_so(flat: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"begins from {flat.root}\. Expected a length"):
        run_with_more_steps(flat, (), tmp_path / "out")
    shutil.copytree(flat.root, tmp_path / "moved")
    config = tmp_path / "moved" / "run.yaml"
    text = config.read_text()
    corpus = flat.read_config()["corpus"]["path"]
    config.write_text(text.replace(corpus, str(tmp_path / "gone")))
    with pytest.raises(
        UserError, match=r"no such corpus: corpus\.path=.*gone, which the run\.yaml"
    ):
        run_with_more_steps(RunDirectory(tmp_path / "moved"), LONGER, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_more_steps_need_a_final_model_that_is_whole(
    corpus: Path, flat: RunDirectory, tmp_path: Path
) -> None:
    """Nobody takes a part of a model for a finished run; `pretrain --resume auto` neither."""
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(flat.root, run.root)
    recipe = load_recipe("bert", list(run.read_config()["overrides"]))
    assert run.is_finished
    assert new_or_same_run(recipe, corpus, run.root)
    cases = {
        name: run.model / name for name in ("config.json", "model.safetensors", "tokenizer.json")
    }
    for name, path in cases.items():
        whole = path.read_bytes()
        for damaged in (None, b"", whole[:-1] if name == "model.safetensors" else b""):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            for use in (
                lambda: run.is_finished,
                lambda: new_or_same_run(recipe, corpus, run.root),
                lambda: run_with_more_steps(run, LONGER, tmp_path / "out"),
                lambda: train(run),
                lambda: package.evaluate(run.root, progress=False),
            ):
                with pytest.raises(UserError, match=rf"final model not whole: .*{name}.*Restore"):
                    use()
            path.write_bytes(whole)
    shutil.rmtree(run.model)
    run.model.mkdir()
    with pytest.raises(UserError, match="not whole"):
        new_or_same_run(recipe, corpus, run.root)
    run.model.rmdir()
    assert not run.is_finished
