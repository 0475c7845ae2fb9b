"""What stands in the place of a checkpoint and is none of this run: named, passed over, kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cases import one_in
from small_runs import FOUR_STEPS_KEPT, problem_with, records, same_weights, trained
from tidemask.errors import UserError
from tidemask.evaluation.targets import target_of
from tidemask.files.claims import claimed_beside
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.train import train
from tidemask.training.checkpoint_checks import SEAL_FILE
from tidemask.training.checkpoint_files import prune
from tidemask.training.checkpoint_state import STATE_FILE


@pytest.mark.slow
def test_checkpoint_under_another_step_is_passed_over(
    broken: RunDirectory, unbroken: RunDirectory
) -> None:
    """Resumed as if it were of its name, it would train two steps twice."""
    broken.checkpoint(2).rename(broken.checkpoint(4))
    assert problem_with(broken.checkpoint(4), 4) == f"is damaged ({SEAL_FILE} is of step 2)"
    with pytest.raises(UserError, match=r"renamed checkpoint: .*checkpoint-4 is of step 2"):
        target_of(str(broken.root), checkpoints="all", out=None, with_random=False, device="cpu")
    assert train(broken).step == 3
    assert repr(records(broken)) == repr(records(unbroken))
    assert same_weights(broken, unbroken)
    assert (broken.root / ".damaged-checkpoint-4" / STATE_FILE).is_file()


@pytest.mark.parametrize("in_the_way", one_in(3, ["file", "dangling link", "link to a file"]))
@pytest.mark.slow
def test_checkpoint_place_that_is_taken_is_cleared_and_kept(
    in_the_way: str, broken: RunDirectory, unbroken: RunDirectory
) -> None:
    place, notes = broken.checkpoint(4), list[str]()
    match in_the_way:
        case "file":
            place.write_text("mine")
        case "dangling link":
            place.symlink_to(broken.root / "nowhere")
        case "link to a file":
            place.symlink_to(broken.config)
    assert train(broken, RunCallbacks(on_note=notes.append)).step == 3
    assert notes[0] == "checkpoint-4 is not a directory; it is passed over."
    assert same_weights(broken, unbroken)
    assert broken.config.is_file()
    aside = broken.root / ".damaged-checkpoint-4"
    assert os.path.lexists(aside)
    assert in_the_way != "file" or aside.read_text() == "mine"


@pytest.mark.slow
def test_checkpoint_place_taken_while_the_run_goes_on_is_cleared(
    broken: RunDirectory, unbroken: RunDirectory
) -> None:
    def on_progress(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("training", 4):
            broken.checkpoint(4).write_text("mine")

    train(broken, RunCallbacks(on_progress=on_progress))
    assert same_weights(broken, unbroken)
    assert (broken.root / ".damaged-checkpoint-4").read_text() == "mine"


NO_NUMBERS = (
    "\N{SUPERSCRIPT TWO}", "\N{FULLWIDTH DIGIT NINE}", "007", "", "3 (copy)", "9" * 200,
)  # fmt: skip


@pytest.mark.slow
def test_checkpoint_of_no_number_is_left_alone(broken: RunDirectory) -> None:
    names = sorted(f"checkpoint-{number}" for number in NO_NUMBERS)
    for name in names:
        shutil.copytree(broken.checkpoint(3), broken.root / name)
    notes: list[str] = []
    assert train(broken, RunCallbacks(on_note=notes.append)).step == 3
    assert sorted(notes[: len(names)]) == [
        f"{name} is not a checkpoint, for no step is written so; it is left alone."
        for name in names
    ]
    assert all((broken.root / name).is_dir() for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        "masking.unit=token",
        pytest.param("training.seed=7", marks=pytest.mark.slow),
        pytest.param("model.dropout=0.2", marks=pytest.mark.slow),
    ],
)
def test_checkpoint_of_another_run_is_passed_over(
    setting: str, corpus: Path, broken: RunDirectory, unbroken: RunDirectory, tmp_path: Path
) -> None:
    other = trained(corpus, tmp_path / "other", "ptw-mrd", *FOUR_STEPS_KEPT, setting)
    other.checkpoint(4).rename(broken.checkpoint(4))
    notes: list[str] = []
    assert train(broken, RunCallbacks(on_note=notes.append)).step == 3
    assert notes[0].startswith("checkpoint-4 is of a run with other settings (")
    assert setting.partition("=")[0] in notes[0]
    assert same_weights(broken, unbroken)
    assert repr(records(broken)) == repr(records(unbroken))


@pytest.mark.slow
def test_checkpoint_on_another_corpus_is_passed_over(
    plain_corpus: Path, corpus: Path, tmp_path: Path
) -> None:
    """All settings are the same, and the corpora differ in their classes alone."""
    run, other = (
        trained(where, tmp_path / name, "bert", *FOUR_STEPS_KEPT)
        for where, name in ((corpus, "run"), (plain_corpus, "other"))
    )
    run.model.rename(tmp_path / "model")
    shutil.rmtree(run.checkpoint(4))
    other.checkpoint(4).rename(run.checkpoint(4))
    notes: list[str] = []
    assert train(run, RunCallbacks(on_note=notes.append)).step == 3
    assert "corpus.fingerprint" in notes[0]


def test_checkpoint_that_is_none_of_the_run_takes_no_place_when_it_prunes(
    broken: RunDirectory,
) -> None:
    """A copy of a newer one, or under a newer step, would have the run's own deleted."""
    shutil.copytree(broken.checkpoint(1), broken.checkpoint(9))
    shutil.copytree(broken.checkpoint(1), broken.checkpoint(100))
    prune(broken, step=3, keep=1, is_planned=lambda _: True)
    assert [step for step, _ in broken.checkpoints()] == [3, 9, 100]


@pytest.mark.slow
def test_resume_leaves_what_others_are_writing(broken: RunDirectory) -> None:
    """`evaluate` holds no lock of the run; what no living process claims is taken away."""
    broken.evaluation.mkdir()
    left = [
        broken.root / ".checkpoint-4.tmp" / "model.safetensors",
        broken.evaluation / ".mnli--final.json.0123abcd.claim.tmp",
        broken.evaluation / ".mnli--final.json.0123abcd.tmp",
        broken.evaluation / ".cola--final.json.77.tmp",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    with claimed_beside(broken.result("mnli", "checkpoint-3")) as aside:
        aside.write_text("half")
        train(broken)
        assert aside.read_text() == "half"
    assert [path for path in left if path.exists()] == []
    assert not list(broken.root.glob("**/.*.tmp"))
