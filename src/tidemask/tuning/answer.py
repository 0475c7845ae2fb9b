"""What a search ends with: a policy, a sentence with its evidence, and a recipe file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemask.files.atomic import write_atomically
from tidemask.progress.line import duration
from tidemask.report.tables.table_files import read_table
from tidemask.runs.config import Recipe, load_recipe, to_yaml
from tidemask.studies.directory import StudyDirectory
from tidemask.tuning.definition import TuneDefinition, TuneDirectory
from tidemask.tuning.final_outcome import FinalOutcome
from tidemask.tuning.looks import earlier_looks
from tidemask.tuning.policies import Policy
from tidemask.tuning.time_plan import MIN_FINALISTS

_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class TunedPolicy:
    """What a search found.

    Attributes:
        name: of the policy, such as `cosine-32-2-token`.
        recipe: file of the policy, for `pretrain`.
        is_better: whether it was shown to be better than the best constant; else it is that.
        sentence: what was found, in words.
        verdicts: of the final on each policy against the best constant, in words.
        page: of the final; `None` where it had no time.
        num_policies: that were tried.
        spent_seconds: that commands were at work on the search.
    """

    name: str
    recipe: Path
    is_better: bool
    sentence: str
    verdicts: tuple[str, ...]
    page: Path | None
    num_policies: int
    spent_seconds: float


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    arm: str
    finding: str
    sentence: str


def answered(
    directory: TuneDirectory,
    definition: TuneDefinition,
    base: Recipe,
    final: FinalOutcome,
    *,
    num_policies: int,
    spent_seconds: float,
) -> TunedPolicy:
    """Write the recipe that the final speaks for, and say why it is that.

    Args:
        directory: of the search.
        definition: of it.
        base: the recipe whose other settings hold.
        final: what it came to.
        num_policies: that were tried.
        spent_seconds: until now.
    """
    is_shown = final.num_seeds > 0 and final.can_compare
    verdicts = _verdicts(directory.final, final) if is_shown else []
    better = next((one for one in verdicts if one.finding == "better"), None)
    names = [policy.name for policy in final.policies]
    winner = final.policies[names.index(better.arm) if better else 0]
    sentence = _sentence(winner, final, directory.final, is_shown=bool(verdicts))
    if is_shown:
        sentence += _of_looks(earlier_looks(directory, final.num_seeds))
    recipe = dataclasses.replace(
        load_recipe(base, winner.overrides),
        name=winner.name,
        overrides=(),
        summary=winner.summary,
        source=(
            f"tidemask tune: {num_policies} policies were tried in {duration(spent_seconds)} on "
            f"the corpus {definition.corpus_fingerprint[:_DIGITS]}. {sentence}"
        ),
        deviations="",
    )
    write_atomically(directory.recipe, to_yaml(recipe), what="recipe")
    page = directory.final.page
    return TunedPolicy(
        name=winner.name,
        recipe=directory.recipe,
        is_better=winner is not final.policies[0],
        sentence=sentence,
        verdicts=tuple(one.sentence for one in verdicts),
        page=page if page.is_file() else None,
        num_policies=num_policies,
        spent_seconds=spent_seconds,
    )


def _verdicts(directory: StudyDirectory, final: FinalOutcome) -> list[_Verdict]:
    """Those of the page on finalists that did not fail, the best difference first."""
    table = read_table(directory.report / "tables" / "arms.json")
    rows = zip(table.values("arm"), table.values("finding"), table.values("sentence"), strict=True)
    names = [policy.name for policy in final.compared]
    return [
        _Verdict(arm=str(arm), finding=str(finding), sentence=str(sentence))
        for arm, finding, sentence in rows
        if sentence and arm in names
    ]


def _sentence(
    winner: Policy, final: FinalOutcome, directory: StudyDirectory, *, is_shown: bool
) -> str:
    """The answer in words; that a constant was not beaten is said as such."""
    constant = final.policies[0]
    failed = ""
    if final.failed:
        failed = (
            f" Failed in the final, and not compared: {', '.join(final.failed)}; look into "
            f"{directory.root / 'attempts'}."
        )
    if not is_shown:
        return f"{_why_nothing(final)}, so nothing is shown.{failed} {_best(final)}"
    seeds = "1 seed" if final.num_seeds == 1 else f"{final.num_seeds} seeds"
    after = f"after {final.num_steps:,} steps, with {seeds}"
    if winner is not constant:
        return (
            f"The policy for this corpus, model and budget is {winner.name}: {after}, it beat the "
            f"best constant, {constant.name}.{failed}"
        )
    few = " One seed supports no interval, and shows nothing." if final.num_seeds == 1 else ""
    return (
        f"The best constant was not beaten {after}: the policy for this corpus, model and budget "
        f"is {constant.name}.{few}{failed}"
    )


def _of_looks(before: Sequence[int]) -> str:
    """What is said of answers that were given with other numbers of seeds."""
    if not before:
        return ""
    return (
        f" An answer was given before, with {' and '.join(map(str, before))} "
        f"seed{'s' * (before[-1] != 1)}: each look at the final is another chance to be wrong, "
        "which the intervals do not count."
    )


def _why_nothing(final: FinalOutcome) -> str:
    if len(final.policies) < MIN_FINALISTS:
        return "No policy but a constant was measured"
    if final.can_compare and final.num_seeds:
        return "The page of the final compares no two of its runs"
    if final.can_compare:
        return "The final had no time for one seed of every finalist"
    return "The final has nothing left to compare"


def _best(final: FinalOutcome) -> str:
    best = f"The best constant of the search is {final.policies[0].name}"
    goes_on = "; a larger budget goes on from here" if final.can_compare else ""
    return f"{best}{goes_on}."
