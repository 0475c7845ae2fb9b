"""Typed JSON: a file holds the type that is asked for, or the message names the field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.reading import ANY_LENGTH, parse_json, read_json


@dataclass(frozen=True)
class Counts:
    num_tokens: int
    shares: dict[str, float]
    names: tuple[str, ...] = ()
    score: int | float | None = None


GOOD = {"num_tokens": 3, "shares": {"NOUN": 0.5, "VERB": 1}, "names": ["a"], "later": [1]}


def test_typed_json_gives_the_type(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    path.write_text("\ufeff" + json.dumps(GOOD), encoding="utf-8")
    assert read_json(path, Counts, max_bytes=ANY_LENGTH) == Counts(
        3, {"NOUN": 0.5, "VERB": 1.0}, ("a",)
    )


WRONG = [
    ({"num_tokens": "3"}, 'num_tokens="3". Expected a valid integer.'),
    ({"num_tokens": True}, "num_tokens=true. Expected a valid integer."),
    ({"num_tokens": 1e9}, "num_tokens=1000000000.0. Expected a valid integer."),
    ({"num_tokens": None}, "num_tokens=null. Expected a valid integer."),
    ({"shares": {"NOUN": "0.5"}}, 'shares.NOUN="0.5". Expected a valid number.'),
    ({"shares": []}, "shares=[]. Expected an object."),
    ({"score": "2"}, 'score="2". Expected a valid integer or a valid number.'),
    ({"names": ["a", 2]}, "names.1=2. Expected a valid string."),
    ({"names": "a" * 500}, f'names="{"a" * 59}.... Expected'),
    ({"num_tokens": {}, "names": None}, "num_tokens={}. Expected a valid integer. names=null. Exp"),
]


@all_cases(("changes", "problem"), WRONG)
def test_typed_json_names_field_and_value(
    changes: dict[str, object], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "counts.json"
    path.write_text(json.dumps({**GOOD, **changes}))
    with pytest.raises(UserError) as caught:
        read_json(
            path, Counts, max_bytes=ANY_LENGTH, what="manifest", advice="Prepare the corpus again."
        )
    message = str(caught.value)
    assert message.startswith(f"damaged manifest: {path}: ")
    assert problem in message
    assert message.endswith(" Prepare the corpus again.")
    assert "\n" not in message


NOT_JSON = [
    ("", "EOF|Expecting value"),
    ("{", "Expecting property name"),
    ('{"shares": {}}', r"num_tokens is missing\."),
    ("[]", r"content=\[\]\. Expected an object"),
    ("null", r"content=null\."),
    ('{"num_tokens": 1, "num_tokens": 2, "shares": {}}', "the key num_tokens is there twice"),
    ('{"num_tokens": 1, "shares": {"a": 1, "a": 2}}', "the key a is there twice"),
    ('{"num_tokens": 1, "shares": {"a": NaN}}', "NaN is not a finite number"),
    ('{"num_tokens": 1, "shares": {"a": -Infinity}}', "-Infinity is not a finite number"),
    ('{"num_tokens": 1, "shares": {"a": 1e999}}', "1e999 is not a finite number"),
    ('{"num_tokens": ' + "9" * 5000 + "}", "a number of 5,000 digits"),
    ('{"num_tokens": 1, "shares": {}, "names": ["\\ud800"]}', "half of a surrogate pair at"),
    ('{"x": ' + "[" * 100_000, "nested too deeply"),
    ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
]


@all_cases(("text", "problem"), NOT_JSON)
def test_typed_json_refuses_what_is_damaged(text: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        parse_json(text, Counts, "manifest: m.json")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_typed_json_reads_nan_where_a_file_may_have_it() -> None:
    text = '{"a": NaN, "b": -Infinity}'
    found = parse_json(text, dict[str, float], "file: m.json", may_be_infinite=True)
    assert math.isnan(found["a"])
    assert found["b"] == -math.inf


def test_typed_json_keeps_whole_numbers_whole() -> None:
    found = parse_json('{"a": 3, "b": 3.0}', dict[str, int | float], "file: m.json")
    assert [type(value) for value in found.values()] == [int, float]


def test_typed_json_names_what_is_no_file_of_text(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{\n "a": "\xe9"}')
    (tmp_path / "long.json").write_text("[" + "1," * 100 + "1]")
    with pytest.raises(UserError, match=r"damaged file: .*latin\.json, line 2, column 8: .* 0xE9"):
        read_json(tmp_path / "latin.json", Counts, max_bytes=100)
    with pytest.raises(UserError, match=r"long\.json has more than 100 bytes"):
        read_json(tmp_path / "long.json", list[int], max_bytes=100)
    with pytest.raises(UserError, match=r"no such file: .*none\.json"):
        read_json(tmp_path / "none.json", Counts, max_bytes=100)
