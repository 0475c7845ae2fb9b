"""The parts of a policy in words: what each selects, and how many of the sequences it masks."""

from __future__ import annotations

from tidemask.masking.learned_weighting import ByClassStatistic, ByModelScore
from tidemask.masking.mixture import AnyWeighting, ByMixture
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.shares import shares_at
from tidemask.masking.spans import Grouped, MaskingUnit
from tidemask.masking.weighting import ByColumn, ByEntries
from tidemask.token_classes import UPOS_COLUMN


def parts_in_words(masking: MaskingSettings, progress: float) -> dict[str, float]:
    """The parts that mask sequences at a progress, with their shares of them.

    Args:
        masking: the policy.
        progress: share of the run, in [0, 1].

    Returns:
        Shares by description; nothing for a policy without parts and mixtures.

    Example:
        >>> from tidemask import load_recipe
        >>> parts_in_words(load_recipe("spanbert-hybrid").masking, 0.0)
        {'span, uniform': 0.5, 'token, uniform': 0.5}
        >>> parts_in_words(load_recipe("accuracy-morph").masking, 0.0)
        {'token, 80 % uniform + 20 % class_statistic accuracy of vocabulary': 1.0}
        >>> parts_in_words(load_recipe("bert").masking, 0.0)
        {}
    """
    found: dict[str, float] = {}
    for part, share in zip(masking.parts, masking.shares(progress), strict=True):
        if share > 0.0:
            name = part_in_words(part, progress)
            found[name] = found.get(name, 0.0) + share
    return found if has_parts(masking) else {}


def has_parts(masking: MaskingSettings) -> bool:
    """Whether a policy has parts by sequence or phase, or a mixture of weightings."""
    return bool(masking.sequences or masking.phases) or isinstance(masking.content, ByMixture)


def part_in_words(part: MaskingSettings, progress: float) -> str:
    """The unit of a part and what it is weighted by."""
    weightings = weightings_in_words(part.content, progress)
    content = " + ".join(weightings) or weighting_in_words(part.content)
    return f"{unit_in_words(part.unit)}, {content}"


def unit_in_words(unit: MaskingUnit) -> str:
    """A unit by its name, and a group by that of its column."""
    return f"group of {unit.group}" if isinstance(unit, Grouped) else unit


def weightings_in_words(content: AnyWeighting, progress: float) -> tuple[str, ...]:
    """The weightings of a mixture that have a share at a progress, with it; else nothing."""
    if not isinstance(content, ByMixture):
        return ()
    shares = shares_at([part.share for part in content.parts], progress)
    return tuple(
        f"{100 * share:.3g} % {weighting_in_words(part.content)}"
        for part, share in zip(content.parts, shares, strict=True)
        if share > 0.0
    )


def weighting_in_words(content: AnyWeighting) -> str:
    """A weighting by its name, with the column, the file or the statistic that it follows.

    Example:
        >>> from tidemask.masking.weighting import ByColumn, Uniform
        >>> weighting_in_words(ByColumn(column="tfidf")), weighting_in_words(Uniform())
        ('column tfidf', 'uniform')
    """
    words: str = content.weighting
    if isinstance(content, ByColumn):
        words += f" {content.column}"
    elif isinstance(content, ByEntries):
        words += f" {content.weights}"
    elif isinstance(content, ByClassStatistic):
        words += f" {content.statistic}"
    elif isinstance(content, ByModelScore):
        words += f" {content.score}"
    classes = getattr(content, "classes", UPOS_COLUMN)
    return words if classes == UPOS_COLUMN else f"{words} of {classes}"
