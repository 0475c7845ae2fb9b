"""What is wrong with a configuration, in words: dotted paths, values seen, nearest names."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args, get_type_hints

from pydantic_core import ErrorDetails

from tidemask.masking.schedule import SCHEDULES, PhaseSchedule
from tidemask.masking.sequence_ratio import DISTRIBUTIONS
from tidemask.masking.weighting import WEIGHTINGS
from tidemask.settings import Settings

CHOICES: dict[str, Mapping[str, type[Settings]]] = {
    "schedule": SCHEDULES,
    "weighting": WEIGHTINGS,
    "distribution": DISTRIBUTIONS,
}
"""Fields whose value says which settings a section has."""


def unknown_choices(raw: Any, path: tuple[str, ...]) -> Iterable[str]:
    """Problems of the fields that choose which settings their section has."""
    if isinstance(raw, list):
        for number, value in enumerate(raw):
            yield from unknown_choices(value, (*path, str(number)))
    if not isinstance(raw, dict):
        return
    yield from _no_pieces(raw, path)
    for name, value in raw.items():
        here = (*path, str(name))
        if name in CHOICES and not (isinstance(value, str) and value in CHOICES[name]):
            known = CHOICES[name]
            yield f"{'.'.join(here)}={value}.{_listed(list(known))}{nearest(value, known)}"
        yield from unknown_choices(value, here)
    yield from _untagged(raw, path)


def _untagged(raw: dict[str, Any], path: tuple[str, ...]) -> Iterable[str]:
    """Sections that do not say which settings they have."""
    for section, tag in _TAGS.items():
        if section in _SHARES and path[-1:] != ("corruption",):
            continue
        inner = raw.get(section)
        dotted = ".".join((*path, section))
        if isinstance(inner, dict) and tag not in inner:
            yield f"{dotted}.{tag} is missing. Expected one of {', '.join(CHOICES[tag])}."
        elif section == "of" and isinstance(inner, dict) and inner["schedule"] == "mean_of":
            yield f"{dotted}.schedule=mean_of. Expected a schedule that stands by itself."
        elif inner is not None and not isinstance(inner, dict) and dotted in _EXAMPLES:
            yield f"{dotted}={inner}. Expected a section, such as {_EXAMPLES[dotted]}."


_SHARES = ("mask", "random", "keep")

_TAGS = {
    "ratio": "schedule",
    "of": "schedule",
    "prediction": "schedule",
    "blend": "schedule",
    "mask": "schedule",
    "random": "schedule",
    "keep": "schedule",
    "content": "weighting",
    "per_sequence": "distribution",
}
"""Sections that must say which settings they have, and the field that says it."""


def _no_pieces(raw: dict[str, Any], path: tuple[str, ...]) -> Iterable[str]:
    """The schedule of a phase, if phases cannot be made of it."""
    inner = raw.get("ratio")
    chosen = inner.get("schedule") if "until" in raw and isinstance(inner, dict) else None
    if chosen in SCHEDULES and SCHEDULES[chosen] not in get_args(PhaseSchedule):
        names = [name for name, kind in SCHEDULES.items() if kind in get_args(PhaseSchedule)]
        yield f"{'.'.join((*path, 'ratio', 'schedule'))}={chosen}.{_listed(names)}"


def described(kind: type, raw: dict[str, Any], errors: Sequence[ErrorDetails]) -> list[str]:
    """One sentence or two per problem; problems of union members that were not chosen drop out."""
    found: dict[str, list[str]] = {}
    for error in errors:
        location, chosen = _without_unions(raw, error["loc"])
        if not chosen:
            continue
        path = ".".join(str(part) for part in location)
        if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            known = _fields_at(kind, raw, location[:-1])
            sentence = f"unknown key {path}."
            found[sentence] = [nearest(str(location[-1]), known) or _listed(known)]
        elif error["type"] == "value_error":
            message = str(error["ctx"]["error"]) if "ctx" in error else error["msg"]
            found[f"{path}.{message}" if path else message] = []
        elif error["type"] == "missing":
            found[f"{path} is missing."] = []
        else:
            seen = f"{path}={json.dumps(error['input'], default=str)}."
            expected = (
                error["msg"].replace("Input should be ", "").replace("an object", "a section")
            )
            found.setdefault(seen, []).append(expected)
    sentences = [_sentence(seen, expected) for seen, expected in found.items()]
    return sentences or [f"{'.'.join(map(str, e['loc']))}: {e['msg']}." for e in errors]


def _sentence(seen: str, expected: Sequence[str]) -> str:
    if not expected or seen.startswith("unknown key"):
        return seen + "".join(expected)
    return f"{seen} Expected {' or '.join(dict.fromkeys(expected))}."


_EXAMPLES = {
    "masking.ratio": "{schedule: constant, ratio: 0.15}",
    "masking.content": "{weighting: class_loss}",
    "masking.per_sequence": "{distribution: beta}",
}


def _without_unions(raw: Any, location: Sequence[int | str]) -> tuple[tuple[int | str, ...], bool]:
    """The location without the names of union members, and whether the chosen ones are on it."""
    path: list[int | str] = []
    node = raw
    for part in location:
        tag = next((t for t in CHOICES if isinstance(node, dict) and t in node), None)
        if part in _SECTION_MEMBERS:
            if tag and part != CHOICES[tag][node[tag]].__name__:
                return (), False
            continue
        if isinstance(part, str) and part in _PRIMITIVE_MEMBERS:
            if tag:
                return (), False
            continue
        path.append(part)
        node = (
            node.get(part)
            if isinstance(node, dict)
            else node[part]
            if _indexes(node, part)
            else None
        )
    return tuple(path), True


_SECTION_MEMBERS = {kind.__name__ for kinds in CHOICES.values() for kind in kinds.values()}
"""What pydantic appends to a location for a member of a union of sections."""

_PRIMITIVE_MEMBERS = {
    "int",
    "float",
    "str",
    "bool",
    "tuple[str, ...]",
    "literal['auto']",
    "literal['all']",
}
"""What pydantic appends to a location for a plain member of a union such as `int | "auto"`."""


def _indexes(node: Any, part: int | str) -> bool:
    return isinstance(node, list) and isinstance(part, int) and part < len(node)


def _fields_at(kind: type, raw: Any, location: Sequence[int | str]) -> list[str]:
    """Names that a section may have."""
    node, section = raw, kind
    for part in location:
        node = node[part]
        if isinstance(part, int):
            section = next(t for t in get_args(section) if dataclasses.is_dataclass(t))  # type: ignore[assignment]
            continue
        tag = next((t for t in CHOICES if isinstance(node, dict) and t in node), None)
        section = CHOICES[tag][node[tag]] if tag else get_type_hints(section)[part]
    return (
        [f.name for f in dataclasses.fields(section)] if dataclasses.is_dataclass(section) else []
    )


def nearest(name: object, known: Iterable[str]) -> str:
    """` Did you mean ...?` if a known name is near, else nothing."""
    match = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {match[0]}?" if match else ""


def _listed(known: Sequence[str]) -> str:
    return f" Expected one of {', '.join(known)}."
