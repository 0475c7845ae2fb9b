"""Whether arms that were to spend alike did, by what their runs have recorded."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tidemask.report.results.compared_run import ComparedRun
from tidemask.run_record import FLOPS, PREDICTED_TOKENS
from tidemask.studies.definition import StudyDefinition

_RECORDED = {
    "predicted_tokens": (PREDICTED_TOKENS, "predicted tokens"),
    "flops": (FLOPS, "FLOPs"),
}
_TOLERATED = 0.02
"""Of the baseline's, beside a step; draws of masks make less of a difference."""


def unequal_spending(runs: Sequence[ComparedRun], study: StudyDefinition) -> list[str]:
    """A sentence for each arm whose finished runs did not spend what those of the baseline did.

    Steps are planned from ratios. A policy that masks fewer tokens, as where too few have a weight
    above 0, then spends less.

    Args:
        runs: of the study.
        study: whose `equal` says what was to be alike.
    """
    if study.equal not in _RECORDED:
        return []
    name, words = _RECORDED[study.equal]
    spent: dict[tuple[str | None, str], list[ComparedRun]] = {}
    for run in runs:
        if run.is_finished and run.last(name):
            spent.setdefault((run.corpus, run.arm), []).append(run)
    sentences = []
    for (corpus, arm), of_arm in spent.items():
        baseline = spent.get((corpus, study.baseline))
        if baseline is None or arm == study.baseline:
            continue
        mean, expected = (fmean(run.last(name) or 0.0 for run in one) for one in (of_arm, baseline))
        num_steps = min(run.last_step for run in of_arm)
        if abs(mean / expected - 1.0) > _TOLERATED + 1.0 / max(1, num_steps):
            sentences.append(
                f"Not on equal terms: equal={study.equal}, and a run of {arm} has {mean:,.0f} "
                f"{words}, one of {study.baseline} {expected:,.0f}. Steps are planned from ratios, "
                "which masks may not reach, as where too few tokens have a weight above 0. Read "
                f"the curves by {words}, not their ends."
            )
    return sentences
