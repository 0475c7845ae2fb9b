"""What each figure of the policies shows, read from its runs: numbers by panel and name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from benchmarks.policies.masked_rows import (
    SCORED_ROWS,
    MaskedRows,
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
"""Nats: the logarithm of 2,048 entries is 7.6."""


def series_of(work: Path, figures: Iterable[str]) -> dict[str, list[Panel]]:
    """The panels of figures, of the runs in `work`."""

    def run(name: str) -> ComparedRun:
        return read_run(RunSource(directory=work / name))

    def metric(names: Sequence[str], of: str, *, scale: float = 1.0) -> Panel:
        return _metric({name: run(name) for name in names}, of, scale=scale)

    panels: dict[str, Callable[[], list[Panel]]] = {
        "ratio": lambda: [
            metric(("decay", "matched"), RATIO, scale=100.0),
            metric(("decay", "matched"), MEAN_LOSS),
        ],
        "class-loss": lambda: [_classes(run("ptw"), of) for of in (CLASS_LOSS, CLASS_WEIGHT)],
        "statistics": lambda: [
            _classes(run(name), CLASS_WEIGHT) for name in ("learnability", "progress")
        ],
        "mixture": lambda: [_shares(run("mixture")), _class_chances(run("mixture"))],
        "columns": lambda: _column_chances(work / "columns"),
        "phases": lambda: [_lengths(run("phases")), metric(("phases",), MEAN_LOSS)],
        "reference": lambda: _entropies_of_column(work / "reference"),
        "scored": lambda: _entropies_of_model(work / "scored"),
        "bandit": lambda: _arms(run("bandit")),
    }
    return {figure: panels[figure]() for figure in figures}


def _curve(x: Iterable[float], y: Iterable[float]) -> list[list[float]]:
    """The points of a curve that are known, with four digits."""
    points = [(float(a), float(f"{b:.4g}")) for a, b in zip(x, y, strict=True) if not math.isnan(b)]
    return [list(values) for values in zip(*points, strict=True)] if points else [[], []]


def _metric(runs: Mapping[str, ComparedRun], metric: str, *, scale: float) -> Panel:
    return {name: _curve(run.steps, scale * run.series(metric)) for name, run in runs.items()}


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


def _entropies_of_column(run: Path) -> list[Panel]:
    found = mask_rows(run)
    return _entropies(found, found.batch.columns["entropy"])


def _entropies_of_model(run: Path) -> list[Panel]:
    found = mask_rows(run, rows=SCORED_ROWS, score=entropy_of(run))
    assert found.scores is not None
    return _entropies(found, found.scores)


def _entropies(found: MaskedRows, entropies: Tensor) -> list[Panel]:
    """Entropies of all and of the masked positions, per cent, and how often each is masked."""
    histograms: Panel = {}
    for name, where in (("all positions", found.batch.maskable), ("masked", found.selected)):
        counts, _ = np.histogram(entropies[where].numpy(), bins=ENTROPY_BINS)
        histograms[name] = _curve(ENTROPY_BINS[:-1] + 0.25, 100 * counts / counts.sum())
    return [histograms, _bars(_named_fifths(chances_by_fifth(found, entropies)))]


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
