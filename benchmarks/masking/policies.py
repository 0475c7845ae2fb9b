"""tidemask's candidates: every policy, `Masker` alone and `MaskingCollator` as called."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from benchmarks.masking.candidates import Candidate
from benchmarks.masking.data import COLUMNS, MaskingData
from tidemask import Batch, Masker, MaskingCollator, MaskingSettings, StepKey
from tidemask.masking.class_statistic import ClassStatistic
from tidemask.masking.corruption import Corruption
from tidemask.masking.learned_weighting import ByClassStatistic
from tidemask.masking.mixture import ByMixture, ContentPart
from tidemask.masking.policy_part import SequencePart
from tidemask.masking.schedule import Constant
from tidemask.masking.sequence_ratio import BetaAround, UniformAround
from tidemask.masking.spans import Grouped, SpanLengths
from tidemask.masking.weighting import (
    ByClassLoss,
    ByColumn,
    ByFrequency,
    ByFunction,
    ByTable,
    Uniform,
    Weighting,
)
from tidemask.token_classes import UPOS

GROUP = "tidemask"
RATIO = 0.15
MAX_STEPS = 10_000
FIRST_STEP = 5_000
"""Half of the run is over: weights by loss are blended in."""

_SEED = 1
_NOUN_LIKE = {"NOUN": 2.0, "PROPN": 2.0, "VERB": 1.5, "ADJ": 1.5}

WEIGHTINGS: dict[str, Weighting] = {
    "uniform": Uniform(),
    "class loss": ByClassLoss(),
    "learnability": ByClassStatistic(statistic="learnability"),
    "class table": ByTable(weights=_NOUN_LIKE, others=1.0),
    "frequency": ByFrequency(),
    "column": ByColumn(column="scores"),
    "vocabulary loss": ByClassLoss(classes="vocabulary"),
}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Settings with what the benchmark must know of them."""

    name: str
    settings: MaskingSettings
    share: float = RATIO
    """Of the maskable tokens that is labelled in expectation."""

    @property
    def columns(self) -> set[str]:
        """Columns of the data set that the policy needs; the others are not collated."""
        needed = {"input_ids", "sample_id"}
        needed |= {"word_starts"} if self.settings.uses_word_starts else set()
        needed |= self.settings.columns.keys()
        return needed | ({"token_class"} if self.settings.uses_token_classes else set())


def policies() -> list[Policy]:
    """Every unit with every weighting and budget, then what else a policy may have."""
    crossed = [
        Policy(
            name=f"{unit}, {weighting}, {budget}",
            settings=MaskingSettings(
                unit=unit, content=content, budget=budget, ratio=Constant(ratio=RATIO)
            ),
        )
        for (weighting, content), unit, budget in product(
            WEIGHTINGS.items(), ("token", "word", "span"), ("expected", "fixed")
        )
    ]
    of_classes = WEIGHTINGS["class loss"]
    constant = Constant(ratio=RATIO)
    others = {
        "span of tokens, uniform, expected": MaskingSettings(
            unit="span", spans=SpanLengths(of="token"), ratio=constant
        ),
        "word, function, expected": MaskingSettings(content=ByFunction(), ratio=constant),
        "word, class loss, expected, inverse inclusion": MaskingSettings(
            content=of_classes, loss_weight="inverse_inclusion", ratio=constant
        ),
        "word, class loss and uniform mixed, expected": MaskingSettings(
            content=_half_each(of_classes, Uniform()), ratio=constant
        ),
        "word, class loss and frequency mixed, expected": MaskingSettings(
            content=_half_each(of_classes, ByFrequency()), ratio=constant
        ),
        "word, class loss and column mixed, expected": MaskingSettings(
            content=_half_each(of_classes, WEIGHTINGS["column"]), ratio=constant
        ),
        "word, loss of a column's classes, expected": MaskingSettings(
            content=ByClassLoss(classes="kinds"), ratio=constant
        ),
        "group, uniform, expected": MaskingSettings(unit=Grouped(group="phrases"), ratio=constant),
        "group, column, expected": MaskingSettings(
            unit=Grouped(group="phrases"), content=WEIGHTINGS["column"], ratio=constant
        ),
        "half of the sequences in words, half in spans": MaskingSettings(
            ratio=constant,
            sequences=(SequencePart(share=0.5), SequencePart(share=0.5, unit="span")),
        ),
        "word, uniform, corrupt 40 % predict 15 %": MaskingSettings(
            ratio=Constant(ratio=0.4), prediction=constant
        ),
        "word, class loss, beta per sequence": MaskingSettings(
            content=of_classes, per_sequence=BetaAround(), ratio=constant
        ),
        "token, uniform, mask token only": MaskingSettings(
            unit="token", ratio=constant, corruption=Corruption(mask=1.0, random=0.0, keep=0.0)
        ),
    }
    diffusion = MaskingSettings(
        unit="token",
        ratio=Constant(ratio=0.5),
        per_sequence=UniformAround(),
        corruption=Corruption(mask=1.0, random=0.0, keep=0.0),
        loss_weight="inverse_ratio",
    )
    return [
        *crossed,
        *(Policy(name=name, settings=settings) for name, settings in others.items()),
        Policy(name="token, uniform, masked diffusion", settings=diffusion, share=0.5),
    ]


def _half_each(*contents: Weighting) -> ByMixture:
    """A mixture of two weightings."""
    return ByMixture(parts=tuple(ContentPart(share=0.5, content=content) for content in contents))


def longer_words_more(batch: Batch) -> Tensor:
    """A user's weighting: continuations have twice the weight of first subwords."""
    assert batch.word_starts is not None, "the benchmark's batches have word starts"
    return 2.0 - batch.word_starts.to(torch.float32)


@dataclass(frozen=True)
class Prepared:
    """A policy with the data that it masks: what `Masker` and `MaskingCollator` take."""

    policy: Policy
    data: MaskingData

    def masker(self) -> Masker:
        """The policy's masker."""
        vocabulary = self.data.language.vocabulary
        return Masker(self.policy.settings, vocabulary, **self.arguments())

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments that the masker and the collator share."""
        content = self.policy.settings.content
        return {
            "class_names": UPOS,
            "columns": COLUMNS,
            "max_steps": MAX_STEPS,
            "token_counts": self.data.token_counts(),
            "weight_of": longer_words_more if isinstance(content, ByFunction) else None,
        }

    def class_loss(self) -> Tensor | None:
        """Losses of all classes, well apart; `None` if the policy needs none."""
        settings = self.policy.settings
        if settings.learns_entries:
            size = self.data.language.vocabulary.size
            generator = torch.Generator().manual_seed(0)
            return 12.0 * torch.rand(size, dtype=torch.float64, generator=generator)
        if settings.learning is not None:
            return torch.linspace(0.5, 6.0, len(UPOS), dtype=torch.float64)
        return None

    def collator(self) -> MaskingCollator:
        """The policy's collator at `FIRST_STEP`, with the same class losses as the masker."""
        language = self.data.language
        collator = MaskingCollator(
            self.policy.settings,
            language.vocabulary,
            pad_id=language.tokenizer.pad_token_id,
            seed=_SEED,
            **self.arguments(),
        )
        losses, learned = self.class_loss(), collator.class_loss
        if losses is not None:
            is_statistic = isinstance(learned, ClassStatistic)
            sums = losses.expand(learned.num_values, -1) if is_statistic else losses
            collator.step_done(sums, torch.ones_like(losses))
        collator.start(FIRST_STEP)
        return collator

    def features(self) -> list[dict[str, Any]]:
        """The data set's rows with the columns that the policy needs."""
        columns = self.policy.columns
        return [
            {name: value for name, value in row.items() if name in columns}
            for row in self.data.rows
        ]


def alone(policy: Policy, data: MaskingData) -> Candidate:
    """`Masker` called on a `Batch` of int64 ids."""
    prepared = Prepared(policy, data)
    masker, class_loss, batch = prepared.masker(), prepared.class_loss(), data.batch
    progress = FIRST_STEP / MAX_STEPS

    def call(step: int) -> Any:
        key = StepKey(seed=_SEED, step=FIRST_STEP + step)
        return masker(batch, progress=progress, key=key, class_loss=class_loss)

    return Candidate(
        group=GROUP,
        policy=policy.name,
        mode="alone",
        call=call,
        labels=lambda masked: masked.labels,
        share=policy.share,
    )


def as_called(policy: Policy, data: MaskingData) -> Candidate:
    """`MaskingCollator` called on rows of numpy arrays; its clock counts the steps."""
    prepared = Prepared(policy, data)
    collator, features = prepared.collator(), prepared.features()
    return Candidate(
        group=GROUP,
        policy=policy.name,
        mode="as called",
        call=lambda _: collator(features),
        labels=lambda columns: columns["labels"],
        share=policy.share,
    )


def candidates(data: MaskingData) -> list[Candidate]:
    """Every policy in both modes."""
    return [make(policy, data) for policy in policies() for make in (alone, as_called)]
