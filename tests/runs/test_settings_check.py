"""A comparison takes no run.yaml that `resume` would refuse."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from small_runs import started, trained
from tidemask.errors import UserError
from tidemask.reading import parse_yaml
from tidemask.run_record import RunDirectory
from tidemask.runs.comparison import compare
from tidemask.runs.settings_check import check_run_settings
from tidemask.tasks.held_out.evaluator import HeldOutSettings

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
def test_settings_check_refuses_another_run_yaml(
    change: Change, message: str, run: RunDirectory, tmp_path: Path
) -> None:
    run.config.write_text(change(run.config.read_text()))
    with pytest.raises(UserError, match=message) as caught:
        compare(run.root, out=tmp_path / "report")
    assert "\n" not in str(caught.value)
    assert "run.yaml" in str(caught.value)
    assert not (tmp_path / "report").exists()


def test_settings_check_refuses_run_yaml_cut_after_any_line(run: RunDirectory) -> None:
    """The defaults would fill what is missing; the checkpoint knows better, but for some defaults.

    What is left then says the same as the whole.
    """
    lines = run.config.read_text().splitlines(keepends=True)
    plain = lines.index("evaluation:\n")
    for length in range(len(lines)):
        run.config.write_text("".join(lines[:length]))
        if length > plain + 1 and _is_same(lines[length:]):
            check_run_settings(run)
            continue
        with pytest.raises(UserError):
            check_run_settings(run)


def _is_same(left_out: list[str]) -> bool:
    """Whether the lines of the last section that are left out state its defaults."""
    found = parse_yaml("".join(line.strip() + "\n" for line in left_out), "test")
    default = asdict(HeldOutSettings())
    return all(default[name] == value for name, value in found.items())


def test_settings_check_takes_what_may_change(run: RunDirectory) -> None:
    """Settings that change no number, a run without checkpoints, and one that has not trained."""
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
