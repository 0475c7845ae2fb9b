"""Results that are kept, found again and never made twice; the choice of the learning rate."""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidemask.errors import UserError
from tidemask.evaluation import result_store
from tidemask.evaluation.result_store import ResultStore
from tidemask.evaluation.seed_results import best_rate, seed_results
from tidemask.evaluation_files import arrays_beside, read_predictions, write_evaluation
from tidemask.progress import ProgressCallback, ignore
from tidemask.run_record import FINAL, START, RunDirectory
from tidemask.run_record.predictions import NumberPredictions, of_split
from tidemask.tasks.classification.features import TextTaskSettings
from tidemask.tasks.fine_tuned_task import FineTunedTask
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.task import DivergedError, Measured

MODEL = ModelUnderTest(directory=Path("nowhere"), tokenizer_directory=Path("nowhere"))


class Peak(FineTunedTask[Any]):
    """Scores best at a rate of 2; counts its trials, and may be interrupted in one of them."""

    def __init__(self, seeds: int = 3, data: str = "a") -> None:
        fine_tuning = FineTuneSettings(num_seeds=seeds, learning_rates=(1.0, 2.0, 3.0))
        super().__init__("peak", "score", TextTaskSettings(name="peak"), fine_tuning)
        self._data = data
        self.trials: list[tuple[int, float]] = []
        self.interrupted_after = -1
        self.diverged: tuple[float, ...] = ()

    def data_fingerprint(self) -> dict[str, str]:
        return {"fingerprint": self._data}

    def trial(
        self,
        model_under_test: ModelUnderTest,
        *,
        seed: int,
        learning_rate: float,
        on_progress: ProgressCallback,
    ) -> Measured:
        if len(self.trials) == self.interrupted_after:
            raise KeyboardInterrupt
        self.trials.append((seed, learning_rate))
        if learning_rate in self.diverged:
            raise DivergedError("no numbers")
        score = 1 - abs(learning_rate - 2) / 10 + seed / 100
        kept = NumberPredictions(predicted=np.float32([learning_rate]), labels=np.float64([seed]))
        return Measured({"score": score}, ("a note",), of_split("dev", kept))

    check = make_features = split_scores = None  # a trial needs none of them


def _store(root: Path | None, task: Peak, model: str = "m") -> ResultStore:
    run = None if root is None else RunDirectory(root)
    return ResultStore.of(
        run,
        task,
        "checkpoint-5",
        model={"fingerprint": model},
        model_type="bert",
        versions={"torch": "2"},
    )


def _results(root: Path | None, task: Peak, model: str = "m") -> list[Any]:
    return list(seed_results(task, MODEL, _store(root, task, model), ignore))


def test_seed_results_tries_every_rate_with_the_first_seed_and_the_best_with_the_others(
    tmp_path: Path,
) -> None:
    task = Peak()
    results = _results(tmp_path, task)
    assert task.trials == [(0, 1.0), (0, 2.0), (0, 3.0), (1, 2.0), (2, 2.0)]
    assert [result.metrics["score"] for result in results] == [1.0, 1.01, 1.02]
    assert {result.learning_rate for result in results} == {2.0}
    files = sorted(path.name for path in (tmp_path / "evaluation").glob("*.json"))
    assert files == [f"peak--checkpoint-5--seed-{seed}.json" for seed in range(3)]
    first = json.loads((tmp_path / "evaluation" / files[0]).read_text())
    assert [trial["learning_rate"] for trial in first["trials"]] == [1.0, 2.0, 3.0]
    assert first["seed"] == 0
    assert first["main_metric"] == "score"
    assert first["model"] == {"fingerprint": "m"}
    assert first["versions"] == {"torch": "2"}
    assert first["notes"] == ["a note"]


def test_seed_results_again_does_nothing_again(tmp_path: Path) -> None:
    _results(tmp_path, Peak())
    before = {path: path.read_bytes() for path in (tmp_path / "evaluation").glob("*.json")}
    task = Peak()
    results = _results(tmp_path, task)
    assert task.trials == []
    assert all(result.is_reused for result in results)
    more = Peak(seeds=5)
    _results(tmp_path, more)
    assert more.trials == [(3, 2.0), (4, 2.0)]
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("moment", range(5))
def test_seed_results_goes_on_after_an_interruption_at_any_trial(
    moment: int, tmp_path: Path
) -> None:
    whole = _results(None, Peak())
    task = Peak()
    task.interrupted_after = moment
    with pytest.raises(KeyboardInterrupt):
        _results(tmp_path, task)
    again = Peak()
    results = _results(tmp_path, again)
    assert [(r.seed, r.metrics, r.learning_rate) for r in results] == [
        (r.seed, r.metrics, r.learning_rate) for r in whole
    ]
    for seed in range(3):
        (kept,) = read_predictions(RunDirectory(tmp_path), "peak", "checkpoint-5", seed).values()
        assert isinstance(kept, NumberPredictions)
        assert (kept.predicted.item(), kept.labels.item()) == (2.0, seed)
    assert len(task.trials) == moment
    assert sorted([*task.trials, *again.trials]) == [
        (0, 1.0), (0, 2.0), (0, 3.0), (1, 2.0), (2, 2.0),
    ]  # fmt: skip
    trials = tmp_path / "evaluation" / "trials"
    assert not trials.exists() or not any(trials.iterdir())


@pytest.mark.parametrize("change", [{"data": "b"}, {"model": "n"}])
def test_seed_results_sets_results_of_other_data_or_weights_aside(
    change: dict[str, str], tmp_path: Path
) -> None:
    _results(tmp_path, Peak(seeds=1))
    path = tmp_path / "evaluation" / "peak--checkpoint-5--seed-0.json"
    before = path.read_bytes()
    task = Peak(seeds=1, data=change.get("data", "a"))
    _results(tmp_path, task, change.get("model", "m"))
    assert len(task.trials) == 3
    (replaced,) = (tmp_path / "evaluation" / "replaced").glob("*.json")
    assert replaced.read_bytes() == before != path.read_bytes()


DAMAGE: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda content: content["metrics"].update(score="1"), r'metrics\.score="1"\. Expected'),
    (lambda content: content["metrics"].update(score=math.nan), r"metrics\.score=NaN\. Expected"),
    (lambda content: content["metrics"].update(score=-math.inf), r"metrics\.score=-Infinity\."),
    (lambda content: content["metrics"].update(score=None), r"metrics\.score=null\. Expected"),
    (lambda content: content["metrics"].update(more=True), r"metrics\.more=true\. Expected"),
    (lambda content: content.update(metrics={"other": 1.0}), "Expected one of the metrics"),
    (lambda content: content.update(metrics=[1]), r"metrics=\[1\]\. Expected an object"),
    (lambda content: content.update(settings="x"), 'settings="x"'),
    (lambda content: content.update(model={"fingerprint": 3}), r"model\.fingerprint=3\. Expected"),
    (lambda content: content.update(learning_rate="2"), 'learning_rate="2"'),
    (lambda content: content.update(notes="ab"), 'notes="ab"'),
    (lambda content: content.update(checkpoint="checkpoint-6"), "belongs into peak--checkpoint-6"),
    (lambda content: content.update(seed=1), "belongs into peak--checkpoint-5--seed-1"),
    (lambda content: content.clear(), "task is missing"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_seed_results_names_a_damaged_result_and_makes_it_again(
    damage: Callable[[dict[str, Any]], object],
    message: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = _results(tmp_path, Peak(seeds=2))
    path = tmp_path / "evaluation" / "peak--checkpoint-5--seed-0.json"
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    task = Peak(seeds=2)
    results = _results(tmp_path, task)
    assert [result.metrics for result in results] == [result.metrics for result in before]
    assert task.trials == [(0, 1.0), (0, 2.0), (0, 3.0)]
    assert f"damaged evaluation: {path}: " in caplog.text
    assert re.search(message, caplog.text)
    assert len(list((tmp_path / "evaluation" / "replaced").glob("*.json"))) == 1
    assert all(result.is_reused for result in _results(tmp_path, Peak(seeds=2)))


@pytest.mark.parametrize("length", [0, 1, 50, -2])
def test_seed_results_makes_a_cut_result_again(
    length: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _results(tmp_path, Peak(seeds=2))
    path = tmp_path / "evaluation" / "peak--checkpoint-5--seed-0.json"
    path.write_text(path.read_text()[:length])
    task = Peak(seeds=2)
    assert len(_results(tmp_path, task)) == 2
    assert task.trials == [(0, 1.0), (0, 2.0), (0, 3.0)]
    assert f"damaged evaluation: {path}" in caplog.text
    assert len(list((tmp_path / "evaluation" / "replaced").glob("*.json"))) == 1


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_seed_results_measures_nothing_that_it_cannot_save(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "evaluation").mkdir()
    path = tmp_path / "evaluation" / "peak--checkpoint-5--seed-0.json"
    make(path)
    task = Peak()
    with pytest.raises(UserError, match=f"not a file: {path}"):
        _results(tmp_path, task)
    assert task.trials == []


@pytest.mark.parametrize("what", ["score", "predictions"])
def test_seed_results_makes_a_damaged_trial_again(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = Peak(seeds=1)
    task.interrupted_after = 2
    with pytest.raises(KeyboardInterrupt):
        _results(tmp_path, task)
    first, _ = sorted((tmp_path / "evaluation" / "trials").glob("*.json"))
    if what == "predictions":
        arrays_beside(first).write_bytes(b"")
    else:
        content = json.loads(first.read_text())
        content["metrics"]["score"] = math.nan
        first.write_text(json.dumps(content))
    again = Peak(seeds=1)
    _results(tmp_path, again)
    assert again.trials == [(0, 1.0), (0, 3.0)]
    message = {
        "score": f"damaged evaluation: {first}: metrics.score=NaN",
        "predictions": f"arrays of another result: {arrays_beside(first)}",
    }
    assert message[what] in caplog.text


def test_seed_results_keeps_nothing_where_there_is_no_place() -> None:
    assert len(_results(None, Peak())) == 3


def test_seed_results_best_rate_is_the_lowest_of_the_best() -> None:
    assert best_rate({1.0: 0.5, 2.0: 0.7, 3.0: 0.7}) == 2.0
    assert best_rate({1.0: float("nan"), 2.0: -1.0}) == 2.0
    assert best_rate({2.0: float("nan"), 1.0: float("nan")}) == 1.0


def test_seed_results_passes_over_a_learning_rate_that_diverged(tmp_path: Path) -> None:
    task = Peak(seeds=2)
    task.diverged = (2.0, 3.0)
    results = _results(tmp_path, task)
    assert {result.learning_rate for result in results} == {1.0}
    notes = [f"The model diverged at the learning rate {rate}." for rate in (2, 3)]
    assert results[0].notes == ("a note", *notes)
    lost = Peak(seeds=2, data="b")
    lost.diverged = (1.0, 2.0, 3.0)
    with pytest.raises(DivergedError):
        _results(tmp_path, lost)
    assert lost.trials == [(0, 1.0), (0, 2.0), (0, 3.0)]


@pytest.mark.parametrize("place", ["file", "link that leads nowhere"])
def test_seed_results_that_cannot_be_saved_are_not_measured(place: str, tmp_path: Path) -> None:
    root = tmp_path / "out"
    if place == "file":
        root.write_text("mine")
    else:
        root.mkdir()
        (root / "evaluation").symlink_to(tmp_path / "absent" / "directory")
    task = Peak()
    with pytest.raises(UserError, match=r"^results cannot be written: .*Nothing was measured\.$"):
        _results(root, task)
    assert task.trials == []
    assert root.is_dir() or root.read_text() == "mine"


def test_seed_results_are_there_when_the_disk_became_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The score of the second seed, which trains at the best rate alone, was measured."""
    task = Peak(seeds=2)
    store = _store(tmp_path, task)
    results = seed_results(task, MODEL, store, ignore)
    assert next(results).seed == 0
    write = write_evaluation

    def write_to_a_full_disk(*arguments: Any, **named: Any) -> Path:
        monkeypatch.setattr(os, "fsync", _full)
        return write(*arguments, **named)

    monkeypatch.setattr(result_store, "write_evaluation", write_to_a_full_disk)
    assert next(results).metrics["score"] == 1.01
    with pytest.raises(UserError, match=r"^result not written: .*Make room, then give the com"):
        next(results)


def _full(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_results_that_do_not_name_their_model_say_so(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)

    def notes(details: dict[str, Any], checkpoint: str) -> tuple[str, ...]:
        store = ResultStore(
            run=run, task="t", main_metric="m", checkpoint=checkpoint,
            settings={}, model={"fingerprint": "f"}, versions={},
        )  # fmt: skip
        write_evaluation(
            run, task="t", checkpoint=checkpoint, metrics={"m": 1.0}, settings={}, details=details
        )
        found = store.load(None)
        assert found is not None
        return found.notes

    (note,) = notes({}, FINAL)
    assert note.startswith(f"{run.result('t', FINAL)} is of an earlier version")
    assert notes({"model": {"fingerprint": "f"}}, FINAL) == ()
    assert notes({}, START) == ()
