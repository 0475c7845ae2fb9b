"""What each figure of the policies shows, read from its runs: numbers by panel and name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.policies.masked_rows import (
    SCORED_ROWS,
    chances_by_class,
    chances_by_fifth,
    entropy_of,
    mask_rows,
    mean_length,
)
from tidemask.masking.mixture import ByMixture
from tidemask.masking.ratio_bandit import Bandit
from tidemask.report.figures.class_shares import pooled
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.read_runs import read_run
from tidemask.report.results.sources import RunSource
from tidemask.run_record import (
    ARM_PROBABILITY,
    CLASS_LOSS,
    CLASS_SHARE,
    CLASS_WEIGHT,
    MEAN_LOSS,
    RATIO,
    RunDirectory,
)
from tidemask.runs.config import read_run_config

Panel = dict[str, list[list[float]]]
"""By name of a curve, its horizontal and its vertical values; of bars, their places and heights."""

CLASSES = ("NOUN", "PROPN", "VERB", "DET", "ADP", "PUNCT")
"""Parts of speech that are drawn, content words first."""

ENTROPY_BINS = np.arange(0.0, 8.51, 0.5)
"""Nats: the logarithm of 4,096 entries is 8.3."""


def all_series(work: Path) -> dict[str, list[Panel]]:
    """The panels of each figure, of the runs in `work`."""
    runs = {path.name: read_run(RunSource(directory=path)) for path in _runs_in(work)}
    return {
        "ratio": [
            _metric(runs, ("decay", "matched"), RATIO, scale=100.0),
            _metric(runs, ("decay", "matched"), MEAN_LOSS),
        ],
        "class-loss": [_classes(runs["ptw"], CLASS_LOSS), _classes(runs["ptw"], CLASS_WEIGHT)],
        "statistics": [_classes(runs[n], CLASS_WEIGHT) for n in ("learnability", "progress")],
        "mixture": [_shares(runs["mixture"]), _class_chances(runs["mixture"])],
        "columns": _column_chances(work / "columns"),
        "phases": [_lengths(runs["phases"]), _metric(runs, ("phases",), MEAN_LOSS)],
        "scored": _scores(work / "scored"),
        "bandit": _arms(runs["bandit"]),
    }


def _runs_in(work: Path) -> Iterable[Path]:
    return (path for path in work.iterdir() if RunDirectory(path).config.is_file())


def _curve(x: Iterable[float], y: Iterable[float]) -> list[list[float]]:
    """The points of a curve that are known, with four digits."""
    points = [(float(a), float(f"{b:.4g}")) for a, b in zip(x, y, strict=True) if not math.isnan(b)]
    return [list(values) for values in zip(*points, strict=True)] if points else [[], []]


def _metric(
    runs: dict[str, ComparedRun], names: Iterable[str], metric: str, *, scale: float = 1.0
) -> Panel:
    return {name: _curve(runs[name].steps, scale * runs[name].series(metric)) for name in names}


def _classes(run: ComparedRun, prefix: str) -> Panel:
    return {name: _curve(run.steps[::2], run.series(prefix + name)[::2]) for name in CLASSES}


def _shares(run: ComparedRun) -> Panel:
    """Shares of the parts of a mixture over the run, per cent."""
    content = read_run_config(RunDirectory(run.directory).config).masking.content
    assert isinstance(content, ByMixture)
    steps = np.linspace(0.0, run.last_step, 11)
    found = {}
    for part, name in zip(content.parts, ("any word", "by class loss"), strict=True):
        assert not isinstance(part.share, float)
        found[name] = _curve(steps, [100 * part.share(step / run.last_step) for step in steps])
    return found


def _class_chances(run: ComparedRun) -> Panel:
    """How often a token of a class is masked, per cent."""
    found = {}
    for name in CLASSES:
        steps, (shares,) = pooled(run, [CLASS_SHARE + name])
        ratio = 100 * float(np.mean(run.series(RATIO)))
        found[name] = _curve(steps, ratio * shares / run.corpus_share[name])
    return found


def _column_chances(run: Path) -> list[Panel]:
    by_class = chances_by_class(run, "terms")
    found = mask_rows(run)
    fifths = chances_by_fifth(found, found.batch.columns["tfidf"])
    return [_bars(by_class), _bars(_named_fifths(fifths))]


def _lengths(run: ComparedRun) -> Panel:
    """Mean number of masked tokens side by side over the run."""
    steps = np.linspace(0, run.last_step - 1, 31).astype(int)
    masks = (mask_rows(run.directory, rows=SCORED_ROWS, step=int(step)) for step in steps)
    return {"phases": _curve(steps, map(mean_length, masks))}


def _scores(run: Path) -> list[Panel]:
    """Entropies of all and of the masked positions, per cent, and how often each is masked."""
    found = mask_rows(run, rows=SCORED_ROWS, score=entropy_of(run))
    assert found.scores is not None
    histograms: Panel = {}
    for name, where in (("all positions", found.batch.maskable), ("masked", found.selected)):
        counts, _ = np.histogram(found.scores[where].numpy(), bins=ENTROPY_BINS)
        histograms[name] = _curve(ENTROPY_BINS[:-1] + 0.25, 100 * counts / counts.sum())
    return [histograms, _bars(_named_fifths(chances_by_fifth(found, found.scores)))]


def _named_fifths(heights: list[float]) -> dict[str, float]:
    names = ("lowest fifth", "second", "third", "fourth", "highest fifth")
    return dict(zip(names, heights, strict=True))


def _bars(heights: dict[str, float]) -> Panel:
    return {name: _curve([place], [height]) for place, (name, height) in enumerate(heights.items())}


def _arms(run: ComparedRun) -> list[Panel]:
    """Probability of each ratio of the grid and the ratio that was chosen, per cent, by block."""
    config = read_run_config(RunDirectory(run.directory).config)
    bandit = config.masking.ratio
    assert isinstance(bandit, Bandit)
    last = run.steps % bandit.steps_of_block(config.training.num_steps) == 0
    chances = {
        f"{100 * ratio:g} %": _curve(
            run.steps[last], 100 * run.series(f"{ARM_PROBABILITY}{ratio:g}")[last]
        )
        for ratio in bandit.ratios
    }
    return [chances, {"bandit": _curve(run.steps[last], 100 * run.series(RATIO)[last])}]
