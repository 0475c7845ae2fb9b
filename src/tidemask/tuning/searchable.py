"""Whether every policy of a search can be laid over a recipe, and changes what it masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidemask.errors import UserError
from tidemask.runs.config import Recipe, load_recipe
from tidemask.runs.settings_reading import WrongOverridesError
from tidemask.tuning.policies import MAX_RATIO, MIN_END, UNITS, Content, Policy

_OF_A_PART = ("unit", "content")
"""What a search chooses and a part of a policy may have of its own."""


def check_searchable(base: Recipe, contents: Sequence[Content]) -> None:
    """Refuse a recipe over which some policies of a search cannot be laid, or change nothing.

    Found in the middle of a search, neither could be told from a policy that is no better.

    Args:
        base: with the settings of the user.
        contents: the weightings that are searched.

    Raises:
        UserError: a part of its policy has its own unit or weighting; or a policy contradicts
            another setting.
    """
    for kind in ("phases", "sequences"):
        for number, part in enumerate(getattr(base.masking, kind)):
            if own := [name for name in _OF_A_PART if getattr(part, name) is not None]:
                raise UserError(
                    f"recipe with its own choice of what is searched: masking.{kind}.{number}."
                    f"{own[0]} of {base.name}, so that unit and weighting of a policy would not "
                    f"hold. Name another recipe (--recipe), or set masking.{kind}=[]."
                )
    for policy in _corners(contents):
        try:
            load_recipe(base, policy.overrides)
        except UserError as error:
            problem = error.problem if isinstance(error, WrongOverridesError) else error
            raise UserError(
                f"recipe that a search cannot vary: {base.name}, over which {policy.name} is "
                f"tried: {problem} Name another recipe (--recipe), or change that setting."
            ) from error


def _corners(contents: Sequence[Content]) -> Iterator[Policy]:
    """Policies of every unit and weighting, between the ends of the ratios."""
    for content in contents:
        for unit in UNITS:
            yield Policy(
                schedule="linear", start=MAX_RATIO, end=MIN_END, unit=unit, content=content
            )
