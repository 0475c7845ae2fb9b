"""YAML without what makes a small file mean something large, or something else.

Each key stands once, and is text; there are no anchors, aliases and tags, no octal and sexagesimal
numbers. Dates are text, as in YAML 1.2.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NoReturn

import yaml

from tidemask.errors import UserError, one_line
from tidemask.reading.bounds import MAX_YAML_BYTES
from tidemask.reading.text import MAX_SHOWN, place_in, read_text, shown_json

_MAX_DEPTH = 50


def read_yaml(path: Path, expected: str = "a mapping of sections") -> dict[str, Any]:
    """The mapping in a YAML file.

    Args:
        path: of the file.
        expected: what a message about another value asks for.

    Raises:
        UserError: there is no such file, it holds no mapping, or `parse_yaml` refuses it.
    """
    content = parse_yaml(read_text(path, MAX_YAML_BYTES, "unreadable file"), f"file: {path}")
    if not isinstance(content, dict):
        held = {list: "a list", type(None): "nothing"}.get(type(content), "a single value")
        raise UserError(f"unreadable file: {path} holds {held}. Expected {expected}.")
    return content


def parse_yaml(text: str, where: str) -> Any:
    r"""The value of a YAML document: mappings by text, lists, numbers, text, booleans, `None`.

    Args:
        text: the document.
        where: what a message calls unreadable, such as `file: run.yaml`.

    Raises:
        UserError: it is not YAML, or could be read in two ways; line and column are named.

    Example:
        >>> parse_yaml("{learning_rate: 1e-4, unit: word}", "setting")
        {'learning_rate': 0.0001, 'unit': 'word'}
        >>> parse_yaml("seed: 1\nseed: 2", "file: run.yaml")
        Traceback (most recent call last):
        tidemask.errors.UserError: unreadable file: run.yaml, line 2, column 1: the key seed is ...
    """
    if len(text) > MAX_YAML_BYTES:
        raise UserError(
            f"unreadable {where}: it has {len(text):,} characters. "
            f"Expected at most {MAX_YAML_BYTES:,}."
        )
    try:
        return deepcopy(_parsed(text))
    except yaml.reader.ReaderError as error:
        line, column = place_in(text, error.position)
        problem = f"the character U+{ord(text[error.position]):04X}. Expected printable text"
    except _RefusedError as refused:
        line, column, problem = refused.args
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = one_line(Exception(", ".join(filter(None, (error.context, error.problem)))))
    raise UserError(f"unreadable {where}, line {line}, column {column}: {problem.rstrip('.')}.")


def dump_yaml(value: Any, *, width: int = 100) -> str:
    r"""A value as YAML that `parse_yaml` reads as the same value.

    Args:
        value: mappings, lists, numbers, text, booleans and `None`.
        width: characters of a line, where its words allow it.

    Raises:
        UserError: a text in it has a control character, so that it would not be read.

    Example:
        >>> dump_yaml({"name": "1e3", "ratio": 0.3})
        "name: '1e3'\nratio: 0.3\n"
    """
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)
    parse_yaml(text, "settings, as they would be saved")
    return text


def shown_yaml(section: Any) -> str:
    """A section in one line, as a message or a command line has it.

    Example:
        >>> shown_yaml({"share": 0.8, "content": {"weighting": "table", "weights": {"1": 2}}})
        "{share: 0.8, content: {weighting: table, weights: {'1': 2}}}"
    """
    written = yaml.dump(
        section, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf,
        default_flow_style=True,
    )  # fmt: skip
    return str(written).strip()


_Events = Iterator[yaml.Event]


@functools.lru_cache(maxsize=16)
def _parsed(text: str) -> Any:
    """The value of a document, kept: a training reads its `run.yaml` again and again, in 14 ms."""
    loader = yaml.SafeLoader(text)
    try:
        return _document(iter(loader.get_event, None))
    except (ValueError, OverflowError) as error:  # PyYAML's own, of chr() and int()
        problem = r"an escape such as \UFFFFFFFF, or a version, that is out of range"
        raise _RefusedError(loader.line + 1, loader.column + 1, problem) from error


def _document(events: _Events) -> Any:
    """The value of the only document of a stream; `None` if the stream is empty."""
    begin, start = next(events), next(events)
    assert isinstance(begin, yaml.StreamStartEvent)
    if isinstance(start, yaml.StreamEndEvent):
        return None
    value = _value(next(events), events, depth=1)
    end, after = next(events), next(events)
    assert isinstance(end, yaml.DocumentEndEvent)
    if not isinstance(after, yaml.StreamEndEvent):
        _refuse(after, "a second document. Expected one")
    return value


def _value(event: yaml.Event, events: _Events, depth: int) -> Any:
    """The value that begins with an event; takes its events."""
    if isinstance(event, yaml.AliasEvent):
        _refuse(event, f"*{event.anchor} is an alias. Repeat what it stands for, or quote a text")
    assert isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent), (
        event
    )
    if event.anchor is not None:
        _refuse(event, f"&{event.anchor} is an anchor. Leave it out, or quote a text")
    if event.tag is not None:
        _refuse(event, f"{event.tag} is a tag. Leave it out, or quote a text")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if depth > _MAX_DEPTH:
        _refuse(event, f"sections nested {depth} deep. Expected at most {_MAX_DEPTH}")
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, depth)
    found = []
    while not isinstance(item := next(events), yaml.SequenceEndEvent):
        found.append(_value(item, events, depth + 1))
    return found


def _mapping(events: _Events, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}
    while not isinstance(at := next(events), yaml.MappingEndEvent):
        key = _value(at, events, depth + 1)
        if not isinstance(key, str):
            _refuse(at, f"the key {shown_json(key)} is not text. Quote it")
        if key in found:
            _refuse(at, f"the key {key} is already in line {lines[key]}. Keep one of them")
        lines[key], _ = _place(at)
        found[key] = _value(next(events), events, depth + 1)
    return found


_WORDS = {"": None, "~": None, "null": None} | {
    word: word in ("true", "yes", "on") for word in ("true", "yes", "on", "false", "no", "off")
}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F][0-9a-fA-F_]*|0b[01][01_]*)")
_REAL = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"([-+]?)\.(inf|Inf|INF|nan|NaN|NAN)")
_TWO_NUMBERS = re.compile(r"[-+]?(0o?[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with quotes round all that some reader takes for a number."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(f"^({_REAL.pattern}|{_TWO_NUMBERS.pattern})$"),
    list("-+.0123456789"),
)


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n\r":
            _refuse(event, f"a text with the character U+{ord(character):04X}. Leave it out")
    is_plain = event.implicit[0]
    if not is_plain:
        return text
    if text in (text.lower(), text.capitalize(), text.upper()) and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _TWO_NUMBERS.fullmatch(text):
        _refuse(
            event,
            f"{text[:MAX_SHOWN]} is one number for some readers of YAML, and another or a text "
            "for others. Write a number in decimals, without leading zeros; quote a text",
        )
    if special := _NOT_FINITE.fullmatch(text):
        return float(special[1] + special[2])
    if _WHOLE.fullmatch(text):
        return _whole(event, text.replace("_", ""))
    if _REAL.fullmatch(text):
        number = float(text.replace("_", ""))
        if math.isinf(number):
            _refuse(event, f"the number {text[:MAX_SHOWN]} is too large. Quote it if it is text")
        return number
    return text


def _whole(event: yaml.ScalarEvent, digits: str) -> int:
    number = int(digits, 0) if len(digits) <= MAX_SHOWN else math.inf
    if not -(2**63) <= number < 2**64:
        _refuse(event, f"the number {digits[:MAX_SHOWN]} has more than 64 bits. Quote a text")
    return int(number)


class _RefusedError(Exception):
    """YAML that is not read: line, column, and the problem with it."""


def _refuse(event: yaml.Event, problem: str) -> NoReturn:
    raise _RefusedError(*_place(event), problem)


def _place(event: yaml.Event) -> tuple[int, int]:
    assert event.start_mark is not None, event
    return event.start_mark.line + 1, event.start_mark.column + 1
