"""Policies of columns, mixtures and statistics, their weights in numpy, and `tau` by bisection.

For `tests/masking/laws`; written from the cards in docs/methods without a look at the code.
"""

from __future__ import annotations

import numpy as np
import torch

from tidemask.masking.batch import Batch, MaskedBatch
from tidemask.masking.learned_weighting import ByClassStatistic, ByModelScore
from tidemask.masking.map_settings import PowerMap, RankMap
from tidemask.masking.masker import Masker
from tidemask.masking.mixture import ByMixture, ContentPart
from tidemask.masking.noise import StepKey
from tidemask.masking.part import AtStep
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.policy_part import SequencePart
from tidemask.masking.schedule import Constant
from tidemask.masking.sequence_ratio import BetaAround, RatioMixture, RatioPart, UniformAround
from tidemask.masking.spans import Grouped, SpanLengths
from tidemask.masking.vocabulary import Vocabulary
from tidemask.masking.weighting import (
    ByClassLoss,
    ByColumn,
    ByEntries,
    ByFrequency,
    ByTable,
    Uniform,
)
from tidemask.token_classes import NO_CLASS, NO_GROUP, TokenColumn

VOCAB_SIZE, FIRST_ID, MASK_ID = 97, 6, 2
UPOS_NAMES = ("NOUN", "VERB", "PUNCT")
ENTITIES = ("DRUG", "GENE", "PLACE")
COLUMNS = (
    TokenColumn(name="entities", kind="class", class_names=ENTITIES),
    TokenColumn(name="scores", kind="weight"),
    TokenColumn(name="phrases", kind="group"),
)
LOSSES = np.array([0.7, 3.1, 1.9])
"""What was learned of three classes; shares of accuracy are an eighth of them."""
COUNTS = (np.arange(VOCAB_SIZE) * 7919) % 1000
ENTRY_WEIGHTS = np.where(np.arange(VOCAB_SIZE) % 3 == 0, np.nan, np.arange(VOCAB_SIZE) % 4 * 1.0)
"""Some entries have the weight 0, some are not in the file."""
STEP, MAX_STEPS = 611, 1013

UNITS = {
    "token": {"unit": "token"},
    "word": {"unit": "word"},
    "group": {"unit": Grouped(group="phrases")},
    "span of words": {"unit": "span", "spans": SpanLengths(longest=6)},
    "span of tokens": {"unit": "span", "spans": SpanLengths(p=0.4, longest=5, of="token")},
}
CONTENTS = {
    "uniform": Uniform(),
    "scores": ByColumn(column="scores"),
    "half scores": ByColumn(column="scores", blend=Constant(ratio=0.5)),
    "entities": ByTable(classes="entities", weights={"DRUG": 3.0, "GENE": 0.5}, others=1.0),
    "drugs": ByTable(classes="entities", weights={"DRUG": 1.0}),
    "nouns": ByTable(weights={"NOUN": 4.0, "VERB": 1.0}, others=0.25),
    "entries": ByEntries(weights="w.tsv", others=0.5),
    "frequency": ByFrequency(),
    "class loss": ByClassLoss(classes="entities"),
    "accuracy": ByClassStatistic(
        statistic="accuracy", classes="entities", mapping=PowerMap(), floor=0.05
    ),
    "progress": ByClassStatistic(statistic="progress", classes="entities", mapping=RankMap()),
    "model score": ByModelScore(floor=0.05),
}


def mixture(**shares):
    """Of the contents above, by name."""
    parts = [
        ContentPart(share=share, content=CONTENTS[name.replace("_", " ")])
        for name, share in shares.items()
    ]
    return ByMixture(parts=tuple(parts))


MIXTURES = {
    "uniform and scores": mixture(uniform=0.35, scores=0.65),
    "classes of two columns": mixture(entities=0.25, nouns=0.75),
    "part of weight 0": mixture(drugs=0.4, uniform=0.6),
    "column, entries and frequency": mixture(scores=0.2, entries=0.3, frequency=0.5),
    "learned and half": mixture(class_loss=0.5, half_scores=0.5),
    "accuracy and scores": mixture(accuracy=0.7, scores=0.3),
}
SEQUENCES = (
    SequencePart(share=0.5, unit="span", content=CONTENTS["scores"]),
    SequencePart(share=0.3, unit="word", content=MIXTURES["column, entries and frequency"]),
    SequencePart(share=0.2, **UNITS["group"], content=CONTENTS["accuracy"]),
)
ESM3 = RatioMixture(
    parts=(
        RatioPart(share=0.8, mean=0.25, of=BetaAround(concentration=12.0)),
        RatioPart(share=0.2, mean=0.5, of=UniformAround()),
    )
)


def masker_of(ratio=0.15, unit="token", content=None, max_steps=MAX_STEPS, **policy):
    schedule = Constant(ratio=ratio) if isinstance(ratio, float) else ratio
    settings = MaskingSettings(
        **{"ratio": schedule, "content": content or Uniform(), **UNITS[unit], **policy}
    )
    return Masker(
        settings,
        Vocabulary.of(VOCAB_SIZE, MASK_ID, range(FIRST_ID)),
        class_names=UPOS_NAMES,
        columns=COLUMNS,
        max_steps=max_steps,
        token_counts=torch.tensor(COUNTS),
        entry_weights={"w.tsv": torch.tensor(ENTRY_WEIGHTS)},
    )


def at_step(masker, batch, *, seed=5, step=STEP, max_steps=MAX_STEPS) -> AtStep:
    """With what was learned and how the model scores, where the policy follows it."""
    learning, learned = masker.settings.learning, torch.tensor(LOSSES)
    if isinstance(learning, ByClassStatistic) and learning.statistic == "accuracy":
        learned = learned / 8
    return AtStep(
        step / max_steps,
        StepKey(seed, step),
        learned if learning else None,
        batch.columns["scores"] if masker.settings.scoring else None,
    )


def masked_by(masker, batch, **at) -> MaskedBatch:
    return masker(batch, **vars(at_step(masker, batch, **at)))


def text(num_sequences, length, seed):
    """Documents with special tokens between them, words, classes, scores and phrases with gaps."""
    rng = np.random.default_rng(seed)
    shape = (num_sequences, length)
    special = rng.random(shape) < 0.06
    special[:, 0] = True
    document = special & (rng.random(shape) < 0.5)
    border = special.copy()
    border[:, 1:] |= special[:, :-1]
    piece = np.cumsum(border | (rng.random(shape) < 0.35), 1) - 1  # ascending within a row
    joined = rng.random(shape) < 0.2  # a fifth of the pieces belong to the piece two before
    piece = np.where(np.take_along_axis(joined, piece, 1), np.maximum(piece - 2, 0), piece)
    kept = np.take_along_axis(rng.random(shape) < 0.4, piece, 1) & ~special
    scores = np.where(rng.random(shape) < 0.2, 0.0, rng.gamma(1.5, 1.0, shape))
    return Batch(
        input_ids=torch.tensor(
            np.where(special, rng.integers(0, FIRST_ID, shape), rng.integers(FIRST_ID, 97, shape))
        ),
        maskable=torch.tensor(~special),
        word_starts=torch.tensor(border | (rng.random(shape) < 0.6)),
        document_starts=torch.tensor(document),
        token_class=torch.tensor(rng.choice([0, 1, 2, NO_CLASS], shape), dtype=torch.uint8),
        sample_ids=torch.tensor(rng.integers(0, 2**62, num_sequences)),
        columns={
            "entities": torch.tensor(rng.choice([0, 1, 2, NO_CLASS], shape), dtype=torch.uint8),
            "scores": torch.tensor(scores, dtype=torch.float32),
            "phrases": torch.tensor(np.where(kept, piece, NO_GROUP), dtype=torch.int32),
        },
    )


def units_of(batch, unit):
    """A number for the unit of each position [B, L], from the cards; special tokens share 0."""
    maskable, phrases = batch.maskable.numpy(), batch.columns["phrases"].numpy().astype(np.int64)
    border = batch.word_starts.numpy() | batch.document_starts.numpy()
    border[:, 1:] |= ~maskable[:, :-1]
    length = maskable.shape[1]
    if unit == "group":  # what is left of a word before and after a group
        border[:, 1:] |= phrases[:, :-1] >= 0
    units = np.arange(1, length + 1) if unit == "token" else 1 + np.cumsum(border, 1)
    if unit == "group":  # ids of groups come after those of words, which are at most L + 1
        units = np.where(phrases >= 0, length + 2 + phrases, units)
    return np.where(maskable, units, 0)


def token_weights(content, batch, unit):
    """Weight of each position [B, L]; that of a unit is the mean over its maskable positions."""
    ids, maskable = batch.input_ids.numpy(), batch.maskable.numpy()
    name = next(name for name, value in CONTENTS.items() if value == content)
    if name == "uniform":
        return np.ones(ids.shape)
    if name in ("scores", "half scores"):
        scores = batch.columns["scores"].numpy().astype(float)
        mean = (scores * maskable).sum(1, keepdims=True) / maskable.sum(1, keepdims=True)
        return scores if name == "scores" else (mean + scores) / 2
    if name == "entries":
        return np.where(np.isnan(ENTRY_WEIGHTS), 0.5, ENTRY_WEIGHTS)[ids]
    if name == "frequency":
        return (np.maximum(COUNTS, 10.0) ** -0.5)[ids]
    by_class = {
        "entities": [3.0, 0.5, 1.0, 1.0],
        "drugs": [1.0, 0.0, 0.0, 0.0],
        "nouns": [4.0, 1.0, 0.25, 0.25],
        "class loss": [*(1 / (1 + np.exp(-2 * standardised(LOSSES)))), 0.5],
        "accuracy": [*np.maximum((1 - LOSSES / 8) / (1 - LOSSES / 8).mean(), 0.05), 1.0],
    }[name]
    classes = batch.token_class if name == "nouns" else batch.columns["entities"]
    classes = np.minimum(classes.numpy(), 3)
    return np.array(by_class)[first_of_words(batch, classes) if unit == "word" else classes]


def standardised(numbers):
    """By their mean and sample standard deviation."""
    return (numbers - numbers.mean()) / numbers.std(ddof=1)


def unit_means(weights, units):
    """The mean of the weights over each unit of a row, for each position; 0 at special tokens."""
    means = np.zeros(weights.shape)
    for row, names in enumerate(units):
        _, index, count = np.unique(names, return_inverse=True, return_counts=True)
        means[row] = (np.bincount(index, weights[row]) / count)[index]
    return np.where(units > 0, means, 0.0)


def first_of_words(batch, classes):
    """The class of the first token of each position's word."""
    units = units_of(batch, "word")
    first = np.zeros(units.shape, int)
    for row, names in enumerate(units):
        _, where, index = np.unique(names, return_index=True, return_inverse=True)
        first[row] = where[index]
    return np.take_along_axis(classes, first, 1)


def inclusion_by_bisection(weights, maskable, ratio):
    """`1 - exp(-W tau)` of each row's positions, with `sum over maskable = ratio n`; at most 1."""
    eligible = maskable & (weights > 0)
    budget = ratio * maskable.sum(1, keepdims=True)
    low, high = np.full(budget.shape, -60.0), np.full(budget.shape, 60.0)  # of log tau
    for _ in range(80):
        middle = (low + high) / 2
        total = np.where(eligible, -np.expm1(-weights * np.exp(middle)), 0.0).sum(1, keepdims=True)
        low, high = np.where(total < budget, middle, low), np.where(total < budget, high, middle)
    capped = budget >= eligible.sum(1, keepdims=True)
    return np.where(eligible, np.where(capped, 1.0, -np.expm1(-weights * np.exp(low))), 0.0)


def mixed_inclusion(parts, batch, unit, ratio):
    """Chance of each position [B, L]: the mean of its chances under each part, by their shares."""
    units, maskable = units_of(batch, unit), batch.maskable.numpy()
    return sum(
        share
        * inclusion_by_bisection(
            unit_means(token_weights(content, batch, unit), units), maskable, ratio
        )
        for share, content in parts
    )
