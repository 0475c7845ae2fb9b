"""The settings of a masking policy; those of its parts are in the modules of the parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tidemask.masking.corruption import Corruption
from tidemask.masking.schedule import Constant, Schedule
from tidemask.masking.sequence_ratio import PerSequence, Same
from tidemask.masking.spans import MaskingUnit, SpanLengths
from tidemask.masking.weighting import ByClassLoss, ByTable, Uniform, Weighting
from tidemask.settings import Settings, is_number, shown

NOISE_VERSION = 2
"""Version of the map from keys to draws. Under another one a resumed run draws other masks."""

_POINTS = 100

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
        ValueError: unit='sentence'. Expected one of token, word, span.
    """

    ratio: Schedule = field(default_factory=Constant)
    """Share of maskable tokens to select, as a function of progress."""
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
    content: Weighting = field(default_factory=Uniform)
    """Which tokens are selected more."""
    corruption: Corruption = field(default_factory=Corruption)
    """What the input shows at the selected positions."""
    loss_weight: LossWeight = "one"
    """Factor of each position's loss. `inverse_ratio`: 1 / ratio of its sequence, the objective of
    masked diffusion; for uniform weighting, and under a fixed budget for single tokens, where the
    ratio is the chance of every position. `inverse_inclusion`: 1 / its inclusion probability, which
    undoes the change of objective that a weighting makes. With either, the sum is divided by the
    maskable positions."""

    def __post_init__(self) -> None:
        for name in ("ratio", "prediction"):
            value = getattr(self, name)
            if is_number(value):
                raise ValueError(
                    f"{name}={shown(value)}. Expected a schedule, such as Constant(ratio=0.15)."
                )
        super().__post_init__()
        self._check_loss_weight()

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
                f"loss_weight=inverse_ratio with budget=fixed and unit={self.unit}. Expected "
                "budget=expected, or unit=token: under a fixed budget a longer unit is selected "
                "with another chance than a shorter one."
            )

    def ineffective_settings(self) -> list[str]:
        """Settings that differ from their default and have no effect, one sentence each."""
        sentences = []
        if self.unit != "span" and self.spans != SpanLengths():
            sentences.append(f"masking.spans has no effect with masking.unit={self.unit}.")
        points = [point / _POINTS for point in range(_POINTS + 1)]
        if self.prediction != "all" and isinstance(self.per_sequence, Same):
            wanted = self.prediction
            if all(wanted(point) >= self.ratio(point) for point in points):
                sentences.append(
                    "masking.prediction has no effect: it is nowhere below masking.ratio."
                )
        return sentences

    @property
    def uses_token_classes(self) -> bool:
        """Whether the policy needs the classes that preparation recorded."""
        return isinstance(self.content, ByTable) or self.uses_class_loss

    @property
    def uses_class_loss(self) -> bool:
        """Whether weights follow the losses of the classes that preparation recorded."""
        return isinstance(self.content, ByClassLoss) and self.content.classes == "upos"

    @property
    def uses_vocabulary_loss(self) -> bool:
        """Whether the policy's class loss has the vocabulary entries as classes."""
        return isinstance(self.content, ByClassLoss) and self.content.classes == "vocabulary"
