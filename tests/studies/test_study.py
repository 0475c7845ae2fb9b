"""Studies with real runs: killed, continued elsewhere, damaged, edited, refused.

Only those that are killed have processes of their own; see `engine_in_process.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import engine_in_process
import tidemask
from child_processes import HUNG_SECONDS, ended, wait_until
from places import SUPPORT
from small_runs import TIMES, TINY, same_weights, warm_command
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.studies.attempts import read_attempts
from tidemask.studies.directory import State
from tidemask.studies.removal import remove_runs
from tidemask.studies.status import StudyStatus
from tidemask.studies.study import run_study, study_status

Command = Callable[..., tuple[int, str, str]]

ARMS = """
  constant: {recipe: bert}
  decay: {recipe: mrd-cosine}
"""


@pytest.fixture(scope="module", autouse=True)
def _in_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        engine_in_process.studies_in_process(patch.setattr)
        yield


def written(root: Path, corpus: Path, *, arms: str = ARMS, tasks: str = "") -> Path:
    """The file of a study of tiny runs."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / "study.yaml"
    file.write_text(
        f"corpus: {corpus}\nbaseline: constant\nseeds: [0, 1]\nprimary: held_out/loss_15\n"
        f"evaluation: {{tasks: [{tasks}]}}\nsettings: {json.dumps(list(TINY))}\narms:{arms}"
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


def states(status: StudyStatus) -> dict[tuple[str, int], State]:
    return {(one.run.arm, one.run.seed): one.state for one in status.states}


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was never stopped."""
    root = tmp_path_factory.mktemp("study")
    status = run_study(written(root, corpus), out=root / "out", jobs=2, progress=False)
    assert status.page is not None
    assert status.verdicts
    assert status.is_finished
    return root / "out"


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The same on another machine, where the weights were not taken along."""
    return Path(shutil.copytree(finished, tmp_path / "out", ignore=shutil.ignore_patterns("model")))


@pytest.mark.slow
def test_a_study_that_was_killed_ends_with_the_numbers_of_one_that_was_not(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    file, out = written(tmp_path, corpus), tmp_path / "out"
    command = warm_command(
        SUPPORT / "study_command.py", "study", str(file), "--out", str(out), "--jobs", "2"
    )
    first = out / "attempts/constant/seed-0.jsonl"
    moments = (
        (lambda: any(out.glob("runs/*/seed-0/run.yaml")), signal.SIGKILL),
        (lambda: any(out.glob("runs/*/seed-0/checkpoint-5")), signal.SIGTERM),
        (lambda: any(out.glob("runs/*/seed-1/checkpoint-5")), signal.SIGKILL),
    )
    for moment, number in moments:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        with ended(process):
            wait_until(moment, process)
            process.send_signal(number)
            assert process.wait(HUNG_SECONDS) == (0 if number is signal.SIGTERM else -number)
        if number is signal.SIGTERM:
            assert read_attempts(first)[-1].outcome in ("interrupted", "finished")
    last = subprocess.run(command, capture_output=True, text=True, timeout=HUNG_SECONDS, check=True)
    assert "finished" in last.stdout
    assert numbers(out) == numbers(finished)
    for place in sorted(finished.glob("runs/*/seed-*")):
        twin = RunDirectory(out / place.relative_to(finished))
        assert same_weights(twin, RunDirectory(place))
        assert not twin.checkpoints()


@pytest.mark.slow
def test_a_worker_that_dies_is_begun_again_once_and_then_named(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    file, out = written(tmp_path, corpus), tmp_path / "out"
    shutil.copytree(finished, out)
    remove_runs(out, ["decay"])
    attempts = {seed: out / f"attempts/decay/seed-{seed}.jsonl" for seed in (0, 1)}
    process = subprocess.Popen(
        warm_command(SUPPORT / "study_command.py", "study", str(file), "--out", str(out)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(process):
        for path, number_of_lines in ((attempts[0], 1), (attempts[0], 2), (attempts[1], 1)):
            wait_until(
                lambda path=path, lines=number_of_lines: len(read_attempts(path)) == lines, process
            )
            assert states(study_status(out))["decay", int(path.stem[-1])] is State.RUNNING
            os.kill(read_attempts(path)[-1].process, signal.SIGKILL)
        _, notes = process.communicate(timeout=HUNG_SECONDS)
    assert notes.count("decay seed 0 ended early: Killed (signal 9); it is begun again.") == 1
    assert notes.count("decay seed 0 ended early: Killed (signal 9); it is left as it is.") == 1
    assert process.returncode == 2
    assert states(study_status(out)) == {
        ("constant", 0): State.FINISHED, ("constant", 1): State.FINISHED,
        ("decay", 0): State.DEAD, ("decay", 1): State.FINISHED,
    }  # fmt: skip
    assert (
        numbers(out)["runs/decay/seed-1/metrics.jsonl"]
        == (numbers(finished)["runs/decay/seed-1/metrics.jsonl"])
    )


@pytest.mark.slow
def test_what_finished_runs_measured_is_enough_to_go_on_elsewhere(
    finished: Path, copied: Path, corpus: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in copied.glob("runs/**/*.json*")}
    shutil.rmtree(copied / "runs/decay/seed-1")
    wide = ARMS + "  wide: {recipe: bert, overrides: [model.size=null, model.config=/no.json]}\n"
    status = run_study(written(tmp_path, corpus, arms=wide), out=copied, progress=False)
    assert {name: state.value for name, state in states(status).items()} == {
        ("constant", 0): "finished", ("constant", 1): "finished", ("decay", 0): "finished",
        ("decay", 1): "finished", ("wide", 0): "failed", ("wide", 1): "failed",
    }  # fmt: skip
    assert all("/no.json" in one.message for one in status.states if one.run.arm == "wide")
    made_again = Path("runs/decay/seed-1")
    assert all(
        path.stat().st_mtime_ns == time
        for path, time in before.items()
        if made_again not in path.relative_to(copied).parents
    )
    assert same_weights(RunDirectory(copied / made_again), RunDirectory(finished / made_again))


@pytest.mark.slow
def test_a_task_that_is_added_needs_weights_and_one_that_was_measured_does_not(
    finished: Path, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    shutil.rmtree(out / "runs/decay/seed-1/model")
    with_task = run_study(written(tmp_path, corpus, tasks="held-out"), out=out, progress=False)
    assert set(states(with_task).values()) == {State.FINISHED, State.FAILED}
    message = with_task.states[-1].message
    assert message.startswith("weights are gone: ")
    assert "held-out was not measured before" in message
    for weights in out.glob("runs/*/*/model"):
        shutil.rmtree(weights)
    (out / "attempts/decay/seed-1.jsonl").write_bytes(
        (out / "attempts/decay/seed-0.jsonl").read_bytes()
    )
    before = numbers(out)
    for tasks in ("held-out", ""):
        status = run_study(written(tmp_path, corpus, tasks=tasks), out=out, progress=False)
        assert status.is_finished
    assert numbers(out) == before


@pytest.mark.slow
def test_a_run_whose_settings_are_damaged_is_named_and_the_others_go_on(
    copied: Path, corpus: Path, tmp_path: Path, tidemask: Command
) -> None:
    damaged = copied / "runs/constant/seed-0"
    whole = (damaged / "run.yaml").read_bytes()
    (damaged / "run.yaml").write_bytes(whole[:100])
    shutil.rmtree(copied / "runs/decay/seed-1")
    file = written(tmp_path, corpus)
    status = run_study(file, out=copied, progress=False)
    assert {name: state.value for name, state in states(status).items()} == {
        ("constant", 0): "failed", ("constant", 1): "finished", ("decay", 0): "finished",
        ("decay", 1): "finished",
    }  # fmt: skip
    code, shown, errors = tidemask("study", "status", copied)
    assert code == 0
    assert f"constant seed 0 failed: wrong configuration in {damaged / 'run.yaml'}: " in errors
    assert f"or delete {damaged} to train the run again." in errors
    assert "decay differs from constant by" in shown, "one seed is left of its pair"
    (damaged / "run.yaml").write_bytes(whole)
    assert run_study(file, out=copied, progress=False).is_finished
    assert not (damaged / "model").exists(), "it was not trained again"


@pytest.mark.slow
def test_a_page_that_is_damaged_is_said_and_written_again(
    copied: Path, corpus: Path, tmp_path: Path, tidemask: Command
) -> None:
    table = copied / "report/tables/arms.json"
    whole = table.read_bytes()
    table.write_bytes(whole[:100])
    code, shown, errors = tidemask("study", "status", copied)
    assert code == 0
    assert f"Verdicts are not shown: damaged table: {table}: " in errors
    assert "finished" in shown
    assert "differs" not in shown
    status = run_study(written(tmp_path, corpus), out=copied, progress=False)
    assert status.verdicts
    assert table.read_bytes() == whole


@pytest.mark.slow
def test_an_edited_study_names_what_was_trained_otherwise(
    copied: Path, corpus: Path, plain_corpus: Path, tmp_path: Path
) -> None:
    def said(file: Path) -> str:
        with pytest.raises(UserError) as error:
            run_study(file, out=copied, progress=False)
        return str(error.value)

    edited = ARMS.replace("{recipe: bert}", "{recipe: bert, overrides: [masking.ratio.ratio=0.2]}")
    message = said(written(tmp_path, corpus, arms=edited))
    assert "constant: seeds 0, 1 (masking.ratio.ratio=0.2 against 0.15). " in message
    assert f"study rm {copied} constant" in message
    file = written(tmp_path, corpus, arms="\n  x: {recipe: bert}\n  y: {recipe: mrd-cosine}\n")
    file.write_text(file.read_text().replace("baseline: constant", "baseline: x"))
    assert "another study" in said(file)
    for old, new in (
        ("loss_15", "loss_30"),
        ("baseline: constant", "baseline: decay"),
        ("seeds:", "margin: 0.1\nseeds:"),
        ("seeds:", "equal: flops\nseeds:"),
    ):
        file = written(tmp_path, corpus)
        file.write_text(file.read_text().replace(old, new))
        assert "study changed after its first run" in said(file), new
    assert "another corpus" in said(written(tmp_path, plain_corpus))
    shutil.copytree(corpus, tmp_path / "annotated")
    (tmp_path / "list.txt").write_text("river\t4\n", encoding="utf-8")
    tidemask.annotate(tmp_path / "annotated", column="scores", kind="weight", workers=1,
                      source=f"list:{tmp_path / 'list.txt'}", progress=False)  # fmt: skip
    path = copied / "runs/constant/seed-1/run.yaml"
    before = path.read_text()
    config = yaml.safe_load(before)
    config["corpus"]["columns"] = {"scores": "0" * 64}
    path.write_text(yaml.safe_dump(config))
    assert "another column: scores of" in said(written(tmp_path, tmp_path / "annotated"))
    path.write_text(before)
    fewer = written(tmp_path, corpus, arms=ARMS.replace("decay", "new"))
    status = run_study(fewer, out=copied, progress=False, stop_request=None)
    assert any("runs/decay/seed-0, runs/decay/seed-1; they stay" in note for note in status.notes)


@pytest.mark.slow
def test_runs_are_removed_by_arm_and_nothing_else_is(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / "notes.txt").touch()
    before = sorted(out.rglob("*"))
    for name in ("wrds", "*", "..", "model", "constant/seed-0", ""):
        with pytest.raises(UserError, match=r"Nothing was deleted\."):
            remove_runs(out, ["constant", name])
    assert sorted(path for path in out.rglob("*") if path.name != ".lock") == [
        path for path in before if path.name != ".lock"
    ]
    assert remove_runs(out, ["constant"]) == [out / "runs/constant"]
    status = states(study_status(out))
    assert status["constant", 0] is State.WAITING
    assert status["decay", 1] is State.FINISHED
    remove_runs(out)
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_bad_input_is_one_line_and_nothing_is_written(
    tidemask: Command, corpus: Path, tmp_path: Path
) -> None:
    file, out = written(tmp_path / "a", corpus), tmp_path / "out"
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").touch()
    cases = [
        ([tmp_path / "none.yaml", "--out", out], "none.yaml"),
        (["--out", out, tmp_path / "none.yaml"], "none.yaml"),
        ([written(tmp_path / "b", tmp_path / "nowhere"), "--out", out], "nowhere"),
        ([file, "--out", full], "not a study"),
        ([file, "--out", out, "--jobs", "0"], "jobs=0"),
        ([file, "--out", out, "--jobs", "1000000"], "jobs=1000000"),
        ([file, "--out", out, "--engine", "ray:"], "Expected local, ray or ray:ADDRESS"),
        (["status", tmp_path / "a"], "not a study"),
        (["rm", "--yes", full], "Nothing was deleted"),
    ]
    for arguments, expected in cases:
        status, _, errors = tidemask("study", *arguments)
        assert status == 2, arguments
        assert expected in errors, (arguments, errors)
        assert errors.count("\n") == 1, errors
    for call in (
        lambda: run_study(3, out=out),  # type: ignore[arg-type]
        lambda: run_study(file, out=3),  # type: ignore[arg-type]
        lambda: run_study(file, out=out, jobs="two"),  # type: ignore[arg-type]
        lambda: study_status(3),  # type: ignore[arg-type]
    ):
        with pytest.raises(UserError, match="Expected"):
            call()
    assert not out.exists()
    assert [path.name for path in full.iterdir()] == ["notes.txt"]
