"""JSON that is checked against a type, by pydantic."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tidemask.errors import UserError, one_line
from tidemask.reading.text import MAX_SHOWN, read_text, shown_json

_T = TypeVar("_T")


def read_json(
    path: Path,
    kind: type[_T],
    *,
    max_bytes: int | None,
    what: str = "file",
    advice: str = "",
    may_be_infinite: bool = False,
) -> _T:
    """The content of a JSON file, which has the given type.

    Args:
        path: the file.
        kind: such as a dataclass, a `TypedDict` or `dict[str, float]`; checked strictly, so that
            neither `"1"` nor `true` is a number. Fields that it does not name are not looked at.
        max_bytes: a longer file is refused; one of `reading/bounds.py`.
        what: what a message calls the file.
        advice: the end of a message, what to do.
        may_be_infinite: whether NaN and Infinity, which are not JSON, are read as numbers.

    Raises:
        UserError: there is no such file, or it is damaged: not JSON, a field of another type, a key
            twice, NaN or Infinity. File, field and the value seen are named.
    """
    text = read_text(path, max_bytes, f"damaged {what}")
    return parse_json(text, kind, f"{what}: {path}", advice=advice, may_be_infinite=may_be_infinite)


def parse_json(
    text: str, kind: type[_T], where: str, *, advice: str = "", may_be_infinite: bool = False
) -> _T:
    """The value of a JSON text, which has the given type; for a line of a file, say.

    Args:
        text: one JSON value.
        kind: its type, as in `read_json`.
        where: what a message calls damaged, such as `metrics: metrics.jsonl, line 7`.
        advice: the end of a message, what to do.
        may_be_infinite: as in `read_json`.

    Raises:
        UserError: as `read_json`.

    Example:
        >>> parse_json('{"step": 3}', dict[str, int], "metrics: metrics.jsonl, line 7")
        {'step': 3}
        >>> parse_json('{"step": "3"}', dict[str, int], "metrics: metrics.jsonl, line 7")
        Traceback (most recent call last):
        tidemask.errors.UserError: damaged metrics: metrics.jsonl, line 7: step="3". Expected ...
    """
    end = f" {advice}" if advice else ""
    try:
        json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_constant=float if may_be_infinite else _finite,
            parse_float=_finite,
            parse_int=_whole,
        )
        checked: _T = _adapter(kind).validate_json(text, strict=True)  # type: ignore[arg-type]
    except RecursionError:
        raise UserError(f"damaged {where}: it is nested too deeply.{end}") from None
    except ValidationError as error:
        found = _problems(error, says_type=not advice.startswith("Expected "))
        raise UserError(f"damaged {where}: {found}{end}") from error
    except ValueError as error:
        raise UserError(f"damaged {where}: {one_line(error).rstrip('.')}.{end}") from error
    return checked


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"the key {name} is there twice")
        names.add(name)


def _whole(text: str) -> None:
    if len(text) > MAX_SHOWN:
        raise ValueError(f"{text[:MAX_SHOWN]}... is a number of {len(text):,} digits")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:MAX_SHOWN]} is not a finite number")
    return number


_MEMBERS = ("int", "float", "str", "bool")
"""What pydantic appends to the place of a value that may have several types."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """The validator of a type; building one takes longer than validating with it."""
    return TypeAdapter(kind)


def _problems(error: ValidationError, *, says_type: bool = True) -> str:
    """What pydantic found, a sentence for each problem.

    Args:
        error: of the validation.
        says_type: whether the type of the whole content is said; not where advice does.
    """
    found: dict[str, list[str]] = {}
    for one in error.errors(include_url=False):
        place = [str(part) for part in one["loc"]]
        field = ".".join(place[:-1] if place and place[-1] in _MEMBERS else place)
        if one["type"] == "missing":
            found[f"{field} is missing."] = []
        elif one["type"] in ("json_invalid", "value_error"):
            found[f"{_reason(one['msg'])}."] = []
        else:
            value = shown_json(one["input"])
            expected = one["msg"].replace("Input should be ", "")
            known = found.setdefault(f"{field or 'content'}={value}.", [])
            if field or says_type:
                known.append(expected)
    return " ".join(
        f"{seen} Expected {' or '.join(dict.fromkeys(expected))}." if expected else seen
        for seen, expected in found.items()
    )


def _reason(message: str) -> str:
    """Why pydantic's parser does not read what `json` has read before."""
    message = message.rstrip(".")
    found = re.search("(surrogate|hex escape).*( at line .*)", message)
    return f"half of a surrogate pair{found[2]}" if found else message
