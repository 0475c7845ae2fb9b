"""Settings over other settings, as `section.field=value`: how they are written, read and applied.

Those of one call hold together, in whatever order they stand: a choice of schedule, weighting or
distribution comes before the fields of what it chooses, and a section before its fields. Of two
for one field the last holds.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args, get_type_hints

from tidemask.errors import UserError
from tidemask.reading import parse_yaml, shown_yaml
from tidemask.reading.text import MAX_SHOWN
from tidemask.runs.config_problems import CHOICES
from tidemask.settings import python_value, shown
from tidemask.training.settings import LENGTHS

_MAX_KEPT = 1 << 12
_MAX_SECTIONS = 10
"""Settings lie in fewer sections within sections."""

Overrides = str | Sequence[str] | Mapping[str, Any]
"""Settings over others: `section.field=value` with values in YAML, or values by `section.field`."""


@dataclass(frozen=True)
class _Setting:
    """One value, where it belongs, and the override that asks for it."""

    path: tuple[str, ...]
    value: Any
    written: str


def as_settings(overrides: Overrides) -> list[str]:
    """Overrides as `section.field=value`, in whatever form they were given.

    Raises:
        UserError: they are neither texts nor a mapping to what YAML can write.
    """
    if isinstance(overrides, str):
        return [overrides]
    if isinstance(overrides, Mapping):
        return [f"{name}={_written(name, value)}" for name, value in overrides.items()]
    if not isinstance(overrides, Sequence) or not all(isinstance(o, str) for o in overrides):
        raise UserError(
            f"unreadable settings: overrides={shown(overrides)}. Expected section.field=value, "
            "several of these, or a mapping."
        )
    return list(overrides)


def _written(name: object, value: object) -> str:
    """A value in YAML; scalars of NumPy and torch are Python's own."""
    try:  # what is no scalar comes back as it was, which json refuses
        return json.dumps(value, default=python_value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"unreadable value: {name}={shown(value)}. Expected what YAML can write: numbers, "
            "texts, lists or mappings."
        ) from error


def overridden_paths(overrides: Iterable[str]) -> set[str]:
    """What some overrides set, as dotted paths."""
    return {override.partition("=")[0].strip() for override in overrides}


def with_changed_values(
    kind: type, overrides: Sequence[str], change: Callable[[str, Any], Any]
) -> list[str]:
    """The same overrides with other values; those whose values stay are as they were written.

    Args:
        kind: the settings that they are over.
        overrides: as `section.field=value`.
        change: from the dotted path of a field and its value to the value that it is to have.

    Raises:
        UserError: an override has no `=`, or its value is not YAML.

    Example:
        >>> from tidemask.runs.config import Recipe
        >>> doubled = lambda name, value: 2 * value if name == "training.max_steps" else value
        >>> with_changed_values(Recipe, ["masking.unit=word", "training={max_steps: 5}"], doubled)
        ['masking.unit=word', 'training.max_steps=10']
    """
    found = []
    for override in overrides:
        fields = [(".".join(each.path), each.value) for each in _settings(kind, override)]
        changed = [(name, change(name, value)) for name, value in fields]
        if changed == fields:
            found.append(override)
        else:
            found += [f"{name}={_written(name, value)}" for name, value in changed]
    return found


def apply_overrides(kind: type, raw: dict[str, Any], overrides: Sequence[str]) -> None:
    """Set values of nested settings in place.

    Another schedule, weighting or distribution discards the fields of the one it replaces, and a
    length of the run that in another unit. A mapping sets the fields that it names and leaves the
    others of its section; for a schedule, a weighting or a distribution it is all of it.

    Args:
        kind: the settings that `raw` is checked against.
        raw: settings as nested mappings.
        overrides: as `section.field=value`.

    Raises:
        UserError: an override has no `=`, its value is not YAML or ambiguous, it goes through a
            value, or two exclude each other.

    Example:
        >>> from tidemask.runs.config import Recipe
        >>> raw = {"masking": {"ratio": {"schedule": "cosine", "end": 0.1}, "unit": "token"}}
        >>> linear = ["masking.ratio.start=0.5", "masking.ratio.schedule=linear"]
        >>> apply_overrides(Recipe, raw, linear)
        >>> raw
        {'masking': {'ratio': {'schedule': 'linear', 'start': 0.5}, 'unit': 'token'}}
    """
    settings = [each for override in overrides for each in _settings(kind, override)]
    _check_choices(settings)
    training = raw.get("training")
    if isinstance(training, dict) and any(_is_length(setting) for setting in settings):
        for name in LENGTHS:
            training.pop(name, None)
    for setting in sorted(settings, key=lambda s: (len(s.path), s.path[-1] not in CHOICES)):
        _set(kind, raw, setting)


def check_written(kind: type, overrides: Iterable[str], origin: str) -> None:
    """Check that the overrides which a file lists, and has applied, can be read as settings.

    Raises:
        UserError: one cannot; `origin` names the file.
    """
    for override in overrides:
        try:
            _settings(kind, override)
        except UserError as error:
            raise UserError(f"wrong overrides in {origin}: {error}") from error


@lru_cache(maxsize=_MAX_KEPT)
def _settings(kind: type, override: str) -> tuple[_Setting, ...]:
    """The values that an override sets: several, if it is a mapping for a section.

    A study and a search apply the same ones to many recipes, and parsing is most of what that
    takes. Nothing changes a value that was parsed: where it is set, it is copied.
    """
    dotted, equals, text = override.partition("=")
    path = tuple(dotted.strip().split("."))
    seen = f"{override[:MAX_SHOWN]}..." if len(override) > MAX_SHOWN else override
    if not equals or not all(path) or len(path) > _MAX_SECTIONS:
        raise UserError(
            f"unreadable setting: {seen!r}. Expected section.field=value, such as "
            "training.max_steps=500."
        )
    if path[0] == "overrides":
        raise UserError(f"no setting: {seen!r}. Give each of the overrides itself.")
    return tuple(_fields(kind, path, parse_yaml(text, f"value of {seen!r}"), seen))


def _fields(kind: type, path: tuple[str, ...], value: Any, written: str) -> Iterator[_Setting]:
    if isinstance(value, dict) and _is_plain_section(kind, path):
        for name, inner in value.items():
            yield from _fields(kind, (*path, str(name)), inner, written)
    else:
        yield _Setting(path, value, written)


def _is_plain_section(kind: Any, path: tuple[str, ...]) -> bool:
    """Whether a section always has the same fields, and is not one of several by a choice."""
    for name in path:
        if not dataclasses.is_dataclass(kind):
            return False
        kind = get_type_hints(kind).get(name)
    return dataclasses.is_dataclass(kind)


def _is_length(setting: _Setting) -> bool:
    return setting.path in {("training", name) for name in LENGTHS}


def _check_choices(settings: Sequence[_Setting]) -> None:
    """Refuse a choice that would discard the fields of a mapping beside it."""
    for setting in settings:
        *section, name = setting.path
        for other in settings if name in CHOICES else ():
            if other.path == tuple(section) and isinstance(other.value, dict):
                chosen = other.value.get(name, setting.value)
                if chosen != setting.value:
                    raise UserError(
                        f"settings that exclude each other: {other.written} and {setting.written}. "
                        "Give one of them."
                    )


def _set(kind: type, raw: dict[str, Any], setting: _Setting) -> None:
    *sections, name = setting.path
    owner, node = raw, raw
    for section in sections:
        owner, node = node, node.setdefault(section, {})
        if not isinstance(node, dict) and (name not in CHOICES or section != sections[-1]):
            raise UserError(
                f"unreadable setting: {setting.written!r}: {section} is a value, not a section."
                f"{_as_a_section(kind, setting)}"
            )
    if name in CHOICES and sections and not _chooses(node, name, setting.value):
        node = owner[sections[-1]] = {}
    node[name] = copy.deepcopy(setting.value)


def _as_a_section(kind: Any, setting: _Setting) -> str:
    """How to set a field of a section where a value stands, if a section may stand there."""
    *sections, name = setting.path
    for section in sections:
        kind = get_type_hints(kind).get(section) if dataclasses.is_dataclass(kind) else None
    for member in filter(dataclasses.is_dataclass, get_args(kind)):
        if name in (fields := {field.name: field.default for field in dataclasses.fields(member)}):
            chosen = {choice: fields[choice] for choice in CHOICES if choice in fields}
            return f" Write {'.'.join(sections)}={shown_yaml({**chosen, name: setting.value})}."
    return ""


def _chooses(node: Any, choice: str, value: Any) -> bool:
    return isinstance(node, dict) and node.get(choice) == value


def still_set(
    kind: type,
    overrides: Sequence[str],
    after: dict[str, Any],
    before: dict[str, Any] | None = None,
) -> list[str]:
    """Those overrides that later ones left in place; of a mapping, its fields.

    Args:
        kind: the settings that `before` and `after` are checked against.
        overrides: as `section.field=value`.
        after: settings as nested mappings, with them and with later ones.
        before: the same without the later ones; `None` where these are among `overrides`, of which
            each then holds if its own value does.
    """
    kept = []
    for override in overrides:
        settings = _settings(kind, override)
        old = [each.value if before is None else _at(before, each) for each in settings]
        held = [s for s, value in zip(settings, old, strict=True) if _is_kept(value, _at(after, s))]
        if len(held) == len(settings):
            kept.append(override)
        else:
            kept += [f"{'.'.join(each.path)}={json.dumps(each.value)}" for each in held]
    return kept


def _at(node: Any, setting: _Setting) -> Any:
    for name in setting.path:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _is_kept(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return all(old.get(choice) == new.get(choice) for choice in CHOICES)
    return bool(old == new)
