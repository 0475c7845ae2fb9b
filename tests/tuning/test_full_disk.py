"""A disk that is full under a search: no policy has failed, and with room the search goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from engine_in_process import EngineInProcess
from small_disk import fill, small_disk
from small_runs import TINY, trained
from tidemask.errors import UserError
from tidemask.progress.display import ProgressDisplay
from tidemask.studies.directory import StudyDirectory
from tidemask.training.signals import StopRequest
from tidemask.tuning.definition import TuneDefinition
from tidemask.tuning.final_outcome import final_outcome
from tidemask.tuning.policies import known_policies
from tidemask.tuning.policy_runs import PolicyRuns

POLICIES = known_policies(())[:2]
NUM_STEPS = 8


NO_ROOM = (
    r"^\S+ seed \d failed: .*No space left on device\. Make room, .* Give the command of the "
    r"search again, not one for that run: no policy has failed by this\.$"
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path) as place:
        yield place


def runs_on(corpus: Path) -> PolicyRuns:
    request: Any = StopRequest()
    definition = TuneDefinition(
        corpus=str(corpus), corpus_fingerprint="c", recipe="bert", recipe_fingerprint="r",
        settings=TINY,
    )  # fmt: skip
    return PolicyRuns(
        definition=definition, engine=EngineInProcess(), jobs=1,
        display=ProgressDisplay(),  # type: ignore[arg-type]  # shows no time
        stop_request=request,
    )  # fmt: skip


def checkpoint_file(corpus: Path, place: Path, name: str) -> int:
    """Bytes of a file of a checkpoint of such runs."""
    run = trained(corpus, place / "sized", "bert", *TINY)
    return run.checkpoints()[-1][1].joinpath(name).stat().st_size


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("fits", ["no weights", "weights, but no optimizer"])
def test_a_policy_whose_run_found_no_room_has_not_failed(
    fits: str, corpus: Path, tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a rung nor in the final; torch, which writes the optimizer, hides the cause."""
    rung, final = StudyDirectory(disk / "rung-1"), StudyDirectory(disk / "final")
    runs = runs_on(corpus)
    weights = checkpoint_file(corpus, tmp_path, "model.safetensors")
    leave = (1 << 18) + (weights if fits.startswith("weights") else 0)
    submit = EngineInProcess.submit

    def submit_to_full_disk(*arguments: Any) -> Any:
        if not (disk / "filler").exists():
            fill(disk, leave)
        return submit(*arguments)

    for train in (
        lambda: runs.in_rung(rung, POLICIES, baseline=POLICIES[0], num_steps=NUM_STEPS),
        lambda: final_outcome(
            POLICIES, runs.final(final, POLICIES, num_steps=NUM_STEPS, seeds=[1]),
            num_steps=NUM_STEPS, is_over=True,
        ),
    ):  # fmt: skip
        monkeypatch.setattr(EngineInProcess, "submit", submit_to_full_disk)
        with pytest.raises(UserError, match=NO_ROOM):
            train()
        kept = final_outcome(POLICIES, runs.kept(final), num_steps=NUM_STEPS, is_over=False)
        assert kept.failed == ()
        (disk / "filler").unlink()
        monkeypatch.setattr(EngineInProcess, "submit", submit)
        found = train()
        if isinstance(found, dict):
            assert [*found] == [*POLICIES]
            assert all(loss is not None and math.isfinite(loss) for loss in found.values())
        else:
            assert (found.num_seeds, found.failed) == (1, ())


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_run_whose_end_could_not_be_recorded_has_not_failed(
    corpus: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor if there is room again when the other runs have ended."""
    submit, begun = EngineInProcess.submit, []

    def submit_once_in_vain(*arguments: Any) -> Any:
        begun.append(arguments)
        if len(begun) > 1:
            (disk / "filler").unlink(missing_ok=True)
            return submit(*arguments)
        arguments[-1].parent.mkdir(parents=True)
        fill(disk, 0)
        done: Future[int] = Future()
        done.set_result(2)
        return done

    monkeypatch.setattr(EngineInProcess, "submit", submit_once_in_vain)
    runs, rung = runs_on(corpus), StudyDirectory(disk / "rung-1")
    with pytest.raises(UserError, match=NO_ROOM):
        runs.in_rung(rung, POLICIES, baseline=POLICIES[0], num_steps=NUM_STEPS)
    found = runs.in_rung(rung, POLICIES, baseline=POLICIES[0], num_steps=NUM_STEPS)
    assert len(begun) == 3
    assert all(loss is not None and math.isfinite(loss) for loss in found.values())
