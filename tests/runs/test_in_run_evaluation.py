"""The starting model is measured before the first step, once, and every reader copes with it."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cases import one_in
from small_runs import records, run_command, same_weights, started, stopped_at, trained
from synthetic_runs import read_runs
from tidemask.errors import UserError
from tidemask.evaluation.evaluate import evaluate
from tidemask.evaluation_files import arrays_beside, read_sequence_sums, write_evaluation
from tidemask.modeling.loading import load_model
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import load_recipe
from tidemask.runs.plateau import plateau_note
from tidemask.runs.preview import preview
from tidemask.runs.train import train
from tidemask.studies.comparison import compare
from tidemask.tasks.held_out.settings import HeldOutSettings

AT_START = (
    "evaluation.at_start=true", "training.save_steps=5", "training.logging_steps=1",
    "training.report_to=tensorboard",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return trained(corpus, tmp_path_factory.mktemp("runs") / "run", "ptw-mrd", *AT_START)


def _evaluation(run: RunDirectory, name: str) -> dict[str, Any]:
    return json.loads((run.evaluation / f"held-out--{name}.json").read_text())


def test_in_run_measures_a_warm_start_unless_set_otherwise() -> None:
    assert HeldOutSettings().measures_start(is_warm=True)
    assert not HeldOutSettings().measures_start(is_warm=False)
    assert HeldOutSettings(at_start=True).measures_start(is_warm=False)
    assert not HeldOutSettings(at_start=False).measures_start(is_warm=True)
    for text, value in (("auto", "auto"), ("true", True), ("false", False)):
        setting = f"evaluation.at_start={text}"
        assert load_recipe("bert", [setting]).evaluation.at_start == value


@pytest.mark.slow
def test_in_run_the_start_is_the_untrained_model_and_changes_nothing_else(
    run: RunDirectory, corpus: Path, tmp_path: Path
) -> None:
    plain = trained(corpus, tmp_path / "plain", "ptw-mrd", *AT_START[1:])
    assert same_weights(run, plain)
    first, *others = records(run)
    assert [json.dumps(r) for r in others] == [json.dumps(r) for r in records(plain)]
    assert first["step"] == first["progress"] == first["tokens_seen"] == 0
    assert "loss" not in first
    vocabulary = load_model(run.model).config.vocab_size
    assert first["held_out/loss_15"] == pytest.approx(math.log(vocabulary), rel=0.05)
    start, final = _evaluation(run, "start"), _evaluation(run, "final")
    assert start["settings"] == final["settings"]
    own = {name for name in final["metrics"] if name.startswith("held_out/own_")}
    assert "held_out/own_loss" in own  # the policy's end is not there at the start
    assert start["metrics"].keys() == final["metrics"].keys() - own
    assert start["metrics"]["held_out/loss_15"] > final["metrics"]["held_out/loss_15"]
    assert not (plain.evaluation / "held-out--start.json").exists()


@pytest.mark.slow
def test_in_run_the_start_survives_a_resume(run: RunDirectory, tmp_path: Path) -> None:
    """From a checkpoint it is not measured again; before the first one, what is missing is."""
    for step, lost in ((5, ()), (0, ()), (0, ("line",)), (0, ("file",)), (0, ("line", "file"))):
        broken = stopped_at(run, step, tmp_path / f"{step}{''.join(lost)}")
        kept = run.evaluation / "held-out--start.json"
        if "file" not in lost:
            broken.evaluation.mkdir()
            target = broken.evaluation / kept.name
            target.write_bytes(kept.read_bytes())
            before = target.stat().st_mtime_ns
        if "line" in lost:
            broken.metrics.write_text("".join(broken.metrics.read_text().splitlines(True)[1:]))
        assert train(broken).step == step
        assert [json.dumps(r) for r in records(broken)] == [json.dumps(r) for r in records(run)]
        assert _evaluation(broken, "start") == _evaluation(run, "start")
        if "file" not in lost:
            assert target.stat().st_mtime_ns == before


def test_in_run_the_start_is_drawn_once(run: RunDirectory) -> None:
    events = EventAccumulator(str(run.tensorboard))
    events.Reload()
    assert [event.step for event in events.Scalars("held_out/loss_15")] == [0, 4, 8]


def test_in_run_the_start_is_no_result_of_the_run(run: RunDirectory, tmp_path: Path) -> None:
    (compared,) = read_runs([run.root])
    assert compared.held_out.checkpoint == "final"
    (run_without_end := stopped_at(run, 5, tmp_path / "stopped")).evaluation.mkdir()
    name = "held-out--start.json"
    (run_without_end.evaluation / name).write_bytes((run.evaluation / name).read_bytes())
    (unfinished,) = read_runs([run_without_end.root])
    assert unfinished.held_out.checkpoint is None
    assert unfinished.held_out.metrics == {}


@pytest.mark.slow
@pytest.mark.parametrize("num_lines", [1, None])
def test_in_run_reports_cope_with_a_line_of_step_0(
    num_lines: int | None, run: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(run, 5, tmp_path / "stopped")
    broken.metrics.write_text("".join(run.metrics.read_text().splitlines(True)[:num_lines]))
    assert compare([broken.root], out=tmp_path / "report").page.is_file()


def test_in_run_preview_takes_weights_of_a_step_that_was_trained(
    run: RunDirectory, corpus: Path
) -> None:
    (step,) = preview(corpus, "ptw-mrd", progress=[0.0], run=run.root)
    assert step is not None


@pytest.mark.slow
def test_in_run_two_processes_measure_the_start_as_one_and_print_a_table(
    run: RunDirectory, corpus: Path, tmp_path: Path
) -> None:
    other = RunDirectory(tmp_path / "two")
    config = started(corpus, tmp_path / "settings", "ptw-mrd", *AT_START).config
    other.root.mkdir()
    text = config.read_text().replace("micro_batch_size: 8", "micro_batch_size: 4")
    other.config.write_text(text)
    done = run_command(["resume", str(other.root)], processes=2)
    assert done.returncode == 0, done.stderr
    start = _evaluation(other, "start")["metrics"]
    assert start == pytest.approx(_evaluation(run, "start")["metrics"], rel=1e-6)
    assert [line["step"] for line in records(other)] == [line["step"] for line in records(run)]
    assert re.search(r"masked +start +final +difference", done.stdout)
    assert "15 % in whole words" in done.stdout


@pytest.mark.slow
def test_in_run_before_within_and_after_are_measured_alike_in_bf16(
    corpus: Path, tmp_path: Path
) -> None:
    """A model that does not learn keeps its losses to the last bit, whatever trains it."""
    run = trained(
        corpus, tmp_path / "run", "bert", "training.learning_rate=0", "training.precision=bf16",
        "evaluation.at_start=true",
    )  # fmt: skip
    within = [line["held_out/loss_15"] for line in records(run) if "held_out/loss_15" in line]
    assert len(within) >= 3
    assert len(set(within)) == 1
    start, final = (
        json.loads((run.evaluation / f"held-out--{name}.json").read_text())["metrics"]
        for name in ("start", "final")
    )
    assert start["held_out/loss_15"] == final["held_out/loss_15"]


@pytest.mark.slow
def test_in_run_the_result_of_the_end_is_of_those_weights_alone(
    run: RunDirectory, corpus: Path, tmp_path: Path
) -> None:
    """With another run's weights in their place the loss is measured: it is that of the other."""
    other = trained(corpus, tmp_path / "other", "bert", "training.seed=5")
    copy = RunDirectory(Path(shutil.copytree(run.root, tmp_path / "copy")))

    def loss() -> float:
        (found,) = evaluate(copy.root, tasks="held-out", with_random=False, progress=False)
        assert not found.problem
        return found.results[0].metrics["held_out/loss_15"]

    before = copy.result("held-out", "final").read_bytes()
    assert loss() == _evaluation(run, "final")["metrics"]["held_out/loss_15"]
    assert copy.result("held-out", "final").read_bytes() == before
    shutil.copy(other.model / "model.safetensors", copy.model)
    assert loss() == pytest.approx(_evaluation(other, "final")["metrics"]["held_out/loss_15"])
    replaced, arrays = sorted((copy.evaluation / "replaced").iterdir())
    assert replaced.read_bytes() == before
    assert arrays == arrays_beside(replaced)


@pytest.mark.parametrize("step", one_in(3, [0, 5, 8]))
@pytest.mark.slow
def test_in_run_results_of_models_that_are_trained_again_are_set_aside(
    step: int, run: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(run, step, tmp_path / "broken")
    names = ("start", "checkpoint-5", "checkpoint-7", "final", "random")
    for name in names:
        write_evaluation(broken, task="pairs", checkpoint=name, metrics={"accuracy": 1.0},
                         settings={}, details={"main_metric": "accuracy"})  # fmt: skip
    notes: list[str] = []
    train(broken, RunCallbacks(on_note=notes.append))
    left = {name for name in names if broken.result("pairs", name).is_file()}
    gone = {0: {"checkpoint-5", "checkpoint-7", "final"}, 5: {"checkpoint-7", "final"}, 8: set()}
    assert set(names) - left == gone[step]
    kept = list((broken.evaluation / "replaced").glob("*"))
    assert len(kept) == len(gone[step])
    assert any("moved into" in note for note in notes) == (step < 8)


@pytest.mark.slow
def test_in_run_results_of_another_final_model_are_set_aside(
    run: RunDirectory, tmp_path: Path
) -> None:
    broken = stopped_at(run, 8, tmp_path / "broken")
    same = _evaluation(run, "final")["model"]
    for task, model in (("one", same), ("two", {"fingerprint": "0"})):
        details = {"main_metric": "accuracy", "model": model}
        write_evaluation(broken, task=task, checkpoint="final", metrics={"accuracy": 1.0},
                         settings={}, details=details)  # fmt: skip
    train(broken)
    assert broken.result("one", "final").is_file()
    assert not broken.result("two", "final").is_file()


def test_in_run_sums_by_sequence_go_with_their_result(run: RunDirectory, tmp_path: Path) -> None:
    sums, start = read_sequence_sums(run), read_sequence_sums(run, "start")
    assert sums is not None
    assert start is not None
    # The same tokens were predicted before and after, so the losses are paired.
    assert (sums.counts[:6] == start.counts).all()
    final = _evaluation(run, "final")["metrics"]
    for loss in (*sums.losses, "held_out/loss"):
        assert sums.mean(loss) == pytest.approx(final[loss], rel=1e-6)
    copy = RunDirectory(Path(shutil.copytree(run.root, tmp_path / "copy")))
    arrays = arrays_beside(copy.result("held-out", "final"))
    shutil.copy(arrays_beside(copy.result("held-out", "start")), arrays)
    with pytest.raises(UserError, match="arrays of another result"):
        read_sequence_sums(copy)
    arrays.unlink()
    with pytest.raises(UserError, match="arrays are missing"):
        read_sequence_sums(copy)


@pytest.mark.slow
def test_in_run_a_policy_that_learns_is_measured_by_its_last_checkpoint(
    run: RunDirectory, tmp_path: Path
) -> None:
    """The evaluation of the saved model finds the same loss; without the checkpoint, none."""
    copy = RunDirectory(Path(shutil.copytree(run.root, tmp_path / "copy")))
    before = _evaluation(copy, "final")["metrics"]
    copy.result("held-out", "final").unlink()
    evaluate(copy.root, tasks="held-out", with_random=False, progress=False)
    assert _evaluation(copy, "final")["metrics"] == pytest.approx(before, rel=1e-6)
    copy.result("held-out", "final").unlink()
    shutil.rmtree(copy.checkpoint(8))
    evaluate(copy.root, tasks="held-out", with_random=False, progress=False)
    left = _evaluation(copy, "final")
    assert "held_out/own_loss" not in left["metrics"]
    assert any("own_loss is not measured" in note for note in left["notes"])


def test_in_run_a_plateau_is_noted_once() -> None:
    def lines(*losses: float | None) -> list[dict[str, float]]:
        line = {"unigram_cross_entropy": 6.4}
        return [line if loss is None else {**line, "held_out/loss": loss} for loss in losses]

    def noted(*losses: float | None) -> bool:
        *before, last = lines(*losses)
        return plateau_note(before, last) is not None

    assert noted(6.45, None, 6.38)
    assert noted(7.0, 6.45, 6.38)
    assert not noted(6.4)
    assert not noted(8.0, 6.4)
    assert not noted(6.4, 6.4, 6.4)  # it was said
    assert not noted(6.4, 6.4, 6.51, 6.4, 6.4)
    assert not noted(6.4, 6.2)
    assert plateau_note([{"held_out/loss_15": 6.4}], {"held_out/loss_15": 6.4}) is None
