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
from tidemask.tuning.policies import Policy

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
    policies: Sequence[Policy],
    *,
    num_seeds: int,
    num_policies: int,
    spent_seconds: float,
) -> TunedPolicy:
    """Write the recipe that the final speaks for, and say why it is that.

    Args:
        directory: of the search.
        definition: of it.
        base: the recipe whose other settings hold.
        policies: of the final, the best constant first.
        num_seeds: that every finalist has finished.
        num_policies: that were tried.
        spent_seconds: until now.
    """
    verdicts = _verdicts(directory.final) if num_seeds else []
    better = next((one for one in verdicts if one.finding == "better"), None)
    constant = policies[0]
    winner = next((one for one in policies if better and one.name == better.arm), constant)
    sentence = _sentence(winner, constant, verdicts, num_seeds=num_seeds)
    recipe = dataclasses.replace(
        load_recipe(base, winner.overrides),
        name=winner.name,
        overrides=(),
        summary=winner.summary,
        source=(
            f"tidemask tune: the best of {num_policies} policies in {duration(spent_seconds)} on "
            f"the corpus {definition.corpus_fingerprint[:_DIGITS]}. {sentence}"
        ),
        deviations="",
    )
    write_atomically(directory.recipe, to_yaml(recipe), what="recipe")
    page = directory.final.page
    return TunedPolicy(
        name=winner.name,
        recipe=directory.recipe,
        is_better=better is not None,
        sentence=sentence,
        verdicts=tuple(one.sentence for one in verdicts),
        page=page if page.is_file() else None,
        num_policies=num_policies,
        spent_seconds=spent_seconds,
    )


def _verdicts(final: StudyDirectory) -> list[_Verdict]:
    """Those of the page, the best difference first; none where it was not written."""
    path = final.report / "tables" / "arms.json"
    if not path.is_file():
        return []
    table = read_table(path)
    rows = zip(table.values("arm"), table.values("finding"), table.values("sentence"), strict=True)
    return [
        _Verdict(arm=str(arm), finding=str(finding), sentence=str(sentence))
        for arm, finding, sentence in rows
        if sentence
    ]


def _sentence(
    winner: Policy, constant: Policy, verdicts: Sequence[_Verdict], *, num_seeds: int
) -> str:
    """The answer in words; that a constant was not beaten is said as such."""
    if not verdicts:
        return (
            f"The final had no time for one seed of every finalist, so nothing is shown. The best "
            f"constant of the search is {constant.name}; a larger budget goes on from here."
        )
    if winner is not constant:
        return (
            f"The policy for this corpus, model and budget is {winner.name}: it beat the best "
            f"constant, {constant.name}."
        )
    few = " One seed supports no interval, and shows nothing." if num_seeds == 1 else ""
    return (
        f"The best constant was not beaten: the policy for this corpus, model and budget is "
        f"{constant.name}.{few}"
    )
