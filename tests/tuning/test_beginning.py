"""How a search begins, and begins again: its directory, its place in a storage, its time plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tidemask.errors import UserError
from tidemask.runs.config import load_recipe
from tidemask.training.settings import TrainingSettings
from tidemask.training.signals import StopRequest
from tidemask.tuning import tune
from tidemask.tuning.asked import AskedSearch, asked_search
from tidemask.tuning.clock import TimedRequest
from tidemask.tuning.definition import (
    TuneDefinition,
    TuneDirectory,
    check_place,
    read_plan,
    write_definition,
)
from tidemask.tuning.fingerprint import fingerprint_of
from tidemask.tuning.place import own_place
from tidemask.tuning.policy_runs import settings_in_final, settings_in_rung
from tidemask.tuning.search import PolicySearch, open_search
from tidemask.tuning.time_plan import RunCosts, TimePlan

FAST = RunCosts(step_seconds=0.1, other_seconds=5.0, final_seconds=5.0)
SLOW = dataclasses.replace(FAST, step_seconds=0.2)
ASKED = TuneDefinition(
    corpus="corpus", corpus_fingerprint="0123456789abcdef", recipe="bert", recipe_fingerprint="f"
)


@contextmanager
def searching(root: Path, asked: AskedSearch) -> Iterator[PolicySearch]:
    root.mkdir(exist_ok=True)
    directory = TuneDirectory(root)
    with open_search(
        directory.journal, asked.storage, name=asked.definition.name, contents=asked.contents,
        place=own_place(directory),
    ) as search:  # fmt: skip
        yield search


def divided(root: Path, search: PolicySearch, asked: AskedSearch) -> TimePlan:
    request = TimedRequest(StopRequest(), lambda: False)
    return tune._time_plan(TuneDirectory(root), search, asked, request, 1)


@pytest.mark.slow
def test_two_commands_that_begin_together_have_one_plan(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    asked = asked_search(corpus, 1.0, "bert", (), 2, 1, url)
    here, there = tmp_path / "here", tmp_path / "there"
    with searching(here, asked) as first, searching(there, asked) as second:

        def measured(*_: object, **__: object) -> RunCosts:
            monkeypatch.setattr(tune, "measured_costs", lambda *_, **__: FAST)
            divided(there, second, asked)  # while the first one measures
            return SLOW

        monkeypatch.setattr(tune, "measured_costs", measured)
        plan = divided(here, first, asked)
        assert plan.costs == FAST
        assert read_plan(TuneDirectory(here)) == read_plan(TuneDirectory(there)) == plan
        assert divided(here, first, asked) == plan


def test_a_record_that_is_lost_or_another_is_refused(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "measured_costs", lambda *_, **__: FAST)
    asked = asked_search(corpus, 1.0, "bert", (), 2, 1, None)
    for name, budget in (("one", 1.0), ("two", 2.0)):
        of_budget = asked_search(corpus, budget, "bert", (), 2, 1, None)
        with searching(tmp_path / name, of_budget) as search:
            assert divided(tmp_path / name, search, of_budget).budget == 3600 * budget
    journals = [tmp_path / name / "search.journal" for name in ("one", "two")]
    journals[0].write_bytes(journals[1].read_bytes())
    with searching(tmp_path / "one", asked) as search:
        expected = r"^record of the search is of another search: .*plan\.json .* as --out"
        with pytest.raises(UserError, match=expected):
            divided(tmp_path / "one", search, asked)
    journals[0].unlink()
    lost = pytest.raises(UserError, match=r"^record of the search is lost: ")
    with searching(tmp_path / "one", asked) as search, lost:
        divided(tmp_path / "one", search, asked)


def test_a_directory_keeps_its_place_when_it_is_moved_and_no_other_has_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = (own_place(TuneDirectory(tmp_path / name)) for name in ("one", "two"))
    assert first != second
    (tmp_path / "one").rename(tmp_path / "moved")
    assert own_place(TuneDirectory(tmp_path / "moved")) == first
    (tmp_path / "moved" / "place.json").write_text("{}")
    with pytest.raises(UserError, match=r"place\.json"):
        own_place(TuneDirectory(tmp_path / "moved"))


def test_a_beginning_that_found_no_room_can_begin_again(tmp_path: Path) -> None:
    directory = TuneDirectory(tmp_path / "out")
    check_place(directory, ASKED)
    directory.root.mkdir()
    for path in (directory.lock, directory.time, directory.place):
        path.touch()
    check_place(directory, ASKED)
    (directory.root / "notes.txt").touch()
    with pytest.raises(UserError, match=r"^not a search: "):
        check_place(directory, ASKED)


def test_rungs_and_final_have_a_half_of_the_text_each_where_there_is_enough(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for least, is_split in ((1, True), (10_000, False)):
        monkeypatch.setattr("tidemask.tuning.definition.MIN_SPLIT", least)
        definition = asked_search(corpus, 1.0, "bert", (), 2, 1, None).definition
        assert definition.is_split == is_split
        parts = [
            load_recipe("bert", settings(90, is_split=is_split)).evaluation.part
            for settings in (settings_in_rung, settings_in_final)
        ]
        assert parts == (["even", "odd"] if is_split else ["all", "all"])


def test_a_search_of_an_earlier_version_goes_on_as_it_was_begun(tmp_path: Path) -> None:
    directory = TuneDirectory(tmp_path)
    write_definition(directory, ASKED)
    before = yaml.safe_load(directory.definition.read_text())
    del before["is_split"]
    directory.definition.write_text(yaml.safe_dump(before))
    asked = dataclasses.replace(ASKED, is_split=True)
    assert check_place(directory, asked) == ASKED
    assert ASKED.name != asked.name, "in a database they are two searches"


def test_another_recipe_is_refused_with_its_possible_causes(tmp_path: Path) -> None:
    directory = TuneDirectory(tmp_path)
    write_definition(directory, ASKED)
    with pytest.raises(UserError, match=r"another search: recipe_fingerprint.* another version"):
        check_place(directory, dataclasses.replace(ASKED, recipe_fingerprint="g"))


def test_a_fingerprint_is_of_what_differs_from_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipes = [
        load_recipe("bert"),
        load_recipe("mrd-cosine"),
        load_recipe("bert", ["training.max_steps=7"]),
        load_recipe("bert", ["masking.ratio.schedule=cosine"]),
        load_recipe("bert", ["model.size=bert-mini"]),
    ]
    found = [fingerprint_of(recipe) for recipe in recipes]
    assert len(set(found)) == len(recipes)
    fields = dataclasses.fields

    def later(kind: type) -> tuple[dataclasses.Field[object], ...]:
        """The fields that a later version has: one more."""
        added: dataclasses.Field[object] = dataclasses.field(default=5)
        added.name = "of_a_later_version"
        return (*fields(kind), added) if isinstance(kind, TrainingSettings) else fields(kind)

    monkeypatch.setattr(TrainingSettings, "of_a_later_version", 5, raising=False)
    monkeypatch.setattr("tidemask.tuning.fingerprint.dataclasses.fields", later)
    assert [fingerprint_of(recipe) for recipe in recipes] == found
