"""The line of a page of results that says with what its runs were trained."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.studies.kept_results import RECORDS, studies
from benchmarks.studies.results_pages import page_of
from benchmarks.studies.trained_with import trained_with, with_machines


@pytest.mark.parametrize("name", studies())
def test_what_the_runs_were_trained_with_is_that_of_each_environment(name: str) -> None:
    line = trained_with(RECORDS / name)
    paths = RECORDS.glob(f"{name}/runs/**/environment.json")
    found = [json.loads(path.read_text()) for path in paths]
    assert sum(int(number) for number in re.findall(r"(\d+) runs? ", line)) == len(found)
    for one in found:
        assert f"torch {one['versions']['torch']}, " in line
        assert (one.get("processor") or "with") in line
    page = page_of(name).read_text(encoding="utf-8")
    assert f"<!-- machines {name} -->" not in page or line in page
    assert with_machines(page) == page


def test_what_runs_went_on_with_is_in_the_line(tmp_path: Path) -> None:
    began = {"versions": {"torch": "2.11.0"}, "device": "cpu (x86_64)", "processor": "A"}
    later = {"step": 5, "versions": {"torch": "2.13.0"}, "device": "B", "processor": "A"}
    for seed, continued in enumerate(([], [later], [later])):
        run = tmp_path / "runs" / "bert" / f"seed-{seed}"
        run.mkdir(parents=True)
        (run / "environment.json").write_text(json.dumps({**began, "continued": continued}))
    assert trained_with(tmp_path) == (
        "3 runs on A with torch 2.11.0; 2 of them continued on A, B with torch 2.13.0."
    )
