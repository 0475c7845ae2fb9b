"""Sentences on versions and hardware: where runs began with others, and where one went on so.

There is one for each kind of difference, whatever the number of runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tidemask.report.comparability.differences import LONGEST_LIST, difference, listed
from tidemask.report.results.compared_run import ComparedRun
from tidemask.run_record import NUMERIC_PACKAGES, changes, in_place_of, machines_of

_KINDS = {
    "with other versions": NUMERIC_PACKAGES,
    "on another processor": ("processor",),
    "on another device": ("device",),
    "with another number of threads": ("threads",),
}
"""How a run may go on, and what differs then, as `changes` has it."""


def machine_differences(runs: Sequence[ComparedRun]) -> list[str]:
    """What differs in that the runs were trained with, a sentence for each kind.

    Returns:
        First where they began with others, arm by arm; then which went on with others.
    """

    def of(what: str, name: str) -> list[str]:
        return difference(what, [(run.arm, run.recorded(name)) for run in runs])

    return [
        *of("the device", "device"),
        *of("the processor", "processor"),
        *of("the number of threads", "threads"),
        *_versions(runs),
        *(sentence for kind in _KINDS for sentence in _continued(runs, kind)),
    ]


def _versions(runs: Sequence[ComparedRun]) -> list[str]:
    """A sentence with the packages alone whose versions are not the same in all runs."""
    versions = [(run.arm, machines_of(run.environment)[0].versions) for run in runs]
    names = dict.fromkeys(name for _, one in versions for name in one)
    unequal = [name for name in names if len({one.get(name) for _, one in versions if one}) > 1]
    return difference(
        "the set of versions",
        [
            (arm, ", ".join(f"{name} {one.get(name, 'unknown')}" for name in unequal))
            for arm, one in versions
            if one
        ],
    )


def _continued(runs: Sequence[ComparedRun], kind: str) -> list[str]:
    """Which runs went on with something else than before, if any did."""
    labels_of: dict[str, list[str]] = {}
    for run in runs:
        for before, after in pairwise(machines_of(run.environment).values()):
            found = [one for one in changes(before, after).items() if one[0] in _KINDS[kind]]
            if found:
                labels_of.setdefault(in_place_of(found), []).append(run.label)
    if not labels_of:
        return []
    named = "; ".join(
        f"{change} in {listed(labels, LONGEST_LIST)}" for change, labels in labels_of.items()
    )
    how_far = "" if kind == "on another device" else " in the last bits"
    return [
        f"Continued {kind}: {named}. Numbers of such a run may differ from those of an unbroken "
        f"one{how_far}."
    ]
