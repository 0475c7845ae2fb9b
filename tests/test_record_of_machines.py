"""With what a run was trained, as `environment.json` keeps it while the run moves about."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tidemask.errors import UserError
from tidemask.run_record import (
    Machine,
    RunDirectory,
    changes,
    in_place_of,
    machines_of,
    with_machine,
    with_machines_of,
)

A = Machine(
    versions={"python": "3.11.7", "torch": "2.11.0", "numpy": "2.4.6"},
    device="cpu (x86_64)", processor="AMD EPYC 7B13", cores=2, threads=1,
)  # fmt: skip
B = replace(A, versions={**A.versions, "torch": "2.13.0"}, processor="Intel Xeon", threads=2)


def test_a_run_that_has_done_no_step_begins_with_what_it_is_begun_on() -> None:
    made = with_machine({"processes": 1}, A, 0)
    assert machines_of(made) == {0: A}
    assert machines_of(with_machine(with_machine(made, B, 10), B, 0)) == {0: B}
    assert with_machine(made, B, 0)["processes"] == 1


def test_a_run_on_one_machine_has_no_parts() -> None:
    environment = with_machine({}, A, 0)
    for step in (5, 5, 10):
        assert with_machine(environment, A, step) == environment


def test_parts_are_those_of_the_steps_that_count() -> None:
    """Steps that are lost with a checkpoint are trained again, so their part goes too."""
    environment = with_machine(with_machine({}, A, 0), B, 10)
    assert machines_of(environment) == {0: A, 10: B}
    assert machines_of(with_machine(environment, B, 20)) == {0: A, 10: B}
    assert machines_of(with_machine(environment, A, 20)) == {0: A, 10: B, 20: A}
    assert machines_of(with_machine(environment, A, 10)) == {0: A}
    assert machines_of(with_machine(environment, B, 5)) == {0: A, 5: B}


def test_a_run_of_an_earlier_version_learns_its_processor_without_a_change() -> None:
    old = {"versions": A.versions, "device": A.device, "threads": 1}
    parts = machines_of(with_machine(old, A, 10))
    assert parts == {0: replace(A, processor=None, cores=None), 10: A}
    assert changes(*parts.values()) == {}


def test_a_run_that_goes_on_from_another_has_the_parts_of_both() -> None:
    finished = with_machine(with_machine({"processes": 2}, A, 0), B, 10)
    longer = with_machines_of(with_machine({"processes": 1}, B, 0), finished)
    assert machines_of(longer) == {0: A, 10: B}
    assert longer["processes"] == 1
    assert with_machines_of({"device": "x"}, {}) == {"device": "x"}


def test_changes_are_of_what_can_change_numbers() -> None:
    assert changes(A, A) == {}
    quiet = replace(A, versions={**A.versions, "python": "3.14.0"}, cores=64)
    assert changes(A, quiet) == {}
    found = changes(A, B)
    assert found == {
        "torch": ("2.11.0", "2.13.0"),
        "processor": ("AMD EPYC 7B13", "Intel Xeon"),
        "threads": ("1", "2"),
    }
    assert in_place_of(found.items()) == (
        "torch 2.13.0 in place of 2.11.0, the processor Intel Xeon in place of AMD EPYC 7B13 and "
        "2 threads in place of 1"
    )
    assert in_place_of([("threads", ("2", "1"))]) == "1 thread in place of 2"


@pytest.mark.parametrize("value", [3, [3], [{"versions": {}}], [{"step": "5"}], {"step": 5}])
def test_parts_of_another_type_are_a_damaged_environment(value: object, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.environment.write_text(json.dumps({"versions": {}, "continued": value}))
    with pytest.raises(UserError, match="damaged environment: "):
        run.read_environment()
