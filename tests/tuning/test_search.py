"""The record of a search: what is asked, kept and taken up again, and what a damaged one says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.tuning.policies import Policy, known_policies, searched_contents
from tidemask.tuning.search import PolicySearch, open_search, without_password
from tidemask.tuning.time_plan import RunCosts, planned_time

pytest.importorskip("optuna")

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


def test_promoted_policies_are_queued_once_and_in_their_order(tmp_path: Path) -> None:
    with opened(tmp_path) as search:
        known = tried(search, len(known_policies(CONTENTS)))
        chosen = [known[3], known[0]]
        assert not search.has_begun(2)
        search.promote(chosen[:1], 2)
        search.promote(chosen, 2)
        assert search.has_begun(2)
        assert search.num_waiting() == 2
        asked = [search.ask(), search.ask()]
        assert [(one.policy, one.rung) for one in asked] == [(one, 2) for one in chosen]
        search.tell(asked[0], 3.0, is_last=True)
        search.tell(asked[1], None, is_last=True)
        assert search.losses(2) == {chosen[0]: 3.0}
        assert search.num_policies(2) == len(known)


def test_a_line_that_was_cut_and_a_lock_that_was_left_are_got_over(tmp_path: Path) -> None:
    with opened(tmp_path) as search:
        known = tried(search, 3)
    journal = tmp_path / "journal"
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    (tmp_path / "journal.lock").symlink_to(journal)
    with opened(tmp_path) as search:
        assert list(search.losses(1)) == sorted(known, key=lambda one: (loss_of(one), one.name))
        tried(search, 1)
    with opened(tmp_path) as search:
        assert len(search.losses(1)) == 4


@all_cases("content", [b"\xff\xfe\n{}\n", b'{"op_code": 4}\n', b"[]\n", b"none\nof this\n"])
def test_a_damaged_journal_is_one_line_that_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal").write_bytes(content)
    expected = r"^damaged record of a search: .*journal.*Delete it"
    with pytest.raises(UserError, match=expected) as error, opened(tmp_path):
        pass
    assert "\n" not in str(error.value)


@all_cases(
    "url",
    [
        "nonsense://nowhere/x",
        "postgresql://user:secret@127.0.0.1:1/x",
        "sqlite:////no/such/place.db",
        "mysql+pymysql://user:secret@127.0.0.1:1/x",
        "redis://127.0.0.1:1",
    ],
)
def test_a_storage_that_does_not_answer_is_one_line_without_its_password(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(UserError, match=r"^storage does not answer: ") as error:  # noqa: SIM117
        with opened(tmp_path, url):
            pass
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_without_optuna_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'tidemask\[tune\]'"), opened(tmp_path):
        pass


def test_an_error_of_ours_is_not_taken_for_one_of_the_storage(tmp_path: Path) -> None:
    with pytest.raises(KeyError), opened(tmp_path):
        raise KeyError("ours")


def test_passwords_are_left_out_of_urls() -> None:
    assert without_password("postgresql://me:pw@host/db") == "postgresql://host/db"
    assert without_password("sqlite:///a/b@c.db") == "sqlite:///a/b@c.db"


def test_what_others_tried_does_not_count_against_the_plan_of_a_machine(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    with opened(tmp_path, url, "there") as search:
        tried(search, 3)
        assert search.num_tried(1) == 3
    with opened(tmp_path, url, "here") as search:
        assert search.num_tried(1) == 0
        tried(search, 2)
        assert (search.num_tried(1), len(search.losses(1))) == (2, 5)
