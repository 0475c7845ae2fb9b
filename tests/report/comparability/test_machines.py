"""Remarks on versions and hardware: one for each kind of difference, for any number of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synthetic_runs import VERSIONS, MakeRun, read_runs
from tidemask.report.comparability.run_warnings import warnings_for
from tidemask.report.page import terms_statement

NEWER = {**VERSIONS, "torch": "2.14.0", "python": "3.14.0"}


def recorded(run: Path, **values: Any) -> Path:
    path = run / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return run


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"processor": "B"}, "the processor differs: A in bert; B in ptw."),
        ({"device": "GPU"}, "the device differs: cpu in bert; GPU in ptw."),
        ({"threads": 2}, "the number of threads differs: 1 in bert; 2 in ptw."),
        (
            {"versions": NEWER},
            "the set of versions differs: python 3.11.9, torch 2.13.0 in bert; python 3.14.0, "
            "torch 2.14.0 in ptw.",
        ),
    ],
)
def test_arms_that_were_trained_with_something_else_are_named(
    make_run: MakeRun, values: dict[str, Any], named: str
) -> None:
    usual: dict[str, Any] = {"processor": "A", "threads": 1}
    one = recorded(make_run("one"), **usual)
    two = recorded(make_run("two", recipe="ptw"), **{**usual, **values})
    assert warnings_for(read_runs([one, two])) == [f"Not on equal terms: {named}"]


def test_seeds_of_an_arm_that_were_trained_elsewhere_are_one_remark(make_run: MakeRun) -> None:
    runs = [
        recorded(make_run(f"{recipe}-{seed}", recipe=recipe, seed=seed), processor=f"CPU {seed}")
        for recipe in ("bert", "ptw")
        for seed in (1, 2)
    ]
    assert warnings_for(read_runs(runs)) == [
        "Not on equal terms: the processor differs: CPU 1 in bert and ptw; CPU 2 in bert and ptw."
    ]


def test_what_is_not_recorded_is_not_a_difference(make_run: MakeRun) -> None:
    known = recorded(make_run("one"), processor="A", cores=2, threads=1)
    unknown = make_run("two", recipe="ptw")
    assert warnings_for(read_runs([known, unknown])) == []


def test_runs_that_went_on_elsewhere_are_one_remark_of_each_kind(make_run: MakeRun) -> None:
    later = {"step": 50, "versions": NEWER, "device": "cpu", "processor": "B", "threads": 1}
    runs = [
        recorded(make_run(f"{recipe}-{seed}", recipe=recipe, seed=seed), processor="A", threads=1,
                 continued=[later] if seed > 1 else [])
        for recipe in ("bert", "ptw")
        for seed in range(1, 6)
    ]  # fmt: skip
    found = read_runs(runs)
    first = "bert, seed 2, bert, seed 3, bert, seed 4, bert, seed 5, ptw, seed 2 and 3 more"
    assert warnings_for(found) == [
        f"Continued with other versions: torch 2.14.0 in place of 2.13.0 in {first}. Numbers of "
        "such a run may differ from those of an unbroken one in the last bits.",
        f"Continued on another processor: the processor B in place of A in {first}. Numbers of "
        "such a run may differ from those of an unbroken one in the last bits.",
    ]
    assert "not on equal terms" in terms_statement(found)


def test_one_run_that_went_on_with_a_gpu_says_more_than_the_last_bits(make_run: MakeRun) -> None:
    later = {"step": 50, "versions": VERSIONS, "device": "GPU"}
    (remark,) = warnings_for(read_runs([recorded(make_run("one"), continued=[later])]))
    assert remark == (
        "Continued on another device: the device GPU in place of cpu in bert. Numbers of such a "
        "run may differ from those of an unbroken one."
    )
