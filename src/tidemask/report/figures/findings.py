"""What charts show, in sentences with numbers: the alternative for who cannot see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tidemask.report.results.arms import ComparedArm
from tidemask.report.results.compared_run import ComparedRun, Series
from tidemask.run_record import RATIO, REALISED_RATIO

MAX_NAMED = 8
"""Names in a sentence: of more, the first four and the last two are named."""


def ranked(values: Mapping[str, float], *, digits: int = 3, unit: str = "") -> str:
    """Names with their values, the lowest first.

    Example:
        >>> from tidemask.report.figures.findings import ranked
        >>> ranked({"bert": 3.5034, "decay": 3.4121}, unit="nats")
        'the lowest first: decay 3.412, bert 3.503 nats'
    """
    ordered = sorted(values.items(), key=lambda pair: pair[1])
    texts = [f"{name} {value:,.{digits}f}" for name, value in ordered]
    if len(texts) > MAX_NAMED:
        texts[4:-2] = [f"{len(texts) - 6} between them"]
    order = "the lowest first: " if len(texts) > 1 else ""
    return f"{order}{', '.join(texts)}{' ' if unit else ''}{unit}"


def at_the_end(curves: Mapping[str, Series]) -> dict[str, float]:
    """The last value of each curve that has any, by its name."""
    known = {name: values[~np.isnan(values)] for name, values in curves.items()}
    return {name: float(values[-1]) for name, values in known.items() if values.size}


def losses_in_words(
    title: str, runs: Sequence[ComparedRun], loss: str, references: Sequence[float]
) -> str:
    """Where the curves of a held-out loss end, and what the word frequencies alone give."""
    ends = at_the_end({run.label: run.series(loss) for run in runs})
    if not ends:
        return title
    alone = " and ".join(f"{line:.3f}" for line in references)
    beside = f" Word frequencies alone give {alone} nats." if alone else ""
    return f"{title}: at the end {ranked(ends, unit='nats per token')}.{beside}"


def seeds_of(arm: ComparedArm, loss: str) -> list[float]:
    """A final held-out loss of each seed that has it, nats per token."""
    losses = (run.held_out.loss(loss) for run in arm.drawn)
    return [one for one in losses if one is not None]


def final_in_words(arm: ComparedArm, loss: str) -> str:
    """The final held-out loss of an arm, with the range of its seeds or its standard error."""
    mean = arm.mean.held_out.loss(loss)
    if mean is None:
        return "not evaluated"
    seeds = seeds_of(arm, loss)
    if len(seeds) > 1:
        return f"{mean:.3f} nats, {len(seeds)} seeds from {min(seeds):.3f} to {max(seeds):.3f}"
    error = arm.mean.held_out.standard_error(loss)
    return f"{mean:.3f} nats" + ("" if error is None else f" ± {error:.3f}")


def ratio_in_words(run: ComparedRun) -> str:
    """From where to where a masking ratio goes, and how far what was masked is from it."""
    scheduled = run.series(RATIO)
    known = np.flatnonzero(~np.isnan(scheduled))
    if not known.size:
        return run.label
    places = [
        f"{scheduled[place]:.3f} at step {run.steps[place]:,.0f}" for place in (known[0], known[-1])
    ]
    mean, realised = run.mean_over_steps(RATIO), run.mean_over_steps(REALISED_RATIO)
    words = f"{run.label}: the scheduled masking ratio goes from {' to '.join(places)}"
    if mean is None or realised is None:
        return f"{words}."
    return f"{words}; its mean is {mean:.3f}, that of the realised ratio {realised:.3f}."


def extremes_in_words(label: str, what: str, ends: Mapping[str, float]) -> str:
    """The classes with the highest and the lowest values at the end of a run."""
    if not ends:
        return label
    ordered = sorted(ends.items(), key=lambda pair: -pair[1])
    texts = [f"{name} {value:.2f}" for name, value in ordered]
    if len(texts) <= MAX_NAMED:
        return f"{label}: {what} at the end, the highest first: {', '.join(texts)}."
    return (
        f"{label}: {what} at the end is highest for {', '.join(texts[:3])}, and lowest for "
        f"{', '.join(texts[-3:])}; {len(texts) - 6} classes lie between."
    )
