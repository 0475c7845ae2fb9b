"""Which runs are one arm, and what arms and runs are called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.terms import policy_of


def in_arms(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """The runs with the names of their arms, their labels and places; arm by arm.

    A study names the policies of its runs. Of all others, runs whose settings and corpus differ in
    the seed alone are one arm, which is called as its recipe. A run that is like another, its seed
    included, is an arm of its own, since nothing can be paired with both.
    """
    arms: dict[Hashable, list[ComparedRun]] = {}
    for run in runs:
        key = run.policy, policy_of(run)
        copy = 0
        while any(one.seed == run.seed for one in arms.get((key, run.fingerprint, copy), ())):
            copy += 1
        arms.setdefault((key, run.fingerprint, copy), []).append(run)
    members = list(arms.values())
    policies = _policies(members)
    named = []
    for index, (found, policy, arm) in enumerate(
        zip(members, policies, _on_corpora(members, policies), strict=True)
    ):
        for run in sorted(found, key=lambda one: one.seed):
            label = arm if len(found) == 1 else f"{arm}, seed {run.seed}"
            named.append(replace(run, label=label, arm=arm, policy=policy, index=index))
    return named


def _policies(members: Sequence[Sequence[ComparedRun]]) -> list[str]:
    """Names of the policies: those of the study, else the recipes, and where to find them."""
    names = [found[0].policy or found[0].recipe for found in members]
    keys = [(name, found[0].fingerprint) for name, found in zip(names, members, strict=True)]
    same = [place for place, key in enumerate(keys) if Counter(keys)[key] > 1]
    ends = distinct_ends([_place(members[place]) for place in same])
    for place, end in zip(same, ends, strict=True):
        names[place] = f"{names[place]} ({end})"
    return names


def _place(runs: Sequence[ComparedRun]) -> Path:
    """The directory of a run, or the one that several runs have to themselves."""
    paths = [run.directory.resolve() for run in runs]
    return paths[0] if len(paths) == 1 else Path(os.path.commonpath(paths))


def _on_corpora(members: Sequence[Sequence[ComparedRun]], policies: Sequence[str]) -> list[str]:
    """Names of the arms: a policy on several corpora is named with the corpus."""
    corpora = {found[0].fingerprint: _corpus(found[0]) for found in members}
    ends = dict(zip(corpora, distinct_ends(list(corpora.values())), strict=True))
    several = Counter(policies)
    return [
        f"{policy} on {ends[found[0].fingerprint]}" if several[policy] > 1 else policy
        for policy, found in zip(policies, members, strict=True)
    ]


def _corpus(run: ComparedRun) -> Path:
    """What a corpus is called: by its study, else where it lies."""
    return Path(str(run.corpus or run.setting("corpus.path") or "another corpus"))


def distinct_ends(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of some paths, of one length in parts, that are all different."""
    parts = [path.parts for path in paths]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = [str(Path(*part[-depth:])) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{path.name} {number}" for number, path in enumerate(paths, start=1)]
