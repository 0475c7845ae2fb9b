"""The charts of what was masked: shares of groups and of classes among the masked tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from tidemask.report.figures.chart import Chart, Panel
from tidemask.report.figures.class_curves import (
    CLASS_CHART,
    RARE_SHARE,
    Curves,
    class_legend,
    draw_classes,
    ends_of,
    highest_of,
)
from tidemask.report.figures.curves import draw_curve, draw_reference, from_zero, run_legend
from tidemask.report.figures.findings import at_the_end, extremes_in_words, ranked
from tidemask.report.figures.palette import AXIS, run_colour
from tidemask.report.results.compared_run import ComparedRun, Series
from tidemask.run_record import CLASS_SHARE, PREDICTED_TOKENS
from tidemask.token_classes import CONTENT_UPOS, UPOS

MAX_POINTS = 20
"""Points of a share curve: logged windows are pooled up to this number."""

_OTHER = frozenset({"PUNCT", "SYM", "X"})
_PARTS = {
    "Content words": CONTENT_UPOS,
    "Function words": frozenset(UPOS) - CONTENT_UPOS - _OTHER,
    "Punctuation, symbols, others": _OTHER,
}
"""The three groups of Universal Dependencies: open classes, closed classes, other."""


def group_share_chart(runs: Sequence[ComparedRun]) -> Chart:
    """Share of three groups of classes among the masked tokens, all runs together."""
    return Chart(
        name="class_share_groups",
        title="What was masked: groups of words",
        caption=(
            "Share of each group among the masked tokens that have a class. The dashed line is "
            "its share in the corpus, where uniform masking stays. Logged windows are pooled to "
            f"{MAX_POINTS} points per run at most, each counting by its masked tokens."
        ),
        panels=[
            Panel(
                title=title,
                x_label="step",
                y_label="share of the masked tokens",
                draw=partial(_draw_group, runs, group),
                alternative=_group_in_words(runs, title, group),
            )
            for title, group in _PARTS.items()
        ],
        legend=run_legend(runs),
    )


def _group_shares(run: ComparedRun, group: frozenset[str]) -> tuple[Series, Series] | None:
    """Steps, and the share of a group among the masked tokens there; `None` if not logged."""
    names = [name for name in run.classes(CLASS_SHARE) if name in group]
    if not names:
        return None
    steps, shares = pooled(run, [CLASS_SHARE + name for name in names])
    return steps, np.nansum(shares, axis=0)


def _shares_in_corpora(runs: Sequence[ComparedRun], group: frozenset[str]) -> list[float]:
    """The different shares of a group in the corpora of the runs, ascending."""
    known = [run.corpus_share for run in runs if run.corpus_share and _group_shares(run, group)]
    return sorted({round(sum(shares.get(name, 0.0) for name in group), 4) for shares in known})


def _group_in_words(runs: Sequence[ComparedRun], title: str, group: frozenset[str]) -> str:
    shares = {run.label: _group_shares(run, group) for run in runs}
    ends = at_the_end({name: found[1] for name, found in shares.items() if found is not None})
    if not ends:
        return title
    corpora = " and ".join(f"{share:.3f}" for share in _shares_in_corpora(runs, group))
    beside = f"; in the corpus {corpora}" if corpora else ""
    return f"{title}, share of the masked tokens at the end, {ranked(ends)}{beside}."


def _draw_group(runs: Sequence[ComparedRun], group: frozenset[str], axes: Axes) -> None:
    top = 0.0
    for run in runs:
        if (shares := _group_shares(run, group)) is not None:
            draw_curve(axes, run, *shares, marked=True)
            top = max(top, float(shares[1].max()))
    references = _shares_in_corpora(runs, group)
    for reference in references:
        draw_reference(axes, reference)
    from_zero(axes, max(run.last_step for run in runs))
    axes.set_ylim(0, max([top, *references]) * 1.1 or 1)


def relative_share_chart(runs: Sequence[ComparedRun]) -> Chart:
    """Share of each class among the masked, in multiples of its share in the corpus."""
    curves = [_relative_shares(run) for run in runs]
    top = 1.05 * max(2.0, *map(highest_of, curves))
    return Chart(
        name="class_share",
        title="What was masked: every class against its share in the corpus",
        caption=(
            "1 means masked as often as the class occurs; below 1, passed over; above, preferred. "
            f"Classes under {RARE_SHARE * 100:g} % of the corpus are left out here, for their "
            "curves are mostly noise; the CSV file has them all."
        ),
        panels=[
            Panel(
                title=run.label,
                x_label="step",
                y_label="times its share in the corpus",
                draw=partial(_draw_relative, run, shares, top),
                swatch=run_colour(run.index),
                missing=_why_no_shares(run),
                alternative=extremes_in_words(
                    run.label, "times the share in the corpus", ends_of(shares)
                ),
            )
            for run, shares in zip(runs, curves, strict=True)
        ],
        legend=class_legend(curves),
        **CLASS_CHART,
    )


def _relative_shares(run: ComparedRun) -> Curves:
    names = [n for n in run.classes(CLASS_SHARE) if run.corpus_share.get(n, 0.0) >= RARE_SHARE]
    steps, shares = pooled(run, [CLASS_SHARE + name for name in names])
    return {
        name: (steps, share / run.corpus_share[name])
        for name, share in zip(names, shares, strict=True)
    }


def _why_no_shares(run: ComparedRun) -> str | None:
    if not run.classes(CLASS_SHARE):
        return "No shares of classes were logged: the corpus has no classes."
    if not run.corpus_share:
        return "The run does not record how often each class occurs in its corpus."
    return None


def _draw_relative(run: ComparedRun, curves: Curves, top: float, axes: Axes) -> None:
    axes.axhline(1.0, color=AXIS.light, linewidth=1.2)
    draw_classes(axes, run, curves, top)


def pooled(run: ComparedRun, names: Sequence[str]) -> tuple[Series, Series]:
    """Means of share metrics over at most `MAX_POINTS` groups of neighbouring windows.

    A window counts by the tokens that were masked in it; where those were not logged, by its
    steps. Returns the last step of each group, and an array of metrics by groups.
    """
    weights = np.diff(run.series(PREDICTED_TOKENS), prepend=0.0)
    weights = run.window_steps if np.isnan(weights).any() else weights
    groups = np.array_split(np.arange(len(run.steps)), min(MAX_POINTS, len(run.steps)))
    steps = np.array([run.steps[group[-1]] for group in groups])
    table = np.array([run.series(name) for name in names]).reshape(len(names), len(run.steps))
    known = np.ma.masked_invalid(table)  # NaN is left out, and stays where nothing else is
    means = [np.ma.average(known[:, group], axis=1, weights=weights[group]) for group in groups]
    return steps, np.ma.stack(means, axis=1).filled(np.nan)
