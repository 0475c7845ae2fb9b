"""The record of a search: what is asked, kept and taken up again, and what a damaged one says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tidemask.errors import UserError
from tidemask.tuning.policies import Policy, known_policies, searched_contents
from tidemask.tuning.search import PolicySearch, open_search
from tidemask.tuning.time_plan import RunCosts, planned_time

CONTENTS = searched_contents(has_classes=True)
PLAN = planned_time(
    RunCosts(step_seconds=0.1, other_seconds=5.0, final_seconds=5.0), 3600.0, num_seeds=2, jobs=1
)


@contextmanager
def opened(root: Path, storage: str | None = None, place: str = "here") -> Iterator[PolicySearch]:
    with open_search(
        root / "journal", storage, name="search", contents=CONTENTS, place=place
    ) as search:
        if search.plan is None:
            search.begin(PLAN)
        yield search


def loss_of(policy: Policy) -> float:
    """A made-up loss: small near a ratio of 30 % that falls to 10 %."""
    return 5 + abs(policy.start - 30) / 100 + abs(policy.end - 10) / 100


def tried(search: PolicySearch, number: int) -> list[Policy]:
    """Policies that were asked for and told, one after the other."""
    found = []
    for _ in range(number):
        trial = search.ask()
        search.tell(trial, loss_of(trial.policy), is_last=False)
        found.append(trial.policy)
    return found


@pytest.mark.slow
def test_known_policies_come_first_and_the_sampler_learns(tmp_path: Path) -> None:
    known = known_policies(CONTENTS)
    with opened(tmp_path) as search:
        assert search.plan == PLAN
        assert tried(search, len(known)) == known
        drawn = tried(search, 40)
        losses = search.losses(1)
    assert set(losses) == {*known, *drawn}
    assert list(losses.values()) == sorted(losses.values())
    assert all(loss == loss_of(policy) for policy, loss in losses.items())
    late = [loss_of(policy) for policy in drawn[-10:]]
    early = [loss_of(policy) for policy in drawn[:10]]
    assert sum(late) / 10 < sum(early) / 10


@pytest.mark.slow
def test_a_search_that_is_opened_again_asks_what_one_that_was_not_asks(tmp_path: Path) -> None:
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
    with opened(tmp_path / "once") as search:
        unbroken = tried(search, 24)
    found: list[Policy] = []
    for number in (1, 12, 11):
        with opened(tmp_path / "again") as search:
            found += tried(search, number)
    assert found == unbroken


@pytest.mark.slow
def test_what_was_begun_is_taken_up_by_its_own_place(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    with opened(tmp_path, url, "here") as search:
        first = search.ask()
    with opened(tmp_path, url, "there") as search:
        assert search.interrupted() == []
        assert search.ask().policy == known_policies(CONTENTS)[1]
    with opened(tmp_path, url, "here") as search:
        (again,) = search.interrupted()
        assert again == first
        assert search.interrupted() == []
        search.tell(again, 4.0, is_last=True)
        assert search.losses(1) == {first.policy: 4.0}


@pytest.mark.slow
def test_of_two_commands_that_begin_together_one_plan_holds(tmp_path: Path) -> None:
    url, other = f"sqlite:///{tmp_path}/record.db", dataclasses.replace(PLAN, final_steps=7)
    first = open_search(tmp_path, url, name="search", contents=CONTENTS, place="first")
    second = open_search(tmp_path, url, name="search", contents=CONTENTS, place="second")
    with first as here, second as there:
        assert (here.plan, there.plan) == (None, None)
        there.begin(other)
        here.begin(PLAN)
        assert (here.plan, there.plan) == (other, other)
        assert here.num_waiting() == len(known_policies(CONTENTS))


def test_a_search_that_was_killed_while_it_began_begins(tmp_path: Path) -> None:
    usual = known_policies(CONTENTS)
    with open_search(tmp_path / "journal", None, name="search", contents=CONTENTS, place="") as one:
        one._study.enqueue_trial(usual[0].parameters, {"rung": 1})
        assert one.plan is None
    with opened(tmp_path) as search:
        assert search.plan == PLAN
        assert tried(search, len(usual)) == usual


def test_a_search_that_an_earlier_version_had_begun_to_begin_begins(tmp_path: Path) -> None:
    """The policy that is queued last today, with the time plan, was queued before without it."""
    last = known_policies(CONTENTS)[-1]
    with open_search(tmp_path / "journal", None, name="search", contents=CONTENTS, place="") as one:
        one._study.enqueue_trial(last.parameters, {"rung": 1})
        one.begin(PLAN)
        assert one.plan == PLAN
    with opened(tmp_path) as search:
        assert set(tried(search, len(known_policies(CONTENTS)) + 1)) == set(
            known_policies(CONTENTS)
        )


def test_all_that_was_begun_in_a_private_record_is_taken_up_wherever_it_lies(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, place="before it was moved") as search:
        begun = [search.ask(), search.ask()]
    with opened(tmp_path, place="after") as search:
        assert search.interrupted() == begun


@pytest.mark.slow
def test_what_another_command_said_of_a_trial_holds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    with opened(tmp_path, url) as search, opened(tmp_path, url) as copy:
        first, second = search.ask(), search.ask()
        assert copy.interrupted() == [first, second]
        search.tell(first, 4.0, is_last=False)
        search.tell(second, None, is_last=False)
        copy.tell(first, 5.0, is_last=True)
        copy.tell(second, 5.0, is_last=False)
        assert copy.losses(1) == search.losses(1) == {first.policy: 4.0}
        third = search.ask()
        search.tell(third, 6.0, is_last=True)
        expected = "^trial that was ended by another command"
        own = search._study.get_trials()[third.number]._trial_id
        with pytest.raises(UserError, match=expected), opened(tmp_path, url) as other:
            other._study._storage.set_trial_user_attr(own, "place", "x")


def test_promoted_policies_are_queued_once_and_in_their_order(tmp_path: Path) -> None:
    with opened(tmp_path) as search:
        known = tried(search, len(known_policies(CONTENTS)))
        chosen = [known[3], known[0]]
        assert not search.has_begun(2)
        search._study.enqueue_trial(chosen[0].parameters, {"rung": 2})  # by one that was killed
        search.promote(chosen, 2)
        search.promote(known, 2)
        assert search.has_begun(2)
        assert search.num_waiting() == 2
        asked = [search.ask(), search.ask()]
        assert [(one.policy, one.rung) for one in asked] == [(one, 2) for one in chosen]
        search.tell(asked[0], 3.0, is_last=True)
        search.tell(asked[1], None, is_last=True)
        assert search.losses(2) == {chosen[0]: 3.0}
        assert search.num_policies(2) == len(known)


def test_what_waits_in_a_rung_that_is_left_is_not_tried_and_what_runs_is(tmp_path: Path) -> None:
    with opened(tmp_path) as search:
        known = tried(search, 3)
        running = search.ask()
        search.promote(known[:1], 2)
        following = search.ask()
        assert (following.policy, following.rung) == (known[0], 2)
        assert search.num_waiting() == 0
        search.tell(running, 4.5, is_last=False)
        assert set(search.losses(1)) == {*known, running.policy}


@pytest.mark.slow
def test_what_others_tried_does_not_count_against_the_plan_of_a_machine(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    with opened(tmp_path, url, "there") as search:
        tried(search, 3)
        assert search.num_tried(1) == 3
    with opened(tmp_path, url, "here") as search:
        assert search.num_tried(1) == 0
        tried(search, 2)
        assert (search.num_tried(1), len(search.losses(1))) == (2, 5)
