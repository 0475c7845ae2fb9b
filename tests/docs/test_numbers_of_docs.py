"""Every number that a page of the documentation claims is recorded, with its source.

Pages or tables under `docs/benchmarks` are written by scripts. Tables and marked numbers of pages
under `docs/results` are compared with the records of the studies by `test_shipped_results.py`,
lines on machines by `test_trained_with.py`,
decimal numbers of the README with files of results by `test_numbers_of_readme.py`; every other
number of these pages is recorded, a count of layers, too.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import yaml

from claimed_numbers import Claim, claims, not_compared, numbers
from places import ROOT

RECORD: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (ROOT / "benchmarks" / "results" / "numbers-of-docs.yaml").read_text(encoding="utf-8")
)
README = "README.md"
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "studies" / README, ROOT / README]
    if "Written by `python benchmarks/" not in path.read_text(encoding="utf-8")
]
CHOSEN_PER_CENTS = {"5", "10", "15", "20", "30", "40", "80", "95", "100"}
"""Of the masking that is usual, of cells and of intervals: no page measured them."""

COMPUTED = [
    (page, entry) for page, entries in RECORD.items() for entry in entries if "computed" in entry
]


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _claims(page: str, text: str) -> list[Claim]:
    """The numbers of a page's text that have to be recorded."""
    if page == README:
        return [one for one in numbers(not_compared(text)) if "." not in one.number]
    if page.startswith("docs/results/"):
        return numbers(not_compared(text))
    return claims(not_compared(text) if page.startswith("docs/benchmarks/") else text)


def _spans(text: str, words: str) -> list[tuple[int, int]]:
    """Where words stand, however their lines are broken."""
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    return [found.span() for found in re.finditer(pattern, text)]


def _within(page: str, text: str, words: str) -> Iterator[Claim]:
    """The claims of a page that stand in words of it."""
    for start, end in _spans(text, words):
        yield from (claim for claim in _claims(page, text) if start <= claim.start < end)


def _loose(page: str, text: str, entries: list[dict[str, Any]]) -> list[Claim]:
    """The claims that no entry has."""
    recorded = [
        claim
        for entry in entries
        for words in entry["words"]
        for claim in _within(page, text, words)
    ]
    return [
        claim
        for claim in _claims(page, text)
        if claim not in recorded
        and not (claim.unit in ("%", "per cent") and claim.number in CHOSEN_PER_CENTS)
    ]


def _shows(number: str, value: float) -> bool:
    """Whether a number is a value, rounded as it is written, an integer to its last digit but 0."""
    written = Decimal(number.replace(",", "").replace("−", "-"))
    last = (written if "." in number else written.normalize()).as_tuple().exponent
    assert isinstance(last, int)
    return math.isclose(float(written), value, rel_tol=0, abs_tol=0.5001 * 10.0**last)


def _logged(study: str, arm: str, name: str) -> list[float]:
    """The values of a metric in all lines of the runs of an arm of a study."""
    runs = sorted((ROOT / "studies" / "results" / study / "runs" / arm).glob("*/metrics.jsonl"))
    lines = [json.loads(line) for run in runs for line in run.read_text("utf-8").splitlines()]
    return [line[name] for line in lines if name in line]


@pytest.mark.parametrize("page", PAGES)
def test_every_number_that_a_page_claims_is_recorded(page: str) -> None:
    loose = [
        f"{page}:{claim.line}: {claim.number} {claim.unit}".rstrip()
        for claim in _loose(page, _text(page), RECORD.get(page, []))
    ]
    assert loose == [], "add their words, and where they come from, to numbers-of-docs.yaml"


@pytest.mark.parametrize("page", RECORD)
def test_words_of_the_record_stand_on_their_page_once_and_hold_a_number(page: str) -> None:
    text = _text(page)
    for entry in RECORD[page]:
        for words in entry["words"]:
            assert len(_spans(text, words)) == 1, words
            assert re.search(r"\d", words) or "sha256" in entry, words


@pytest.mark.parametrize("page", RECORD)
def test_entries_of_the_record_say_where_their_numbers_come_from(page: str) -> None:
    assert page in PAGES
    for entry in RECORD[page]:
        (kind,) = entry.keys() - {"words", "record", "sha256"}
        if kind == "measured":
            assert entry[kind].keys() == {"by", "machine", "date", "revision"}
            assert isinstance(entry[kind]["date"], datetime.date)
            assert re.fullmatch(r"[0-9a-f]{7,12}", str(entry[kind]["revision"]))
            assert entry[kind]["by"]
            assert entry[kind]["machine"]
        else:
            assert kind in ("computed", "cited", "setting")
            assert entry[kind]
        for path in re.findall(r"\b(?:src|tests|benchmarks)/[\w/-]+(?:\.\w+)?", str(entry[kind])):
            assert (ROOT / path).exists(), path


def test_figures_at_the_top_of_the_docs_are_those_of_the_record() -> None:
    recorded = {
        found[1]: entry["sha256"]
        for entry in RECORD[README]
        for words in entry["words"]
        if "sha256" in entry and (found := re.search(r"\]\((.*)\)", words))
    }
    files = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "docs").glob("*.png")}
    assert recorded == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
    }


@pytest.mark.parametrize(("page", "entry"), COMPUTED, ids=lambda value: str(value)[:60])
def test_computed_numbers_of_the_record_are_those_of_the_page(
    page: str, entry: dict[str, Any]
) -> None:
    text = _text(page)
    found = [claim.number for words in entry["words"] for claim in _within(page, text, words)]
    names: dict[str, Any] = {**vars(math), "logged": _logged}
    if "record" in entry:
        record = json.loads(_text(entry["record"]))

        def row(**fields: str) -> dict[str, Any]:
            (only,) = (row for row in record["rows"] if fields.items() <= row.items())
            return dict(only)

        names |= {"record": record, "row": row}
    values = [float(eval(str(expression), names)) for expression in entry["computed"]]
    assert len(found) == len(values), found
    for number, value in zip(found, values, strict=True):
        assert _shows(number, value), (number, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It took 1.5 to 2 s, and 12,000 words a CPU second.", "1.5 2 12,000"),
        ("−0.0107 nats (95 % interval −0.022 to +0.00049; 3 seeds)", "−0.0107 95 −0.022 +0.00049"),
        ("7 min 44 s, in a table: | 3.25 | 4 |", "7 44 3.25"),
        ("they agree to 1e-4 nats, 0.9 and\n30 GB", "1e-4 0.9 30"),
        ("a BERT of 2 x 128, 16 rows, 30-fold, 3 seeds, in 2026", ""),
        ("arXiv 2208.10806, sections 6.2 and 6.4.1, Python 3.11 to 3.13, torch 2.13", ""),
        ("`3 s` and [a link](x-1.5.md)\n\n    4 s\n    5 s\n\n```\n6 s\n```\n<!-- 7 s -->8 s", "8"),
    ],
)
def test_claims_are_found_in_prose(text: str, expected: str) -> None:
    assert [claim.number for claim in claims(text)] == expected.split()


def test_numbers_of_pages_of_results_are_all_but_those_that_are_compared() -> None:
    text = (
        "# A run of 3\n\n0.2<!-- tidemask: a b c --> (−1<!-- tidemask: a b d --> %) of 600, "
        "2 x 128\n(ACL 2023)\n<!-- table a -->\n| 7 |\n<!-- end of table -->\nand 1.5 times\n"
    )
    found = [claim.number for claim in _claims("docs/results/any.md", text)]
    assert found == ["3", "600", "2", "128", "1.5"]
    assert [claim.number for claim in _claims(README, text)] == ["3", "600", "2", "128"]


def test_claims_say_where_they_stand() -> None:
    (claim,) = claims("# Speed\n\n```\n1.5\n```\nIt took\n2 s.\n")
    assert (claim.number, claim.unit, claim.line) == ("2", "s", 7)


def test_number_that_nothing_records_is_loose() -> None:
    text = "It masks 15 % in 3.5 s,\nthat is 7 % of\nthe 50 s of a step."
    entries = [{"words": ["that is 7 % of the 50 s"]}]
    assert [claim.number for claim in _loose("", text, entries)] == ["3.5"]
    assert [claim.number for claim in _loose("", text, [])] == ["3.5", "7", "50"]


@pytest.mark.parametrize(
    ("number", "value", "expected"),
    [
        ("50", 54.9, True), ("50", 55.1, False), ("0.50", 0.504, True), ("0.50", 0.506, False),
        ("−1,200", -1249.0, True), ("1.000", 1.0006, False), ("1e-4", 1.4e-4, True),
    ],
)  # fmt: skip
def test_numbers_are_compared_to_the_digits_that_are_written(
    number: str, value: float, expected: bool
) -> None:
    assert _shows(number, value) is expected
