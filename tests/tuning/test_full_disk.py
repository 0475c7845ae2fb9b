"""A disk that is full under a search: no policy has failed, and with room the search goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine_in_process import EngineInProcess
from small_disk import fill, small_disk
from small_runs import TINY
from tidemask.errors import UserError
from tidemask.progress.display import ProgressDisplay
from tidemask.runs.config import load_recipe
from tidemask.studies.directory import RunState, State, StudyDirectory
from tidemask.studies.planning import PlannedRun
from tidemask.training.signals import StopRequest
from tidemask.tuning.definition import TuneDefinition
from tidemask.tuning.final_outcome import final_outcome
from tidemask.tuning.policies import known_policies
from tidemask.tuning.policy_runs import PolicyRuns, _check_not_refused

POLICIES = known_policies(())[:2]
NUM_STEPS = 8


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


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_policy_whose_run_found_no_room_has_not_failed(
    corpus: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a rung nor in the final; small files can be written, and no checkpoint."""
    rung, final = StudyDirectory(disk / "rung-1"), StudyDirectory(disk / "final")
    runs = runs_on(corpus)
    submit = EngineInProcess.submit

    def submit_to_full_disk(*arguments: Any) -> Any:
        if not (disk / "filler").exists():
            fill(disk, 1 << 20)
        return submit(*arguments)

    for trained in (
        lambda: runs.in_rung(rung, POLICIES, baseline=POLICIES[0], num_steps=NUM_STEPS),
        lambda: final_outcome(
            POLICIES, runs.final(final, POLICIES, num_steps=NUM_STEPS, seeds=[1]),
            num_steps=NUM_STEPS, is_over=True,
        ),
    ):  # fmt: skip
        monkeypatch.setattr(EngineInProcess, "submit", submit_to_full_disk)
        with pytest.raises(UserError, match=r"No space left on device\. Make room.* command"):
            trained()
        kept = final_outcome(POLICIES, runs.kept(final), num_steps=NUM_STEPS, is_over=False)
        assert kept.failed == ()
        (disk / "filler").unlink()
        monkeypatch.setattr(EngineInProcess, "submit", submit)
        found = trained()
        if isinstance(found, dict):
            assert [*found] == [*POLICIES]
            assert all(loss is not None and math.isfinite(loss) for loss in found.values())
        else:
            assert (found.num_seeds, found.failed) == (1, ())


@pytest.mark.parametrize("state", [State.DEAD, State.WAITING])
def test_a_run_whose_end_could_not_be_recorded_has_not_failed(state: State, disk: Path) -> None:
    directory, place = StudyDirectory(disk), Path("runs", POLICIES[0].name, "seed-0")
    run = PlannedRun(
        corpus_name="", arm=POLICIES[0].name, seed=0, corpus=Path(), recipe=load_recipe("bert"),
        place=place,
    )  # fmt: skip
    filler = fill(disk, 0)
    states = [RunState(run=run, state=state, step=0, num_attempts=1)]
    with pytest.raises(
        UserError, match=rf"^{disk}: No space left on device\. Make room, then give"
    ):
        _check_not_refused(directory, states)
    filler.unlink()
    _check_not_refused(directory, states)
