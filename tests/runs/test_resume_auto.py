"""`pretrain --resume auto`: one command starts a run, continues it, and finds it finished."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from small_runs import TINY, run_command, same_weights, stopped_at, trained
from tidemask.errors import UserError
from tidemask.masking.weighting import ByEntries
from tidemask.run_record import RunDirectory
from tidemask.runs.config import Recipe, load_recipe, read_run_config
from tidemask.runs.creation import new_or_same_run
from tidemask.runs.train import train


def _recipe(*settings: str, name: str = "bert") -> Recipe:
    return load_recipe(name, [*TINY, *settings])


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(corpus, tmp_path_factory.mktemp("runs") / "unbroken", "bert")


@pytest.mark.slow
def test_resume_auto_goes_on_with_a_corpus_and_weights_that_were_moved(
    corpus: Path, tmp_path: Path
) -> None:
    """The run.yaml names where they were, in which the run itself would look for them."""
    first, moved = tmp_path / "first", tmp_path / "moved"
    shutil.copytree(corpus, first / "corpus")
    (first / "w.tsv").write_text("the\t2\n")

    def recipe(place: Path) -> Recipe:
        return _recipe(f"masking.content={{weighting: entries, weights: {place / 'w.tsv'}}}")

    run = RunDirectory(tmp_path / "run")
    assert not new_or_same_run(recipe(first), first / "corpus", run.root)
    before = run.config.read_text()
    assert not new_or_same_run(recipe(first), corpus, run.root)
    assert run.config.read_text() == before, "what is there stays named"
    first.rename(moved)
    assert not new_or_same_run(recipe(moved), moved / "corpus", run.root)
    found = read_run_config(run.config)
    (weights,) = (Path(one.weights) for one in found.masking.contents if isinstance(one, ByEntries))
    assert (Path(found.corpus.path), weights) == (moved / "corpus", moved / "w.tsv")
    assert train(run).step == 0


def _snapshot(directory: Path) -> dict[Path, bytes | None]:
    return {p: p.read_bytes() if p.is_file() else None for p in directory.rglob("*")}


@pytest.mark.parametrize("left", ["nothing", "directory", "environment", "half"])
def test_resume_auto_starts_what_has_not_begun(left: str, corpus: Path, tmp_path: Path) -> None:
    """A kill before run.yaml leaves no more than these."""
    run = RunDirectory(tmp_path / "runs" / "run")
    if left != "nothing":
        run.root.mkdir(parents=True)
    if left in ("environment", "half"):
        run.environment.write_text("{}")
    if left == "half":
        (run.root / f".run.yaml.{os.getpid()}.tmp").write_text("recipe: be")
    assert not new_or_same_run(_recipe(), corpus, run.root)
    assert sorted(path.name for path in run.root.iterdir()) == ["environment.json", "run.yaml"]
    assert run.read_environment()["versions"]


@pytest.mark.slow
def test_resume_auto_continues_and_then_finds_it_finished(
    corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """The order of the settings does not matter, nor where the same corpus lies now."""
    broken = stopped_at(unbroken, 5, tmp_path / "broken")
    moved = tmp_path / "moved"
    shutil.copytree(corpus, moved)
    recipe = load_recipe("bert", list(reversed(TINY)))
    assert not new_or_same_run(recipe, moved, broken.root)
    assert train(broken).step == 5
    assert same_weights(broken, unbroken)
    assert new_or_same_run(recipe, moved, broken.root)


@pytest.mark.slow
def test_resume_auto_names_settings_that_differ(
    plain_corpus: Path, corpus: Path, unbroken: RunDirectory
) -> None:
    before = _snapshot(unbroken.root)
    with pytest.raises(UserError) as caught:
        new_or_same_run(
            _recipe("training.seed=7", "training.keep_checkpoints=1", name="mrd-linear"),
            corpus, unbroken.root,
        )  # fmt: skip
    for difference in (
        "recipe=mrd-linear against bert",
        "training.seed=7 against 0",
        "training.keep_checkpoints=1 against 3",
        "masking.ratio.schedule=linear against constant",
    ):
        assert difference in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"corpus\.fingerprint=\w+ against \w+"):
        new_or_same_run(_recipe(), plain_corpus, unbroken.root)
    assert _snapshot(unbroken.root) == before


def test_resume_auto_leaves_what_is_not_ours_alone(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "environment.json").write_text("{}")
    (tmp_path / "mine.txt").write_text("precious")
    before = _snapshot(tmp_path)
    with pytest.raises(UserError, match="output exists"):
        new_or_same_run(_recipe(), corpus, tmp_path)
    assert _snapshot(tmp_path) == before


@pytest.mark.slow
def test_resume_auto_is_refused_on_every_rank(
    corpus: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    arguments = ["pretrain", str(corpus), f"--out={unbroken.root}", "--resume=auto", *TINY]
    done = run_command([*arguments, "training.seed=7"], processes=2)
    assert done.returncode == 1, done.stderr  # the launcher's own
    assert "training.seed=7 against 0" in done.stderr
    assert "tidemask/cli.py" not in done.stderr
    same = run_command(arguments, processes=2)
    assert same.returncode == 0, same.stderr
    assert same.stderr.count("Run is finished") == 1
