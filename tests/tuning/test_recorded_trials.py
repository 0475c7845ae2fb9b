"""The record of a search that was damaged: what cannot be gone on with is refused by its trial."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from cases import all_cases
from tidemask.errors import UserError
from tidemask.tuning.policies import searched_contents
from tidemask.tuning.search import PolicySearch, open_search
from tidemask.tuning.time_plan import RunCosts, Rung, TimePlan

CONTENTS = searched_contents(has_classes=True)
PLAN = TimePlan(
    budget=3600.0,
    costs=RunCosts(step_seconds=0.1, other_seconds=5.0, final_seconds=5.0),
    rungs=(Rung(num_steps=50, num_runs=12, until=600.0),),
    num_finalists=2,
    final_steps=150,
)
Line = dict[str, Any]


def begun(search: PolicySearch) -> None:
    """Queue what is known, end two trials well, and begin a third."""
    search.begin(PLAN)
    for loss, is_last in ((5.25, False), (5.5, True)):
        search.tell(search.ask(), loss, is_last=is_last)
    search.ask()


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """The journal of a search that is sound."""
    journal = tmp_path_factory.mktemp("search") / "search.journal"
    with open_search(journal, None, name="search", contents=CONTENTS, place="here") as search:
        begun(search)
    return [json.loads(line) for line in journal.read_text().splitlines()]


def reopened(journal: Path, lines: list[Line]) -> int:
    """How many policies a journal of these lines has losses of."""
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with open_search(journal, None, name="search", contents=CONTENTS, place="here") as search:
        assert search.plan == PLAN
        return len(search.losses(1))


def of_key(lines: list[Line], key: str, value: object) -> Line:
    """The first line with a value under a key."""
    return next(line for line in lines if line.get(key) == value)


def of_attribute(lines: list[Line], kind: str, name: str) -> Line:
    """The first attributes of a kind with a name among them."""
    return next(line[kind] for line in lines if name in line.get(kind, {}))


def parameter(name: str, value: object) -> Callable[[list[Line]], None]:
    def damage(lines: list[Line]) -> None:
        of_key(lines, "param_name", name)["param_value_internal"] = value

    return damage


def choices(name: str, *names: str) -> Callable[[list[Line]], None]:
    def damage(lines: list[Line]) -> None:
        line = of_key(lines, "param_name", name)
        distribution = json.loads(line["distribution"])
        distribution["attributes"]["choices"] = names
        line["distribution"] = json.dumps(distribution)

    return damage


def attribute(kind: str, name: str, value: object) -> Callable[[list[Line]], None]:
    def damage(lines: list[Line]) -> None:
        of_attribute(lines, kind, name)[name] = value

    return damage


def queued(name: str, value: object) -> Callable[[list[Line]], None]:
    def damage(lines: list[Line]) -> None:
        of_attribute(lines, "system_attrs", "fixed_params")["fixed_params"][name] = value

    return damage


def reported(value: object) -> Callable[[list[Line]], None]:
    def damage(lines: list[Line]) -> None:
        of_key(lines, "intermediate_value", 5.25)["intermediate_value"] = value

    return damage


def reported_at(rung: object) -> Callable[[list[Line]], None]:
    def damage(lines: list[Line]) -> None:
        of_key(lines, "intermediate_value", 5.25)["step"] = rung

    return damage


def ended_with(value: object) -> Callable[[list[Line]], None]:
    def damage(lines: list[Line]) -> None:
        of_key(lines, "values", [5.5])["values"] = value

    return damage


def without(key: str, value: object) -> Callable[[list[Line]], None]:
    return lambda lines: lines.remove(of_key(lines, key, value))


def maximized(lines: list[Line]) -> None:
    of_key(lines, "directions", [1])["directions"] = [2]


DAMAGES = (
    (parameter("start", 99), r"trial 0: start=99\. Expected a whole number from 5 to 70"),
    (choices("schedule", "curve", "linear", "cosine", "step"), r"trial 0: schedule='curve'\. Exp"),
    (choices("schedule", "constant", "linear", "cosine"), r"trial 0: .*dynamic value space"),
    (without("param_name", "unit"), r"trial 0: unit is missing"),
    (queued("start", "30"), r"trial 0: start='30'\. Expected a whole number"),
    (queued("start", True), r"trial 0: start=True\. Expected a whole number"),
    (queued("unit", ["token"]), r"trial 0: unit=\['token'\]\. Expected one of token, word"),
    (attribute("system_attrs", "fixed_params", [1]), r"trial 0: fixed_params=\[1\]\. Expected "),
    (attribute("user_attrs", "rung", "1"), r"trial 0: rung='1'\. Expected one of the search"),
    (attribute("user_attrs", "rung", 0), r"trial 0: rung=0\. Expected one of the search"),
    (attribute("user_attrs", "rung", 2), r"trial 0: rung=2\. Expected one of the search"),
    (attribute("user_attrs", "time_plan", 5), r"trial \d+ has the time plan 5"),
    (attribute("user_attrs", "time_plan", "{}"), r"damaged time plan of the search: budget is mi"),
    (reported("low"), r"trial 0: it has the loss 'low'"),
    (reported(float("nan")), r"trial 0: it has the loss nan"),
    (reported(True), r"trial 0: it has the loss True"),
    (reported_at("1"), r"trial 0: it has a loss at rung='1'"),
    (ended_with([10**400]), r"trial 1: it has the loss about 1e400"),
    (ended_with([5.5, 5.0]), r"trial 1: it has 2 losses\. Expected one"),
    (without("intermediate_value", 5.25), r"trial 0: it ended well and has no loss at rung=1"),
    (maximized, r"it is not of a search for the lowest loss"),
)  # fmt: skip


def test_a_sound_record_is_opened_again(lines: list[Line], tmp_path: Path) -> None:
    assert reopened(tmp_path / "search.journal", lines) == 2


@all_cases(("damage", "said"), DAMAGES)
def test_a_record_that_no_search_can_go_on_with_is_one_line(
    damage: Callable[[list[Line]], None], said: str, lines: list[Line], tmp_path: Path
) -> None:
    journal, damaged = tmp_path / "search.journal", json.loads(json.dumps(lines))
    damage(damaged)
    expected = rf"^damaged record of a search: {journal}: {said}.*Restore it from a copy"
    with pytest.raises(UserError, match=expected) as error:
        reopened(journal, damaged)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_database_is_checked_as_a_journal_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"

    def opened() -> Any:
        return open_search(tmp_path / "unused", url, name="search", contents=CONTENTS, place="here")

    with opened() as search:
        begun(search)
    with opened() as search:
        assert len(search.losses(1)) == 2
    engine = create_engine(url)
    with engine.begin() as database:
        database.execute(
            text("UPDATE trial_params SET param_value = 99 WHERE param_name = 'start'")
        )
    engine.dispose()
    expected = r"^damaged record of a search: sqlite:.*record\.db: trial 0: start=99\. .*--storage"
    with pytest.raises(UserError, match=expected), opened():
        pass
