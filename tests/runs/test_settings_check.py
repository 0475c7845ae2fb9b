"""A comparison takes no run.yaml that `resume` would refuse."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from small_runs import started, trained
from tidemask.errors import UserError
from tidemask.evaluation.evaluate import evaluate
from tidemask.run_record import RunDirectory
from tidemask.runs.config import read_run_config
from tidemask.runs.pushed_files import pushed_files
from tidemask.runs.settings_check import check_run_settings
from tidemask.studies.comparison import compare

Change = Callable[[str], str]


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    settings = ("training.max_steps=2", "training.save_steps=2", "training.logging_steps=1")
    return trained(corpus, tmp_path_factory.mktemp("runs") / "run", "ptw-mrd", *settings)


@pytest.fixture
def run(finished: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A copy of the run, to be changed."""
    return RunDirectory(shutil.copytree(finished.root, tmp_path / "run"))


WRONG: list[tuple[Change, str]] = [
    (lambda text: text[: len(text) // 2], "is missing|Expected|unreadable"),
    (lambda text: text.partition("evaluation:")[0], r"evaluation is missing"),
    (lambda text: text + "seed: 3\n", r"unknown key seed\."),
    (lambda text: text.replace("  seed: 0", "  sede: 0"), r"unknown key training\.sede.*seed\?"),
    (lambda text: text.replace("max_steps: 2", "max_steps: '2'"), r'training\.max_steps="2"'),
    (
        lambda text: text.replace("max_steps: 2", "max_steps: 3"),
        r"checkpoint-2 is of a .*max_steps=3 against 2",
    ),
    (lambda text: text.replace("  seed: 0", "  seed: 1"), r"training\.seed=1 against 0"),
    (lambda text: text + "recipe: other\n", r"line \d+, column 1: the key recipe is already in"),
    (lambda text: text.replace("overrides:\n", "overrides: 3\nx:\n"), r"overrides=3"),
    (lambda text: "", "Expected a mapping"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
@pytest.mark.slow
def test_settings_check_refuses_another_run_yaml(
    change: Change, message: str, run: RunDirectory, tmp_path: Path
) -> None:
    run.config.write_text(change(run.config.read_text()))
    with pytest.raises(UserError, match=message) as caught:
        compare(run.root, out=tmp_path / "report")
    assert "\n" not in str(caught.value)
    assert "run.yaml" in str(caught.value)
    assert not (tmp_path / "report").exists()


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", [None, 2])
def test_settings_check_comes_before_an_upload_and_held_out_text(
    checkpoint: int | None, run: RunDirectory
) -> None:
    """The card of a checkpoint is made from run.yaml, and so are the masks of the run's own."""
    text = run.config.read_text()
    changed = re.sub(r"learning_rate: .*", "learning_rate: auto", text)
    run.config.write_text(changed)
    with pytest.raises(UserError, match=r"settings of another run: .*learning_rate=auto against"):
        pushed_files(run, checkpoint)
    (measured,) = evaluate(run.root, with_random=False, progress=False)
    assert "settings of another run" in measured.problem


@pytest.mark.slow
def test_settings_check_of_run_yaml_cut_after_any_line(run: RunDirectory) -> None:
    """What is taken says the same as the whole: only defaults at its end are missing."""
    whole = read_run_config(run.config)
    lines = run.config.read_text().splitlines(keepends=True)
    taken = []
    for length in range(len(lines)):
        run.config.write_text("".join(lines[:length]))
        with suppress(UserError):
            check_run_settings(run)
            taken.append(length)
            assert read_run_config(run.config) == whole
    assert min(taken) > lines.index("evaluation:\n")


def test_settings_check_takes_what_may_change(run: RunDirectory) -> None:
    """Settings that change no result, a run without checkpoints, and one that has not trained."""
    text = run.config.read_text()
    run.config.write_text(text.replace("keep_checkpoints: 3", "keep_checkpoints: 7"))
    assert run.config.read_text() != text
    check_run_settings(run)
    (run.checkpoint(2) / "tidemask_state.json").write_text("[")
    check_run_settings(run)
    shutil.rmtree(run.checkpoint(2))
    check_run_settings(run)


def test_settings_check_of_a_run_that_has_not_trained(corpus: Path, tmp_path: Path) -> None:
    check_run_settings(started(corpus, tmp_path / "run", "bert"))
