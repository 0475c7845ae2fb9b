"""What is wrong with a configuration, in words: dotted paths, values seen, nearest names."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic_core import ErrorDetails

from tidemask.errors import did_you_mean
from tidemask.masking.map_settings import MAPS
from tidemask.masking.mixture import WEIGHTINGS
from tidemask.masking.schedule import SCHEDULES
from tidemask.masking.sequence_ratio import DISTRIBUTIONS
from tidemask.masking.spans import Grouped
from tidemask.runs.section_hints import how_to_write
from tidemask.settings import Settings

CHOICES: dict[str, Mapping[str, type[Settings]]] = {
    "schedule": SCHEDULES,
    "weighting": WEIGHTINGS,
    "distribution": DISTRIBUTIONS,
    "map": MAPS,
}
"""Fields whose value chooses which settings a section has."""

_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
"""What pydantic calls a key that a section does not know."""

_PLAIN_MEMBERS = {
    "int",
    "float",
    "str",
    "bool",
    "tuple[str, ...]",
}
"""What pydantic appends to a location for a plain member of a union such as `int | None`, beside
`literal[...]`."""

_LONE_SECTIONS = {Grouped.__name__}
"""What it appends for a section that is a member of a union with plain values."""


def described(kind: type, raw: dict[str, Any], errors: Sequence[ErrorDetails]) -> list[str]:
    """What pydantic found, as one or two sentences for each problem.

    Args:
        kind: the settings that were expected.
        raw: what was given.
        errors: of the validation; those of union members that were not chosen are left out.
    """
    found: dict[str, list[str]] = {}
    for error in errors:
        location = _location(raw, error["loc"])
        if location is None:
            continue
        path = ".".join(map(str, location))
        expected = _type_at(kind, raw, location)
        context = error.get("ctx", {})
        if error["type"] in (*_UNKNOWN, "missing") and (hint := _hint(kind, raw, location[:-1])):
            found[hint] = []
        elif error["type"] in _UNKNOWN:
            owner = _type_at(kind, raw, location[:-1])
            known = [f.name for f in dataclasses.fields(owner)]
            is_in_list = any(isinstance(part, int) for part in location)
            hint = _nearest(owner if is_in_list else kind, owner, str(location[-1]), known)
            found[f"unknown key {path}.{hint}"] = []
        elif error["type"] == "value_error":
            message = str(context.get("error", error["msg"]))
            found[f"{path}.{message}" if path else message] = []
        elif error["type"] == "missing":
            found[f"{path} is missing."] = []
        elif error["type"] == "union_tag_not_found":
            tag = context["discriminator"].strip("'")
            found[f"{path}.{tag} is missing.{_one_of(_tags(expected, tag))}"] = []
        elif error["type"] == "union_tag_invalid":
            tag, value = context["discriminator"].strip("'"), context["tag"]
            known = context["expected_tags"].replace("'", "").split(", ")
            found[f"{path}.{tag}={value}.{_one_of(known)}{did_you_mean(value, known)}"] = []
        else:
            message = (
                error["msg"].replace("Input should be ", "").replace("a valid array", "a list")
            )
            if error["type"] in ("dict_type", "dataclass_type"):
                message = _a_section(expected, error["input"])
            found.setdefault(f"{path}={json.dumps(error['input'])}.", []).append(message)
    return [_sentence(seen, expected) for seen, expected in found.items()]


def _hint(kind: type, raw: dict[str, Any], location: Sequence[int | str]) -> str | None:
    """How to write a section of a list, where its keys show what was meant."""
    if not location or not isinstance(location[-1], int):
        return None
    beside: Any = raw
    for part in location[:-1]:
        beside = _inside(beside, part)
    owner, number = _type_at(kind, raw, location), location[-1]
    hint = how_to_write(owner, _inside(beside, number), beside, number)
    return None if hint is None else f"{'.'.join(map(str, location))}: {hint}"


def _sentence(seen: str, expected: Sequence[str]) -> str:
    return f"{seen} Expected {' or '.join(dict.fromkeys(expected))}." if expected else seen


def _nearest(kind: type, owner: type, name: str, known: Sequence[str]) -> str:
    """A hint at the end of a message on an unknown key: where it belongs, or what is like it.

    Args:
        kind: settings whose sections may be where it belongs.
        owner: those of the section that has the key; a section of it is nearer than another.
        name: the key.
        known: what could stand in its place.
    """
    by_name: dict[str, list[str]] = {}
    of_owner = [path for path in _fields_of_sections(owner) if path.endswith(f".{name}")]
    for path in of_owner or _fields_of_sections(kind):
        by_name.setdefault(path.rpartition(".")[2], []).append(path)
    if name not in by_name:
        if hint := did_you_mean(name, known):
            return hint
        like_it = difflib.get_close_matches(name, by_name, n=1)
        if not like_it:
            return _one_of(known)
        (name,) = like_it
    return f" Did you mean {' or '.join(by_name[name])}?"


def _fields_of_sections(kind: type) -> Iterator[str]:
    """The dotted paths of the fields of a kind's sections, those within sections included."""
    for section, hint in get_type_hints(kind).items():
        inner = _given(hint)
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from (f"{section}.{field.name}" for field in dataclasses.fields(inner))
            yield from (f"{section}.{path}" for path in _fields_of_sections(inner))


def _one_of(known: Sequence[str]) -> str:
    return f" Expected one of {', '.join(known)}."


def _location(raw: Any, labelled: Sequence[int | str]) -> list[int | str] | None:
    """A location without the labels that pydantic adds for members of unions.

    Labels are `tagged-union[...]`, the tag that a section chose, and the plain members above.

    Returns:
        `None` if the labels are of a member that was not chosen: a plain one where a section
        stands.
    """
    path: list[int | str] = []
    node, may_be_tag = raw, True
    for part in labelled:
        if isinstance(part, str) and part.startswith("tagged-union["):
            continue
        if part in _PLAIN_MEMBERS or str(part).startswith("literal["):
            if isinstance(node, dict):
                return None
            continue
        if part in _LONE_SECTIONS:
            continue
        if may_be_tag and isinstance(node, dict) and part in (node.get(tag) for tag in CHOICES):
            may_be_tag = False
            continue
        path.append(part)
        node, may_be_tag = _inside(node, part), True
    return path


def _inside(node: Any, part: int | str) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    is_index = isinstance(node, list) and isinstance(part, int) and part < len(node)
    return node[part] if is_index else None


def _type_at(kind: Any, raw: Any, location: Sequence[int | str]) -> Any:
    """The type of a setting; that of the chosen member where a section chose one."""
    expected, node = kind, raw
    for part in location:
        if isinstance(part, int):
            expected = get_args(expected)[0]
        elif dataclasses.is_dataclass(expected):
            expected = get_type_hints(expected).get(part)
        elif get_origin(expected) is dict:
            expected = get_args(expected)[1]
        expected, node = _given(expected), _inside(node, part)
        for tag, known in CHOICES.items():
            chosen = node.get(tag) if isinstance(node, dict) else None
            if (
                isinstance(chosen, str)
                and chosen in known
                and not dataclasses.is_dataclass(expected)
            ):
                expected = known[chosen]
        if isinstance(node, dict) and len(sections := _sections(expected)) == 1:
            (expected,) = sections
    return expected


def _sections(union: Any) -> list[Any]:
    """The members of a union that are sections, without those that a field tells apart."""
    members = get_args(union) if get_origin(union) in (Union, UnionType) else ()
    return [member for member in members if dataclasses.is_dataclass(member)]


def _given(kind: Any) -> Any:
    """The type of a value that may be left out, where one is given."""
    members = [member for member in get_args(kind) if member is not NoneType]
    return members[0] if get_origin(kind) in (Union, UnionType) and len(members) == 1 else kind


def _tags(union: Any, tag: str) -> list[str]:
    """The values that the members of a union have for the field that tells them apart."""
    members = [member for member in get_args(union) if hasattr(member, tag)]
    return [getattr(member, tag) for member in members]


def _a_section(expected: Any, given: Any) -> str:
    """A section in place of a plain value: the one that the value names, if it names one."""
    for tag in CHOICES:
        if known := _tags(expected, tag):
            if given in known:
                return f"a section, such as {{{tag}: {given}}}"
            if "constant" in known:
                ratio = given if isinstance(given, int | float) else 0.15
                return f"a section, such as {{schedule: constant, ratio: {ratio}}}"
            return f"a section, such as {{{tag}: {known[1]}}}"
    for section in _sections(expected):
        value = given if isinstance(given, str) else "..."
        return f"a section, such as {{{dataclasses.fields(section)[0].name}: {value}}}"
    return "a section"
