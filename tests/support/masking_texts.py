"""What the tests of masking share: policies by name, and batches made of words.

The references here are written from the cards in docs/methods, as loops.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import torch
from scipy import optimize

from tidemask.masking.batch import Batch
from tidemask.masking.learned_weighting import ByClassStatistic, ByModelScore
from tidemask.masking.map_settings import PowerMap
from tidemask.masking.masker import Masker
from tidemask.masking.noise import Purpose, StepKey, Streams
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Constant
from tidemask.masking.spans import Grouped, SpanLengths
from tidemask.masking.vocabulary import Vocabulary
from tidemask.masking.weighting import (
    ByClassLoss,
    ByColumn,
    ByFrequency,
    ByFunction,
    ByTable,
    Uniform,
)
from tidemask.token_classes import NO_CLASS, NO_GROUP, TokenColumn

NAMES = ("DET", "NOUN", "SYM")
CLASSES = [0, 1, 2, NO_CLASS]
LOSSES = torch.tensor([0.5, 2.5, math.nan])
HIGH = 1 / (1 + math.exp(-math.sqrt(2)))
WEIGHTS = np.array([1 - HIGH, HIGH, 0.5, 0.5])
"""Two seen classes stand one over root two sample deviations from their mean; beta is 2."""
VOCABULARY = Vocabulary.of(50, 4, range(5))
COLUMNS = (
    TokenColumn(name="entities", kind="class", class_names=("DRUG", "DISEASE")),
    TokenColumn(name="scores", kind="weight"),
    TokenColumn(name="phrases", kind="group"),
)
TOKEN_COUNTS = torch.arange(50) ** 2 * 10
TOKEN_LOSSES = torch.where(torch.arange(50) % 3 == 0, math.nan, torch.arange(50.0) % 7)
MAX_STEPS = 1000
LATE = 500
"""A step at which weights are blended in: past two horizons of 50 steps."""

UNITS = {
    "token": {"unit": "token"},
    "word": {"unit": "word"},
    "span of words": {"unit": "span"},
    "span of tokens": {"unit": "span", "spans": SpanLengths(of="token")},
    "group": {"unit": Grouped(group="phrases")},
}
CONTENTS = {
    "uniform": Uniform(),
    "class loss": ByClassLoss(),
    "loss of entries": ByClassLoss(classes="vocabulary"),
    "learnability": ByClassStatistic(statistic="learnability"),
    "accuracy of entries": ByClassStatistic(
        statistic="accuracy", classes="vocabulary", mapping=PowerMap(), floor=0.05
    ),
    "model score": ByModelScore(floor=0.05),
    "table": ByTable(weights={"DET": 0.2, "NOUN": 3.0}, others=1.0),
    "frequency": ByFrequency(),
    "column": ByColumn(column="scores"),
    "function": ByFunction(),
}
"""Weightings that leave no token out."""
ONLY_NOUNS = ByTable(weights={"NOUN": 1.0})


def by_position_and_id(batch):
    return 0.1 + (batch.input_ids % 5).to(torch.float32)


def masker_of(ratio=0.15, unit="word", content=None, *, names=NAMES, **policy):
    content = content or Uniform()
    schedule = Constant(ratio=ratio) if isinstance(ratio, int | float) else ratio
    settings = MaskingSettings(ratio=schedule, content=content, **UNITS[unit], **policy)
    needs_function = any(isinstance(one, ByFunction) for one in settings.contents)
    return Masker(
        settings,
        VOCABULARY,
        class_names=names,
        columns=COLUMNS,
        max_steps=MAX_STEPS,
        token_counts=TOKEN_COUNTS,
        weight_of=by_position_and_id if needs_function else None,
    )


def masked_by(masker, batch, *, seed=1, step=LATE, progress=0.5):
    losses = TOKEN_LOSSES if masker.settings.learns_entries else LOSSES
    if isinstance(masker.settings.learning, ByClassStatistic):
        losses = losses / 8  # shares, as accuracy is
    scores = by_position_and_id(batch) if masker.settings.scoring else None
    return masker(
        batch, progress=progress, key=StepKey(seed, step), class_loss=losses, scores=scores
    )


def tensors_of(record):
    values = ((f.name, getattr(record, f.name)) for f in fields(record))
    return {name: value for name, value in values if isinstance(value, torch.Tensor)}


def changed(record, change):
    """The record with every tensor changed, those of its columns too."""
    new = {name: change(value) for name, value in tensors_of(record).items()}
    columns = getattr(record, "columns", None)
    if columns is not None:
        new["columns"] = {name: change(value) for name, value in columns.items()}
    return replace(record, **new)


def clone(record):
    return changed(record, torch.clone)


def rows(record, index):
    """The record of some of the sequences."""
    return changed(record, lambda value: value[index] if value.dim() else value)


def random_batch(rng, num_sequences, length, maskable=0.9, starts=0.6, documents=None, **ids):
    """Random words with a class each; `documents` is the chance that one starts at a position."""
    shape = (num_sequences, length)
    is_maskable = rng.random(shape) < maskable
    ids = torch.tensor(
        np.where(is_maskable, rng.integers(5, 50, shape), rng.integers(0, 5, shape)),
        **(ids or {"dtype": torch.int64}),
    )
    return Batch(
        input_ids=ids,
        maskable=torch.tensor(is_maskable),
        word_starts=torch.tensor(rng.random(shape) < starts),
        token_class=torch.tensor(rng.choice(CLASSES, shape), dtype=torch.uint8),
        document_starts=None if documents is None else torch.tensor(rng.random(shape) < documents),
        sample_ids=torch.tensor(rng.integers(0, 2**63, num_sequences)),
        columns=random_columns(rng, shape),
    )


def random_columns(rng, shape):
    """Of each kind; a group has one token in two and is anywhere in its sequence."""
    groups = rng.integers(0, max(1, shape[1] // 4), shape)
    return {
        "entities": torch.tensor(rng.choice([0, 1, NO_CLASS], shape), dtype=torch.uint8),
        "scores": torch.tensor(rng.uniform(0.1, 4.0, shape), dtype=torch.float32),
        "phrases": torch.tensor(
            np.where(rng.random(shape) < 0.5, groups, NO_GROUP), dtype=torch.int32
        ),
    }


def repeated(batch, times):
    """Each sequence many times over, under other names; sequence `i` stays at `i mod B`."""
    wide = changed(batch, lambda value: value.repeat(times, *[1] * (value.dim() - 1)))
    return replace(wide, sample_ids=torch.arange(len(wide.sample_ids)))


def slow_words(batch, row):
    """Start of each position's word: a word start, a document or a special token begins one."""
    starts = []
    for p in range(batch.input_ids.shape[1]):
        document = batch.document_starts is not None and bool(batch.document_starts[row, p])
        special = not batch.maskable[row, p] or (p > 0 and not batch.maskable[row, p - 1])
        begins = p == 0 or document or special or bool(batch.word_starts[row, p])
        starts.append(p if begins else starts[-1])
    return starts


def slow_spans(batch, row, key, lengths):
    """Start of each position's span: lengths drawn one after the other, cut at boundaries."""
    num_positions = batch.input_ids.shape[1]
    positions = torch.arange(num_positions, dtype=torch.int32)
    streams = Streams(key, batch.sample_ids[row : row + 1], [Purpose.SPAN_LENGTH])
    draws = streams.draws(Purpose.SPAN_LENGTH, positions)[0].tolist()
    masses = [lengths.p * (1 - lengths.p) ** i for i in range(lengths.longest)]
    drawn = []
    for draw in draws:
        u, length = draw / 2**31 * sum(masses), 1
        while length < lengths.longest and u >= sum(masses[:length]):
            length += 1
        drawn.append(length)
    begins = {sum(drawn[:i]) for i in range(len(drawn) + 1)}
    everywhere = (
        batch if lengths.of == "word" else replace(batch, word_starts=batch.maskable | True)
    )
    nowhere = replace(batch, word_starts=torch.zeros_like(batch.maskable))
    elements, boundaries = slow_words(everywhere, row), slow_words(nowhere, row)
    starts, element = [], -1
    for p in range(num_positions):
        element += elements[p] == p
        first = boundaries[p] == p or (elements[p] == p and element in begins)
        starts.append(p if first else starts[-1])
    return starts


def slow_groups(batch, row):
    """Start of each position's group; of its word, among those in no group, where it is in none."""
    groups, starts, first = batch.columns["phrases"][row].tolist(), [], {}
    for p, (group, word) in enumerate(zip(groups, slow_words(batch, row), strict=True)):
        if group >= 0 and batch.maskable[row, p]:
            starts.append(first.setdefault(group, p))
            last_in_none = None
        else:
            begins = word == p or last_in_none is None
            starts.append(p if begins else starts[-1])
            last_in_none = p
    return starts


def slow_units(batch, row, masker, key):
    """Start of each position's unit under a policy."""
    unit = masker.settings.unit
    if unit == "token":
        return list(range(batch.input_ids.shape[1]))
    if unit == "word":
        return slow_words(batch, row)
    if isinstance(unit, Grouped):
        return slow_groups(batch, row)
    return slow_spans(batch, row, key, masker.settings.spans)


def slow_inclusion(counts, weights, ratio):
    """`pi = 1 - exp(-W tau)`; `tau` by Brent's method on `sum(counts pi) = ratio n`."""
    counts, weights = np.array(counts, float), np.array(weights, float)
    budget = ratio * counts.sum()
    if budget >= counts[weights > 0].sum() * (1 - 1e-15):
        return np.where(weights > 0, 1.0, 0.0)
    if budget < 1e-15:
        return np.zeros_like(weights)

    def excess(log_tau):
        return float((counts * -np.expm1(-weights * math.exp(log_tau))).sum() - budget)

    log_tau = optimize.brentq(excess, -200, 200, xtol=1e-14, rtol=1e-15, maxiter=2000)
    return -np.expm1(-weights * math.exp(log_tau))


class Text:
    """Sequences of the same words in another order each: one `pi` for all of them.

    A word is a class in [0, 4) and a number of subwords; a special token stands before the words.
    """

    def __init__(self, words, num_sequences, seed):
        rng = np.random.default_rng(seed)
        words = np.array(words)
        order = rng.permuted(np.tile(np.arange(len(words)), (num_sequences, 1)), axis=1)
        self.order, self.classes, self.lengths = order, words[order, 0], words[order, 1]
        ends = np.cumsum(self.lengths, axis=1)
        length = 1 + int(ends[0, -1])
        self.starts = 1 + ends - self.lengths
        is_start = np.zeros((num_sequences, length), bool)
        np.put_along_axis(is_start, self.starts, True, axis=1)
        token_class = np.repeat(self.classes.ravel(), self.lengths.ravel())
        token_class = np.array(CLASSES)[token_class].reshape(num_sequences, -1)
        self.counts = np.bincount(words[:, 0], words[:, 1], minlength=4)
        self.batch = Batch(
            input_ids=torch.full((num_sequences, length), 9),
            maskable=torch.arange(length).expand(num_sequences, -1) > 0,
            word_starts=torch.tensor(is_start),
            token_class=torch.nn.functional.pad(
                torch.tensor(token_class, dtype=torch.uint8), (1, 0), value=NO_CLASS
            ),
            sample_ids=torch.arange(num_sequences),
        )

    def drawn_words(self, masker, **key):
        """Whether each word was corrupted, in the order of the text."""
        corrupted = masked_by(masker, self.batch, **key).corrupted.numpy()
        return np.take_along_axis(corrupted, self.starts, axis=1)

    def pi(self, ratio, content):
        """Of each class."""
        weights = np.ones(4) if isinstance(content, Uniform) else WEIGHTS
        return slow_inclusion(self.counts, weights, ratio)


WORDS = [(k, 1 + i % 4) for k, num in enumerate((10, 8, 2, 4)) for i in range(num)]
