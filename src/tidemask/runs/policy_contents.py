"""The weightings of a policy, changed in all its parts; and without the places of their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from tidemask.masking.mixture import AnyWeighting, ByMixture
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.policy_part import PolicyPart
from tidemask.masking.weighting import ByEntries, Weighting

_Part = TypeVar("_Part", bound=PolicyPart)


def without_places(masking: MaskingSettings) -> MaskingSettings:
    """The policy without the places of files: their fingerprints say what they have."""

    def of_content(content: Weighting) -> Weighting:
        if isinstance(content, ByEntries) and content.fingerprint is not None:
            return replace(content, weights="")
        return content

    return with_contents(masking, of_content)


def with_contents(
    masking: MaskingSettings, change: Callable[[Weighting], Weighting]
) -> MaskingSettings:
    """The same policy with each of its single weightings replaced, in all its parts."""

    def changed(content: AnyWeighting) -> AnyWeighting:
        if not isinstance(content, ByMixture):
            return change(content)
        parts = [replace(part, content=change(part.content)) for part in content.parts]
        return replace(content, parts=tuple(parts))

    def of_part(part: _Part) -> _Part:
        return part if part.content is None else replace(part, content=changed(part.content))

    return replace(
        masking,
        content=changed(masking.content),
        sequences=tuple(map(of_part, masking.sequences)),
        phases=tuple(map(of_part, masking.phases)),
    )
