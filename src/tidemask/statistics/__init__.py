"""Arms of a study against their baseline: by how much they differ, how sure it is, and a verdict.

`compare_arms` is the one entry: numbers by arm and seed go in, frozen dataclasses come out. Nothing
here reads a file or needs torch. What the numbers mean is in `docs/guides/statistics.md`.
"""

from tidemask.statistics.by_step import StepDifference
from tidemask.statistics.comparison import ArmComparison, MeasureComparison, compare_arms
from tidemask.statistics.estimate import CONFIDENCE, Estimate
from tidemask.statistics.improvement import Improvement
from tidemask.statistics.items import ItemDifference, Items
from tidemask.statistics.planning import POWER, seeds_needed, smallest_detectable
from tidemask.statistics.samples import Direction
from tidemask.statistics.seeds import SeedDifference
from tidemask.statistics.steps_to_match import MatchInterval, MeasuredCurve, StepsToMatch
from tidemask.statistics.verdicts import Finding, Rules, Verdict

__all__ = [
    "CONFIDENCE",
    "POWER",
    "ArmComparison",
    "Direction",
    "Estimate",
    "Finding",
    "Improvement",
    "ItemDifference",
    "Items",
    "MatchInterval",
    "MeasureComparison",
    "MeasuredCurve",
    "Rules",
    "SeedDifference",
    "StepDifference",
    "StepsToMatch",
    "Verdict",
    "compare_arms",
    "seeds_needed",
    "smallest_detectable",
]
