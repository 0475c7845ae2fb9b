"""Studies with real processes: run, killed, continued, edited, refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS, ended, wait_until
from small_runs import TIMES, TINY, same_weights
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.studies.directory import State
from tidemask.studies.study import remove_runs, run_study, study_status

Command = Callable[..., tuple[int, str, str]]

ARMS = """
  constant: {recipe: bert}
  decay: {recipe: mrd-cosine}
"""


def written(root: Path, corpus: Path, *, arms: str = ARMS, seeds: str = "[0, 1]") -> Path:
    """The file of a study of tiny runs."""
    settings = json.dumps(list(TINY))
    root.mkdir(parents=True, exist_ok=True)
    file = root / "study.yaml"
    file.write_text(
        f"corpus: {corpus}\nbaseline: constant\nseeds: {seeds}\nprimary: held_out/loss_15\n"
        f"settings: {settings}\narms:{arms}"
    )
    return file


def numbers(study: Path) -> dict[str, object]:
    """What every run of a study measured, without its times."""
    found: dict[str, object] = {}
    for file in sorted(study.glob("runs/**/metrics.jsonl")):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        found[str(file.relative_to(study))] = [
            {name: value for name, value in line.items() if name not in TIMES} for line in lines
        ]
    return found


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was never stopped."""
    root = tmp_path_factory.mktemp("study")
    status = run_study(written(root, corpus), out=root / "out", jobs=2, progress=False)
    assert status.is_finished
    return root / "out"


@pytest.mark.slow
def test_a_study_that_was_killed_ends_with_the_numbers_of_one_that_was_not(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    file, out = written(tmp_path, corpus), tmp_path / "out"
    command = [sys.executable, "-m", "tidemask", "study", str(file), "--out", str(out),
               "--jobs", "2"]  # fmt: skip
    moments = (
        lambda: any(out.glob("runs/*/seed-0/run.yaml")),
        lambda: any(out.glob("runs/*/seed-0/checkpoint-5")),
        lambda: any(out.glob("runs/*/seed-0/model")),
    )
    for moment, number in zip(
        moments, (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), strict=True
    ):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
        with ended(process):
            wait_until(moment, process)
            os.killpg(process.pid, number)
            assert process.wait(HUNG_SECONDS) == (0 if number is signal.SIGTERM else -number)
    last = subprocess.run(command, capture_output=True, text=True, timeout=HUNG_SECONDS, check=True)
    assert "finished" in last.stdout
    assert numbers(out) == numbers(finished)
    for arm in ("constant", "decay"):
        for seed in (0, 1):
            place = f"runs/{arm}/seed-{seed}"
            assert same_weights(RunDirectory(out / place), RunDirectory(finished / place))


@pytest.mark.slow
def test_finished_runs_are_kept_and_need_no_weights(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(finished, moved)
    for weights in moved.glob("runs/**/model"):
        shutil.rmtree(weights)
    before = numbers(moved)
    more = "  late: {recipe: bert, overrides: [masking.ratio.ratio=0.3]}\n"
    status = run_study(
        written(tmp_path, corpus, arms=ARMS + more, seeds="[0]"), out=moved, progress=False
    )
    assert status.is_finished
    assert before.items() <= numbers(moved).items()
    assert not any(moved.glob("runs/constant/*/model"))
    assert any("stays" in note and "seed-1" in note for note in status.notes)


@pytest.mark.slow
def test_a_failed_run_is_named_and_does_not_stop_the_others(corpus: Path, tmp_path: Path) -> None:
    elsewhere = "[model.size=null, model.config=/nowhere/config.json]"
    bad = f"{ARMS}  wide: {{recipe: bert, overrides: {elsewhere}}}\n"
    status = run_study(
        written(tmp_path, corpus, arms=bad, seeds="[0]"), out=tmp_path / "out", progress=False
    )
    states = {one.run.arm: one for one in status.states}
    assert states["constant"].state is states["decay"].state is State.FINISHED
    assert states["wide"].state is State.FAILED
    assert "/nowhere/config.json" in states["wide"].message


@pytest.mark.slow
def test_an_edited_study_names_what_was_trained_otherwise(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    edited = ARMS.replace("{recipe: bert}", "{recipe: bert, overrides: [masking.ratio.ratio=0.2]}")
    with pytest.raises(UserError, match=r"constant: seed 0 \(masking.ratio.ratio=0.2 against 0.15"):
        run_study(written(tmp_path, corpus, arms=edited), out=out, progress=False)
    other = "\n  x: {recipe: bert}\n  y: {recipe: mrd-cosine}\n"
    file = written(tmp_path, corpus, arms=other)
    file.write_text(file.read_text().replace("baseline: constant", "baseline: x"))
    with pytest.raises(UserError, match="another study"):
        run_study(file, out=out, progress=False)
    file = written(tmp_path, corpus)
    file.write_text(file.read_text().replace("loss_15", "loss_30"))
    with pytest.raises(UserError, match="changed after its first run: primary=held_out/loss_30"):
        run_study(file, out=out, progress=False)
    with pytest.raises(UserError, match="none of arm wrds"):
        remove_runs(out, ["wrds"])
    remove_runs(out, ["constant"])
    states = {(one.run.arm, one.run.seed): one.state for one in study_status(out).states}
    assert states["constant", 0] is State.WAITING
    assert states["decay", 1] is State.FINISHED


def test_bad_input_is_one_line_and_nothing_is_written(
    tidemask: Command, corpus: Path, tmp_path: Path
) -> None:
    file, out = written(tmp_path / "a", corpus), tmp_path / "out"
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").touch()
    cases = [
        ([tmp_path / "none.yaml", "--out", out], "none.yaml"),
        ([written(tmp_path / "b", tmp_path / "nowhere"), "--out", out], "nowhere"),
        ([file, "--out", full], "not a study"),
        ([file, "--out", out, "--jobs", "0"], "jobs=0"),
        ([file, "--out", out, "--jobs", "1000000"], "jobs=1000000"),
        ([file, "--out", out, "--address", "head:1"], "Add --engine ray"),
        (["status", tmp_path / "a"], "not a study"),
        (["rm", "--yes", full], "Nothing was deleted"),
    ]
    for arguments, expected in cases:
        status, _, errors = tidemask("study", *arguments)
        assert status == 2, arguments
        assert expected in errors, (arguments, errors)
        assert errors.count("\n") == 1, errors
    assert not out.exists()
    assert [path.name for path in full.iterdir()] == ["notes.txt"]
