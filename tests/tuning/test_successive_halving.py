"""The search and its final, with made-up runs and a made-up clock."""

from __future__ import annotations

import errno
import random
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tidemask.errors import UserError
from tidemask.progress.display import ProgressDisplay
from tidemask.runs.config import load_recipe
from tidemask.studies.agreement import to_yaml
from tidemask.studies.definition import Arm, StudyDefinition
from tidemask.studies.directory import RunState, State, StudyDirectory
from tidemask.studies.planning import PlannedRun
from tidemask.training.signals import Interrupted, StopRequest
from tidemask.tuning.clock import SpentClock, TimedRequest
from tidemask.tuning.definition import TuneDirectory
from tidemask.tuning.final_outcome import FinalOutcome
from tidemask.tuning.policies import (
    USUAL_CONSTANT,
    Policy,
    known_policies,
    searched_contents,
)
from tidemask.tuning.policy_runs import PolicyRuns
from tidemask.tuning.search import open_search
from tidemask.tuning.search_display import SearchDisplay
from tidemask.tuning.successive_halving import SuccessiveHalving
from tidemask.tuning.time_plan import FINALISTS, RunCosts, planned_time

CONTENTS = searched_contents(has_classes=True)
COSTS = RunCosts(step_seconds=0.1, other_seconds=5.0, final_seconds=5.0)
BUDGET = 3600.0
RECIPE = load_recipe("bert")


@dataclass
class MadeUp:
    """Runs that take as long as they were measured to, and the time that they took."""

    root: Path
    jobs: int = 1
    slowness: float = 1.0
    stop_after: int | None = None
    fails: bool = False
    failing_finalist: int | None = None
    now: float = 0.0
    trained: list[tuple[int, str]] = field(default_factory=list)
    known: set[tuple[str, str]] = field(default_factory=set)
    seeds: list[int] = field(default_factory=list)
    pages: int = 0

    def __post_init__(self) -> None:
        self._states: list[RunState] = []
        self.asked = StopRequest()
        self.clock = SpentClock(self.root / "time.json", lambda: self.now)
        self.stop_request = TimedRequest(self.asked, lambda: self.clock.spent >= 0.95 * BUDGET)
        silent = ProgressDisplay(Console(quiet=True))
        self.display = SearchDisplay(silent, self.clock, BUDGET)

    def _take(self, number: int, steps: int) -> None:
        self.now += self.slowness * COSTS.of(steps) * -(-number // self.jobs)
        self.now = min(self.now, 0.95 * BUDGET)  # then what runs is stopped
        if self.stop_after is not None and len(self.trained) >= self.stop_after:
            self.asked.received = signal.SIGINT
        if self.stop_request.received is not None:
            raise Interrupted(self.stop_request.received)

    def in_rung(
        self, directory: StudyDirectory, policies: Sequence[Policy], *, baseline: Policy,
        num_steps: int,
    ) -> dict[Policy, float | None]:  # fmt: skip
        assert baseline.is_constant
        study_of({baseline, *policies, *known_policies(())[:2]}, baseline, [0])
        directory.root.mkdir(exist_ok=True)
        directory.definition.touch()
        new = [one for one in policies if (directory.root.name, one.name) not in self.known]
        self._take(len(new), num_steps)
        self.known |= {(directory.root.name, one.name) for one in new}
        self.trained += [(num_steps, one.name) for one in new]
        return {one: None if self.fails else loss_of(one) for one in policies}

    def kept(self, directory: StudyDirectory) -> list[RunState]:
        return self._states

    def write_page(self, directory: StudyDirectory) -> None:
        self.pages += 1

    def final(
        self, directory: StudyDirectory, policies: Sequence[Policy], *, num_steps: int,
        seeds: Sequence[int],
    ) -> list[RunState]:  # fmt: skip
        study_of(policies, policies[0], seeds)
        new = [seed for seed in seeds if seed not in self.seeds]
        for seed in new:
            self._take(len(policies), num_steps)
            self.seeds.append(seed)
            for number, policy in enumerate(policies):
                state = State.FAILED if number == self.failing_finalist else State.FINISHED
                self._states.append(state_of(policy, seed, num_steps, state))
        return self._states


def study_of(policies: Iterable[Policy], baseline: Policy, seeds: Sequence[int]) -> StudyDefinition:
    """What a study of these policies is; it refuses a single arm."""
    arms = {one.name: Arm(recipe="bert", overrides=one.overrides) for one in policies}
    return StudyDefinition(corpus="corpus", arms=arms, baseline=baseline.name, seeds=tuple(seeds))


def state_of(policy: Policy, seed: int, steps: int, state: State) -> RunState:
    place = Path("runs", policy.name, f"seed-{seed}")
    run = PlannedRun(corpus_name="", arm=policy.name, seed=seed, corpus=Path(), recipe=RECIPE,
                     place=place)  # fmt: skip
    return RunState(run=run, state=state, step=steps, num_attempts=1)


def loss_of(policy: Policy) -> float:
    luck = random.Random(policy.name).gauss(0, 0.005)
    return 5 + abs(policy.start - 30) / 100 + abs(policy.end - 10) / 100 + luck


def searched(made_up: MadeUp, *, num_seeds: int = 3) -> tuple[FinalOutcome, Any]:
    directory = TuneDirectory(made_up.root)
    with open_search(
        directory.journal, None, name="search", contents=CONTENTS, place="here"
    ) as search, made_up.clock.noted():  # fmt: skip
        plan = planned_time(COSTS, BUDGET, num_seeds=num_seeds, jobs=made_up.jobs)
        if search.plan is None:
            search.begin(plan)
        halving = SuccessiveHalving(
            directory=directory, search=search, plan=search.plan or plan, clock=made_up.clock,
            runs=made_up, end=0.95 * BUDGET, num_seeds=num_seeds,  # type: ignore[arg-type]
        )  # fmt: skip
        halving.rungs()
        final = halving.final()
        rungs = [search.losses(number) for number in range(1, len(plan.rungs) + 1)]
        return final, rungs


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 4])
def test_a_search_ends_in_time_with_its_final_whole(tmp_path: Path, jobs: int) -> None:
    made_up = MadeUp(tmp_path, jobs=jobs)
    final, rungs = searched(made_up)
    policies = final.policies
    assert made_up.now <= 0.95 * BUDGET
    assert (final.num_seeds, final.failed, made_up.pages) == (3, (), 1)
    assert made_up.seeds == [1, 2, 3], "the seed of the search is not among them"
    assert len(policies) == FINALISTS
    assert [policy.is_constant for policy in policies] == [True, False, False]
    first, last = rungs[0], rungs[-1]
    assert set(known_policies(CONTENTS)) <= set(first)
    assert set(last) <= set(first)
    assert policies[0] == min((one for one in last if one.is_constant), key=loss_of)
    assert policies[1] == min((one for one in last if not one.is_constant), key=loss_of)
    best = sorted(first, key=loss_of)[: len(last) // 3]  # beside constants, and one that is no twin
    assert set(best) <= set(last), "the best go on"
    assert loss_of(policies[1]) < min(map(loss_of, known_policies(CONTENTS)))


@pytest.mark.slow
def test_a_search_that_is_stopped_again_and_again_is_the_one_that_was_not(tmp_path: Path) -> None:
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
    unbroken = searched(MadeUp(tmp_path / "once"))
    known: set[tuple[str, str]] = set()
    for stop_after in (1, 7, 20):
        made_up = MadeUp(tmp_path / "again", stop_after=stop_after, known=known)
        made_up.slowness = 0.0  # what is lost of a made-up run is not done twice
        with pytest.raises(Interrupted):
            searched(made_up)
        known = made_up.known
    final, rungs = searched(MadeUp(tmp_path / "again", known=known))
    assert final.num_seeds == unbroken[0].num_seeds
    assert set(unbroken[1][0]) < set(rungs[0]), "it draws the same, and had no cost of the first"
    assert final.policies[0].is_constant


@pytest.mark.slow
def test_finalists_whose_record_is_lost_are_known_by_the_final(tmp_path: Path) -> None:
    begun = [Policy(schedule="constant", start=33, end=33, unit="word"),
             Policy(schedule="step", start=60, end=7, unit="span", content="frequency",
                    blend="rising")]  # fmt: skip
    final = TuneDirectory(tmp_path).final
    final.root.mkdir()
    final.definition.write_text(to_yaml(study_of(reversed(begun), begun[0], [1])))
    found, _ = searched(MadeUp(tmp_path))
    assert list(found.policies) == begun


@pytest.mark.slow
def test_an_arm_of_the_final_that_is_no_policy_is_said_with_its_file(tmp_path: Path) -> None:
    final = TuneDirectory(tmp_path).final
    final.root.mkdir()
    text = to_yaml(study_of(known_policies(())[:2], USUAL_CONSTANT, [1]))
    final.definition.write_text(text.replace(USUAL_CONSTANT.name, "constant-16-tokens"))
    expected = rf"^wrong study in {final.definition}: no policy of a search: constant-16-tokens\."
    with pytest.raises(UserError, match=expected):
        searched(MadeUp(tmp_path))


@pytest.mark.slow
def test_a_machine_that_becomes_slower_has_fewer_seeds(tmp_path: Path) -> None:
    for name, slowness in (("slow", 1.6), ("slower", 3.0)):
        (tmp_path / name).mkdir()
        made_up = MadeUp(tmp_path / name, slowness=slowness)
        final, _ = searched(made_up)
        assert 1 <= final.num_seeds < 3, name
        assert final.policies[0].is_constant


def test_a_budget_that_is_over_before_the_final_shows_nothing(tmp_path: Path) -> None:
    made_up = MadeUp(tmp_path, slowness=80.0)
    final, _ = searched(made_up)
    assert (final.num_seeds, made_up.pages) == (0, 0)
    assert final.policies[0].is_constant


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_machine_too_slow_for_two_policies_ends_with_a_constant(
    tmp_path: Path, jobs: int
) -> None:
    made_up = MadeUp(tmp_path, jobs=jobs, slowness=10_000.0)
    final, rungs = searched(made_up)
    assert [policy.name for policy in final.policies] == ["constant-15-token"]
    assert (final.num_seeds, final.can_compare, made_up.pages) == (0, False, 0)
    assert not any(rungs)


@pytest.mark.slow
def test_a_decay_is_among_the_first_two_that_are_trained(tmp_path: Path) -> None:
    made_up = MadeUp(tmp_path)
    searched(made_up)
    names = [name for _, name in made_up.trained[:2]]
    assert names == ["constant-15-token", "cosine-45-15-token"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_finalist_that_failed_is_named_and_the_rest_is_compared(
    tmp_path: Path, number: int
) -> None:
    made_up = MadeUp(tmp_path, failing_finalist=number)
    final, _ = searched(made_up)
    assert final.failed == (final.policies[number].name,)
    assert final.num_seeds == 3
    assert final.can_compare == (number > 0), "without its baseline a final shows nothing"
    assert made_up.pages == (number > 0)


@pytest.mark.slow
def test_a_page_that_cannot_be_written_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tidemask.studies.comparison.compare", full)
    monkeypatch.setattr(MadeUp, "write_page", PolicyRuns.write_page)
    with pytest.raises(OSError, match="No space left"):
        searched(MadeUp(tmp_path))


def test_runs_that_all_fail_end_the_search_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no policy could be trained: .* Look into .*attempts"):
        searched(MadeUp(tmp_path, fails=True))
