"""Pages of benchmarks whose words are written by hand: their tables are those of the results."""

from __future__ import annotations

import datetime
import re

import pytest

from benchmarks import tables_of_pages
from benchmarks.tables_of_pages import LAYOUTS, filled, page_of, results_of

NAMES = pytest.mark.parametrize("name", LAYOUTS)


def _page(name: str) -> str:
    return page_of(name).read_text(encoding="utf-8")


@NAMES
def test_tables_of_a_page_are_those_of_its_results(name: str) -> None:
    assert filled(name, _page(name)) == _page(name)


@NAMES
def test_tables_of_a_page_are_all_made_of_its_results(name: str) -> None:
    text = _page(name)
    assert re.findall(r"<!-- table ([\w-]+) -->", text) == list(LAYOUTS[name])
    assert LAYOUTS[name].keys() == results_of(name)["tables"].keys()
    loose = re.sub(r"<!-- table .*?<!-- end of table -->", "", text, flags=re.DOTALL)
    assert re.findall(r"^\|.*", loose, flags=re.MULTILINE) == []


@NAMES
def test_tables_that_were_edited_by_hand_are_found(name: str) -> None:
    text = _page(name)
    without = re.sub(r"(\|--.*\n)\|.*\n", r"\1", text, count=1)
    assert without != text
    assert filled(name, without) == text


@NAMES
def test_results_of_a_page_say_where_when_and_how_they_were_measured(name: str) -> None:
    found = results_of(name)
    text = re.sub(r"\s+", " ", _page(name))
    assert datetime.date.fromisoformat(found["date"]).isoformat() in text
    assert f"{found['cores']} cores" in text
    for library, version in found["versions"].items():
        assert f"{library} {version}" in text
    for table in found["tables"].values():
        assert table["command"] in text.replace("\\ ", "")
        assert table.get("revision", "") in text


def test_held_out_differences_are_those_of_the_losses() -> None:
    """To the digits that are written: three numbers, each rounded to the fourth."""
    for table in results_of("held-out")["tables"].values():
        for row in table["rows"]:
            assert row["difference"] == pytest.approx(row["here"] - row["recorded"], abs=1.6e-4)
            assert (row["z"] > 0) == (row["difference"] > 0)


def test_counts_of_reliability_are_of_all_trials() -> None:
    text = re.sub(r"\s+", " ", _page("reliability"))
    tables = results_of("reliability")["tables"]
    (kills,) = tables["kills"]["rows"]
    assert f"--kills {sum(kills.values())} " in text
    trials = {row["verdict"]: row["trials"] for row in tables["verdicts"]["rows"]}
    assert f"{sum(trials.values()):,} trials" in text
    faults = trials["traceback"] + trials["silently wrong"]
    kinds = sum(row["trials"] for row in tables["kinds"]["rows"])
    assert f"Of the {faults} faults, {faults - kinds} were no faults" in text
    assert f"The other {kinds} were" in text


def test_rates_of_annotating_are_those_of_its_seconds() -> None:
    """To 1 %: the seconds are written to the hundredth."""
    found = results_of("annotating")
    assert f"{found['num_tokens']:,} tokens" in _page("annotating")
    for row in found["tables"]["sources"]["rows"]:
        rate = found["num_tokens"] / row["values_seconds"]
        assert row["tokens_per_second"] == pytest.approx(rate, rel=0.01)


def test_every_page_of_benchmarks_is_made_of_results() -> None:
    for path in page_of("any").parent.glob("*.md"):
        made = "Written by `python benchmarks/" in path.read_text(encoding="utf-8")
        assert made or path.stem in tables_of_pages.LAYOUTS, path
