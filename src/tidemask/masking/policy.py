"""The settings of a masking policy; those of its parts are in the modules of the parts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from tidemask.masking.corruption import Corruption
from tidemask.masking.learned_weighting import ByClassStatistic, ByModelScore
from tidemask.masking.mixture import AnyWeighting, ByMixture, single_weightings
from tidemask.masking.policy_part import (
    PART_FIELDS,
    PolicyPart,
    PolicyPhase,
    SequencePart,
    check_phases,
    phase_at,
)
from tidemask.masking.ratio_bandit import Bandit
from tidemask.masking.schedule import Constant, RatioSchedule, Schedule
from tidemask.masking.sequence_ratio import PerSequence, RatioMixture, Same
from tidemask.masking.shares import check_shares, shares_at
from tidemask.masking.spans import Grouped, MaskingUnit, SpanLengths
from tidemask.masking.weighting import (
    ByClassLoss,
    Uniform,
    Weighting,
    check_one_followed,
    check_one_score,
    class_column,
    columns_of,
)
from tidemask.settings import Settings, is_number, shown
from tidemask.token_classes import UPOS_COLUMN, VOCABULARY, ColumnKind

NOISE_VERSION = 2
"""Version of the map from keys to draws. Under another one a resumed run draws other masks."""

_POINTS = [point / 100 for point in range(101)]

Budget = Literal["expected", "fixed"]
LossWeight = Literal["one", "inverse_ratio", "inverse_inclusion"]


@dataclass(frozen=True, kw_only=True)
class MaskingSettings(Settings):
    """How much is masked, what, and how.

    Example:
        >>> from tidemask.masking.schedule import Linear
        >>> policy = MaskingSettings(ratio=Linear(start=0.3, end=0.1), unit="token")
        >>> policy.ratio(0.5), policy.uses_token_classes
        (0.2, False)
        >>> MaskingSettings(unit="sentence")
        Traceback (most recent call last):
        ValueError: unit='sentence'. Expected one of token, word, span or Grouped.
    """

    ratio: RatioSchedule = field(default_factory=Constant)
    """Share of maskable tokens to select, as a function of progress or, with `bandit`, of what the
    run measures."""
    per_sequence: PerSequence = field(default_factory=Same)
    """How the ratios of a step's sequences are distributed around the schedule."""
    prediction: Literal["all"] | Schedule = "all"
    """Share of maskable tokens to predict, where fewer are predicted than are corrupted; `all`
    predicts whatever was corrupted. A share above the ratio predicts all too."""
    unit: MaskingUnit = "word"
    """What is selected whole or not at all."""
    spans: SpanLengths = field(default_factory=SpanLengths)
    """Lengths of spans, for the unit `span`."""
    budget: Budget = "expected"
    """`expected`: units are drawn independently, and in each sequence the expected number of
    selected tokens is ratio x maskable. `fixed`: units are taken until that number is reached."""
    content: AnyWeighting = field(default_factory=Uniform)
    """Which tokens are selected more."""
    corruption: Corruption = field(default_factory=Corruption)
    """What the input shows at the selected positions."""
    loss_weight: LossWeight = "one"
    """Factor of each position's loss. `inverse_ratio`: 1 / ratio of its sequence, the objective of
    masked diffusion; for uniform weighting, and under a fixed budget for single tokens, where the
    ratio is the chance of every position. `inverse_inclusion`: 1 / its inclusion probability, which
    undoes the change of objective that a weighting makes. With either, the sum is divided by the
    maskable positions."""
    sequences: tuple[SequencePart, ...] = ()
    """Parts of which each sequence of a step draws one; none if all sequences are masked alike."""
    phases: tuple[PolicyPhase, ...] = ()
    """Parts that follow each other over the run; none if all of it is masked alike."""

    def __post_init__(self) -> None:
        for name in ("ratio", "prediction"):
            value = getattr(self, name)
            if is_number(value):
                raise ValueError(
                    f"{name}={shown(value)}. Expected a schedule, such as Constant(ratio=0.15)."
                )
        super().__post_init__()
        if isinstance(self.per_sequence, RatioMixture):
            self.per_sequence.check_means(self._highest_ratio)
        if self.sequences or self.phases:
            self._check_parts()
        else:
            self._check_alone()
        check_one_followed(self.contents)
        check_one_score(self.contents)

    def _check_alone(self) -> None:
        """Refuse what contradicts itself in a policy without parts, or in one of the parts."""
        if self.budget == "fixed" and isinstance(self.content, ByMixture):
            raise ValueError(
                "content.weighting=mixture with budget=fixed. Expected budget=expected: under a "
                "fixed budget no inclusion probability is known that could be mixed."
            )
        self._check_loss_weight()

    def _check_parts(self) -> None:
        """Refuse parts that do not add up to a policy, and what is wrong in one of them."""
        if self.sequences and self.phases:
            raise ValueError(
                f"phases={len(self.phases)} parts and sequences={len(self.sequences)} parts. "
                "Expected one of them: the share of a part of sequences may be a schedule, too."
            )
        if self.phases:
            check_phases(self.phases)
        else:
            check_shares([part.share for part in self.sequences], "sequences")

    def _check_loss_weight(self) -> None:
        """Refuse a weight that is not one over the chance with which a position is selected."""
        if self.loss_weight == "inverse_inclusion" and self.budget == "fixed":
            raise ValueError(
                "loss_weight=inverse_inclusion with budget=fixed. Expected budget=expected: under "
                "a fixed budget the inclusion probability has no closed form."
            )
        if self.loss_weight != "inverse_ratio":
            return
        if not isinstance(self.content, Uniform):
            raise ValueError(
                f"loss_weight=inverse_ratio with content.weighting={self.content.weighting}. "
                "Expected weighting=uniform, as with weights no token is selected with the chance "
                "`ratio`; or loss_weight=inverse_inclusion, which divides by the chance it has."
            )
        if self.budget == "fixed" and self.unit != "token":
            raise ValueError(
                f"loss_weight=inverse_ratio with budget=fixed and unit={_named(self.unit)}. "
                "Expected budget=expected, or unit=token: under a fixed budget a longer unit is "
                "selected with another chance than a shorter one."
            )

    @cached_property
    def parts(self) -> tuple[MaskingSettings, ...]:
        """The policies of the parts, each whole and without parts; the policy itself without any.

        Raises:
            ValueError: one of them contradicts itself; the message says which.
        """
        if not self._own_parts:
            return (self,)
        parts = []
        for number, part in enumerate(self._own_parts):
            try:
                parts.append(replace(self, sequences=(), phases=(), **part.own()))
            except ValueError as error:
                raise ValueError(f"{self._kind_of_parts}.{number}: {error}") from error
        return tuple(parts)

    def shares(self, progress: float) -> list[float]:
        """The share of the sequences that each of the `parts` has at `progress` in [0, 1].

        Within phases it is 1 or 0.
        """
        if self.sequences:
            return shares_at([part.share for part in self.sequences], progress)
        if not self.phases:
            return [1.0]
        phase = phase_at(self.phases, progress)
        return [float(number == phase) for number in range(len(self.phases))]

    @property
    def _own_parts(self) -> tuple[PolicyPart, ...]:
        return self.phases or self.sequences

    @property
    def _kind_of_parts(self) -> str:
        return "phases" if self.phases else "sequences"

    @cached_property
    def contents(self) -> tuple[Weighting, ...]:
        """Every single weighting of the policy: of all its parts and their mixtures."""
        return tuple(one for part in self.parts for one in single_weightings(part.content))

    @cached_property
    def learning(self) -> ByClassLoss | ByClassStatistic | None:
        """The first weighting that follows what training learns; all such follow the same."""
        kinds = ByClassLoss | ByClassStatistic
        return next((one for one in self.contents if isinstance(one, kinds)), None)

    @cached_property
    def scoring(self) -> ByModelScore | None:
        """The first weighting that needs scores of the model; all such need the same ones."""
        return next((one for one in self.contents if isinstance(one, ByModelScore)), None)

    def ineffective_settings(self) -> list[str]:
        """Settings that differ from their default and have no effect, one sentence each."""
        sentences = []
        if self.spans != SpanLengths() and all(part.unit != "span" for part in self.parts):
            sentences.append(f"masking.spans has no effect with masking.unit={_named(self.unit)}.")
        if self.prediction != "all" and isinstance(self.per_sequence, Same):
            wanted = self.prediction
            if all(wanted(point) >= self._highest_ratio(point) for point in _POINTS):
                sentences.append(
                    "masking.prediction has no effect: it is nowhere below masking.ratio."
                )
        return sentences + (self._ineffective_in_parts() if self._own_parts else [])

    def _ineffective_in_parts(self) -> list[str]:
        """Settings that every part replaces, and spans of a part that has none."""
        usual = MaskingSettings()
        sentences = [
            f"masking.{name} has no effect: every part has its own."
            for name in PART_FIELDS
            if all(getattr(part, name) is not None for part in self._own_parts)
            and getattr(self, name) != getattr(usual, name)
        ]
        for number, (own, whole) in enumerate(zip(self._own_parts, self.parts, strict=True)):
            if own.spans is not None and whole.unit != "span":
                path = f"masking.{self._kind_of_parts}.{number}.spans"
                sentences.append(f"{path} has no effect with masking.unit={_named(whole.unit)}.")
        return sentences

    @property
    def _highest_ratio(self) -> Schedule:
        """The schedule; of a bandit, its highest arm throughout."""
        ratio = self.ratio
        return Constant(ratio=ratio.ratios[-1]) if isinstance(ratio, Bandit) else ratio

    @property
    def follows_measurements(self) -> bool:
        """Whether the ratio of a step depends on the run, so that only a run can mask with it."""
        return isinstance(self.ratio, Bandit)

    @cached_property
    def uses_token_classes(self) -> bool:
        """Whether the policy needs the classes that preparation recorded."""
        return any(class_column(content) == UPOS_COLUMN for content in self.contents)

    @cached_property
    def columns(self) -> dict[str, ColumnKind]:
        """The columns of the corpus that the policy reads, with their kinds, by name."""
        found: dict[str, ColumnKind] = {}
        for content in self.contents:
            found |= columns_of(content)
        for part in self.parts:
            if isinstance(part.unit, Grouped):
                found[part.unit.group] = "group"
        return found

    @cached_property
    def uses_word_starts(self) -> bool:
        """Whether the policy needs to know where words start."""
        return any(
            part.unit == "word"
            or isinstance(part.unit, Grouped)
            or (part.unit == "span" and part.spans.of == "word")
            for part in self.parts
        )

    @property
    def uses_class_loss(self) -> bool:
        """Whether weights follow the losses of named classes, of whatever column."""
        return isinstance(self.learning, ByClassLoss) and not self.learns_entries

    @property
    def uses_vocabulary_loss(self) -> bool:
        """Whether the policy's class loss has the vocabulary entries as classes."""
        return isinstance(self.learning, ByClassLoss) and self.learns_entries

    @cached_property
    def learns_entries(self) -> bool:
        """Whether it is the vocabulary entries of which it learns."""
        return self.learning is not None and self.learning.classes == VOCABULARY


def _named(unit: MaskingUnit) -> str:
    return f"{{group: {unit.group}}}" if isinstance(unit, Grouped) else unit
