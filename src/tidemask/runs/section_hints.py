"""Sections that are written as they are not read, and how to write them: parts, and phases."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tidemask.masking.mixture import WEIGHTINGS, ContentPart
from tidemask.masking.policy_part import PolicyPart, PolicyPhase
from tidemask.masking.schedule import Phase
from tidemask.masking.sequence_ratio import DISTRIBUTIONS, RatioPart
from tidemask.reading import shown_yaml

_INNER: Mapping[type, tuple[str, str, Collection[str]]] = {
    ContentPart: ("content", "weighting", WEIGHTINGS),
    RatioPart: ("of", "distribution", DISTRIBUTIONS),
    PolicyPart: ("content", "weighting", WEIGHTINGS),
}
"""The section within a part that says what the part does, the field that chooses its kind, and the
kinds that there are."""

_ENDS = ("to", "end", "till", "at")
_BEGINS = ("from", "begin", "start", "after", "since")
"""What phases are written with in place of `until`."""


def how_to_write(owner: Any, section: Any, beside: Sequence[Any], number: int) -> str | None:
    """What to write in place of a section that lacks something, or has a key that it does not know.

    Args:
        owner: the settings that the section is of.
        section: as it was given.
        beside: the sections of its list, itself included.
        number: of the section in its list.

    Returns:
        What is wrong and what to write; `None` where nothing is known of what was meant.
    """
    if not isinstance(owner, type) or not isinstance(section, dict):
        return None
    if issubclass(owner, PolicyPhase | Phase) and (
        hint := _with_its_end(owner, section, beside[number + 1 :])
    ):
        return hint
    kind = next((kind for kind in _INNER if issubclass(owner, kind)), None)
    return None if kind is None else _with_its_inner(owner, section, *_INNER[kind])


def _with_its_end(owner: type, section: Mapping[str, Any], after: Sequence[Any]) -> str | None:
    """A phase that says where it begins, or says by another word where it ends."""
    named = [key for key in (*_ENDS, *_BEGINS) if key in _unknown(owner, section)]
    if not named:
        return None
    end = 1.0
    if named[0] in _ENDS:
        end = section[named[0]]
    elif after and isinstance(after[0], dict):
        end = after[0].get(named[0], end)
    others = {key: value for key, value in section.items() if key not in named}
    where = "beside" if "until" in section else "in place of"
    return (
        f"{_listed(named)} {where} `until`, at which a phase ends; it begins where the one "
        f"before it ends. Write {shown_yaml({'until': end, **others})}."
    )


def _with_its_inner(
    owner: type, section: Mapping[str, Any], inner: str, choice: str, kinds: Collection[str]
) -> str | None:
    """A part whose inner section stands beside its share, under another name, or not at all."""
    if inner in section:
        return None
    unknown = _unknown(owner, section)
    under_another = [each for key in unknown if _chooses(each := section[key], choice)]
    if under_another:
        meant = under_another[0]
    elif choice in unknown:
        meant = {key: section[key] for key in unknown}
    elif len(unknown) == 1 and unknown[0] in kinds:
        given = section[unknown[0]]
        meant = {choice: unknown[0], **(given if isinstance(given, dict) else {})}
    elif not unknown and not issubclass(owner, PolicyPart):
        meant = {choice: "uniform"}
    else:
        return None
    own = {key: value for key, value in section.items() if key not in unknown}
    share = own.get("share")
    if isinstance(share, int | float) and 1 < share <= 100:
        own["share"] = share / 100
    seen = f"{_listed(unknown)} in place of `{inner}`" if unknown else f"no `{inner}`"
    return f"{seen}. Write {shown_yaml({**own, inner: meant})}{'' if unknown else ', or another'}."


def _chooses(section: Any, choice: str) -> bool:
    return isinstance(section, dict) and choice in section


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def _unknown(owner: type, section: Mapping[str, Any]) -> list[str]:
    known = {field.name for field in dataclasses.fields(owner)}
    return [key for key in section if key not in known]
