"""One run of a comparison: its settings, its logged steps and its evaluation.

Everything in the report asks a `ComparedRun`; `read_runs` makes it from a run directory. What is
missing is NaN or `None`: a run may still be training, or may never have been evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.report.results.downstream import DownstreamResult, finite_number
from tidemask.run_record import (
    HELD_OUT_CELLS,
    MEAN_LOSS,
    UNIGRAM_CROSS_ENTROPY,
    UNIGRAM_ENTROPY,
    loss_of_band,
    loss_of_class,
    standard_error_of,
)
from tidemask.token_classes import UPOS

Series = NDArray[np.float64]
"""float64 `[num_logged_steps]`; NaN where nothing was logged."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A held-out evaluation: its checkpoint, its metrics (nats per token) and its settings.

    Without arguments it is that of a run which was never evaluated.
    """

    checkpoint: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def loss(self, name: str) -> float | None:
        """A mean loss by its name: `MEAN_LOSS`, that of a cell, or `OWN_LOSS`."""
        return finite_number(self.metrics.get(name))

    def class_loss(self, name: str, class_name: str) -> float | None:
        """The same on the tokens of one class; of `MEAN_LOSS` the mean over the cells."""
        return self._of_group(name, lambda loss: loss_of_class(loss, class_name))

    def band_loss(self, name: str, band: tuple[int, int]) -> float | None:
        """The same on the vocabulary entries of one of `FREQUENCY_BANDS`."""
        return self._of_group(name, lambda loss: loss_of_band(loss, band))

    def _of_group(self, name: str, of_group: Callable[[str], str]) -> float | None:
        if name != MEAN_LOSS:
            return self.loss(of_group(name))
        losses = [self.loss(of_group(cell.loss)) for cell in HELD_OUT_CELLS]
        known = [loss for loss in losses if loss is not None]
        return sum(known) / len(known) if len(known) == len(losses) else None

    def standard_error(self, name: str) -> float | None:
        """Standard error of a loss over the held-out sequences."""
        return finite_number(self.metrics.get(standard_error_of(name)))

    @property
    def unigram_cross_entropy(self) -> float | None:
        """Loss of the training split's token frequencies: of a model that uses no context."""
        return finite_number(self.metrics.get(UNIGRAM_CROSS_ENTROPY))

    @property
    def unigram_entropy(self) -> float | None:
        """Entropy of the held-out text's own token frequencies, which no model can know."""
        return finite_number(self.metrics.get(UNIGRAM_ENTROPY))

    @property
    def gain(self) -> float | None:
        """How far the mean loss is below the unigram cross-entropy; negative above it."""
        return difference(self.unigram_cross_entropy, self.loss(MEAN_LOSS))

    @property
    def classes(self) -> list[str]:
        """Classes with a loss of their own, in the usual order."""
        names = {name.rpartition("/")[2] for name in self.metrics if name.count("/") == 2}
        return in_usual_order(names)


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One run of a comparison.

    Attributes:
        label: what the run is called in every table and figure; unique in the comparison.
        arm: name of its arm, which all runs have that differ from it in their seed alone.
        policy: the name that the arm has on every corpus.
        index: place of its arm in the comparison, from 0; decides its colour.
        directory: where it was read from.
        config: its resolved settings, nested.
        environment: versions, device and corpus; empty if it was not recorded.
        records: its logged steps in order; at least one.
        held_out: the evaluation its scores are taken from.
        downstream: its results of downstream tasks, those of random weights among them.
        corpus: name of its corpus, where a study trains its arms on several.
        had_machine_alone: whether no other run of its study shared the machine; `None` where that
            is not known.
    """

    label: str
    arm: str
    policy: str
    index: int
    directory: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    held_out: HeldOut
    downstream: Sequence[DownstreamResult] = ()
    corpus: str | None = None
    had_machine_alone: bool | None = None

    def series(self, name: str) -> Series:
        """The metric `name` at every logged step."""
        values = (finite_number(record.get(name)) for record in self.records)
        return np.array([math.nan if value is None else value for value in values])

    def last(self, name: str) -> float | None:
        """The newest value of a metric; `None` if it was never logged."""
        values = self.series(name)
        known = values[~np.isnan(values)]
        return float(known[-1]) if known.size else None

    def mean_over_steps(self, name: str) -> float | None:
        """Mean of a metric over the optimizer steps: each window counts by its length."""
        values, lengths = self.series(name), self.window_steps
        known = ~np.isnan(values) & (lengths > 0)
        if not known.any():
            return None
        return float(np.average(values[known], weights=lengths[known]))

    def setting(self, path: str) -> Any:
        """The setting with a dotted path, of whatever type; `None` if the run has none."""
        return _at(self.config, path)

    @property
    def unigram_cross_entropy(self) -> float | None:
        """That of the evaluation, or of a measurement while the run goes on."""
        evaluated = self.held_out.unigram_cross_entropy
        return self.last(UNIGRAM_CROSS_ENTROPY) if evaluated is None else evaluated

    @property
    def steps(self) -> Series:
        """Completed optimizer steps at every logged step."""
        return self.series("step")

    @property
    def window_steps(self) -> Series:
        """Number of optimizer steps since the logged step before, for every logged step."""
        return np.diff(self.steps, prepend=0.0)

    @property
    def last_step(self) -> int:
        """The newest logged step."""
        return int(self.steps[-1])

    @property
    def seed(self) -> int:
        """That of weights, data order and dropout; 0 if the run does not record it."""
        seed = self.setting("training.seed")
        return seed if isinstance(seed, int) else 0

    @property
    def recipe(self) -> str:
        """Name of the recipe; the directory's name if the run does not record it."""
        return str(self.config.get("recipe") or self.directory.name)

    @property
    def max_steps(self) -> int | None:
        """Planned number of optimizer steps."""
        planned = finite_number(self.setting("training.max_steps"))
        return None if planned is None else int(planned)

    @property
    def is_finished(self) -> bool:
        """Whether the planned last step was logged."""
        return self.max_steps is not None and self.last_step >= self.max_steps

    @property
    def status(self) -> str:
        """`finished`, or the last logged step of the planned number."""
        if self.is_finished:
            return "finished"
        planned = "an unknown number" if self.max_steps is None else f"{self.max_steps:,}"
        return f"unfinished: step {self.last_step:,} of {planned}"

    @property
    def legend(self) -> str:
        """The label, marked where the run is not finished."""
        return self.label if self.is_finished else f"{self.label} ({self.status})"

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the corpus the run was trained on."""
        value = _at(self.environment, "corpus.fingerprint") or self.setting("corpus.fingerprint")
        return None if value is None else str(value)

    def recorded(self, name: str) -> str | None:
        """A fact of the environment as text; `None` if it was not recorded."""
        value = self.environment.get(name)
        if isinstance(value, Mapping):
            return ", ".join(f"{key} {text}" for key, text in sorted(value.items()))
        return None if value is None else str(value)

    @property
    def corpus_share(self) -> dict[str, float]:
        """Share of each class among the maskable training tokens; empty if not recorded."""
        shares = _at(self.environment, "corpus.class_share")
        if not isinstance(shares, Mapping):
            return {}
        known = {str(name): finite_number(value) for name, value in shares.items()}
        return {name: value for name, value in known.items() if value is not None}

    def classes(self, prefix: str) -> list[str]:
        """Classes with a metric `prefix + name` in any logged step, in the usual order."""
        names = {name for record in self.records for name in record if name.startswith(prefix)}
        return in_usual_order({name.removeprefix(prefix) for name in names})


def difference(value: float | None, other: float | None) -> float | None:
    """`value` less `other`; `None` if one is missing."""
    return None if value is None or other is None else value - other


def in_usual_order(names: Iterable[str], usual: Sequence[str] = UPOS) -> list[str]:
    """Names with those of `usual` first and in its order, the others by the alphabet."""
    places = {name: place for place, name in enumerate(usual)}
    return sorted(names, key=lambda name: (places.get(name, len(places)), name))


def _at(mapping: Mapping[str, Any], path: str) -> Any:
    value: Any = mapping
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
