"""Strict YAML: what two readers could take for two things is refused with line and column."""

from __future__ import annotations

import math
import os
import random
import re
from pathlib import Path

import pytest
import yaml

from cases import all_cases
from places import ROOT
from tidemask.errors import UserError
from tidemask.reading import dump_yaml, parse_yaml, read_yaml
from tidemask.runs.config import recipe_names

DEEP = "[" * 51 + "]" * 51
LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


REFUSED = [
    ("seed: 1\nmax_steps: 3\nseed: 2\n", (3, 1), "the key seed is already in line 1"),
    ("a: {b: 1, c: {d: 1, d: 1}}", (1, 21), "the key d is already in line 1"),
    ("unit: 'x'\n\"unit\": 'x'", (2, 1), "the key unit is already in line 1"),
    (LAUGHS, (1, 4), "&a is an anchor"),
    ("a: &a [*a]", (1, 4), "&a is an anchor"),
    ("a: *b", (1, 4), "*b is an alias"),
    ("a: 010", (1, 4), "010 is one number for some readers of YAML"),
    ("a: [-0777]", (1, 5), "-0777 is one number"),
    ("a: 08", (1, 4), "08 is one number"),
    ("a: 0o10", (1, 4), "0o10 is one number"),
    ("a:\n  b: 1:30", (2, 6), "1:30 is one number"),
    ("a: 190:20:30.15", (1, 4), "190:20:30.15 is one number"),
    ("a: " + "9" * 5000, (1, 4), "has more than 64 bits"),
    ("a: 0x" + "f" * 5000, (1, 4), "has more than 64 bits"),
    ("a: 18446744073709551616", (1, 4), "has more than 64 bits"),
    ("a: " + "9" * 5000 + ".5", (1, 4), "is too large"),
    ("a: -1e999", (1, 4), "the number -1e999 is too large"),
    (DEEP, (1, 51), "sections nested 51 deep"),
    ("[" * 100_000, (1, 51), "sections nested 51 deep"),
    ("- " * 100_000, (1, 101), "sections nested 51 deep"),
    ("1: x", (1, 1), "the key 1 is not text"),
    ("a:\n- no: x", (2, 3), "the key false is not text"),
    ("? [a]\n: b", (1, 3), 'the key ["a"] is not text'),
    (": b", (1, 1), "expected <block end>"),
    ("a: !!binary aGk=", (1, 4), "tag:yaml.org,2002:binary is a tag"),
    ("a: !!python/object/apply:os.system [ls]", (1, 4), "is a tag"),
    ("! x", (1, 1), "! is a tag"),
    ("!!map {a: 1}", (1, 1), "is a tag"),
    ("a: b\x07", (1, 5), "the character U+0007"),
    ("a: 1\nb: '\x1b[31m'", (2, 5), "the character U+001B"),
    ('a: "x\\0"', (1, 4), "the character U+0000"),
    ('a: "\\ud800"', (1, 4), "the character U+D800"),
    ("a: \ud800", (1, 4), "the character U+D800"),
    ('a: "\\UFFFFFFFF"', (1, 7), "an escape such as"),
    ("a: 1\n---\nb: 2", (2, 1), "a second document"),
    ("a: {", (1, 5), "expected"),
    ("a: b: c", (1, 5), "mapping values are not allowed"),
    ("a:\n\t- b", (2, 1), "found character '\\t'"),
    ("%YAML 1." + "9" * 5000 + "\n---\na: 1", (1, 9), "or a version"),
]


@all_cases(("text", "place", "problem"), REFUSED)
def test_strict_yaml_refuses_with_line_and_column(
    text: str, place: tuple[int, int], problem: str
) -> None:
    with pytest.raises(UserError) as caught:
        parse_yaml(text, "file: x.yaml")
    line, column = place
    message = str(caught.value)
    assert message.startswith(f"unreadable file: x.yaml, line {line}, column {column}: "), message
    assert problem in message
    assert "\n" not in message
    assert len(message) < 400


VALUES = [
    ("1e-4", 1e-4), ("2E3", 2000.0), ("-1.5e+3", -1500.0), (".5", 0.5), (".5e1", 5.0), ("1.", 1.0),
    ("0", 0), ("-3", -3), ("+3", 3), ("1_000", 1000), ("0x1F", 31), ("0b101", 5), ("0.10", 0.1),
    ("00.5", 0.5), ("18446744073709551615", 2**64 - 1), ("-.inf", -math.inf),
    ("true", True), ("Yes", True), ("OFF", False), ("~", None), ("null", None), ("", None),
    ("tRUE", "tRUE"), ("1e", "1e"), ("2024-01-01", "2024-01-01"), ("<<", "<<"), ("=", "="),
    ("'010'", "010"), ('"1:30"', "1:30"), ("'*a'", "*a"), ("a:1", "a:1"), ("nan", "nan"),
    ("[a, {b: 2}]", ["a", {"b": 2}]), ("{a: {b: [], c: {}}}", {"a": {"b": [], "c": {}}}),
    ('"\\U0001F600 \\t"', "😀 \t"), ("|\n a\n b\n", "a\nb\n"), ("- 1\n- 2", [1, 2]),
]  # fmt: skip


@all_cases(("text", "value"), VALUES)
def test_strict_yaml_reads_what_has_one_meaning(text: str, value: object) -> None:
    found = parse_yaml(text, "file: x.yaml")
    assert found == value
    assert type(found) is type(value)


def test_strict_yaml_reads_dumped_values_as_they_were() -> None:
    """The law of a reader and a writer, for values that look like something else."""
    texts = [
        "010",
        "08",
        "0:30",
        "0o7",
        "1:30",
        "1e3",
        ".5e1",
        "+.inf",
        "2024-01-01",
        "yes",
        "~",
        "",
        "*a",
        "&a",
        "!x",
        "a: b",
        "#",
        "é😀",
    ]
    value = {"texts": texts, "numbers": [0, -1, 1e-7, 0.1, 2.5e300, math.inf], "none": None}
    assert parse_yaml(dump_yaml(value), "file: x.yaml") == value
    assert math.isnan(parse_yaml(dump_yaml([math.nan]), "file: x.yaml")[0])
    assert yaml.safe_load(dump_yaml(value)) == value
    with pytest.raises(
        UserError, match=r"settings, as they would be saved, line 2, column \d+: .*U\+001B"
    ):
        dump_yaml({"a": 1, "path": "x\x1b[0m"})


def test_strict_yaml_reads_shipped_recipes_as_pyyaml_does() -> None:
    for name in recipe_names():
        path = ROOT / "src" / "tidemask" / "recipes" / f"{name}.yaml"
        # numbers such as 1e-4, which YAML 1.1 takes for text, are compared after float()
        assert str(read_yaml(path)) == re.sub(
            r"'(\d+e-?\d+)'",
            lambda found: str(float(found[1])),
            str(yaml.safe_load(path.read_text(encoding="utf-8"))),
        )


def test_strict_yaml_names_the_place_in_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: 1\nname: caf\xe9\n".encode("latin-1"))
    with pytest.raises(
        UserError, match=r"latin\.yaml, line 2, column 10: the byte 0xE9 is not UTF-8"
    ):
        read_yaml(path)


def test_strict_yaml_reads_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(path) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("content", "held"),
    [("", "nothing"), ("- 1\n", "a list"), ("text", "a single value"), ("# nothing\n", "nothing")],
)
def test_strict_yaml_expects_a_mapping_in_a_file(content: str, held: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=rf"x\.yaml holds {held}\. Expected a mapping of"):
        read_yaml(path)


def test_strict_yaml_refuses_what_is_no_small_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "large").write_text("# " + "x" * 250_000)
    for name, problem in {
        "pipe": "is not a regular file",
        "zero": "is not a regular file",
        ".": "is not a regular file",
        "large": "has more than 250,000 bytes",
        "none": "no such file",
    }.items():
        with pytest.raises(UserError, match=problem):
            read_yaml(tmp_path / name)
    with pytest.raises(UserError, match="has 250,002 characters"):
        parse_yaml("# " + "x" * 250_000, "setting")


def test_strict_yaml_of_mutated_files_is_read_or_refused_in_one_line() -> None:
    rng = random.Random(0)
    original = (ROOT / "src" / "tidemask" / "recipes" / "ptw-mrd.yaml").read_text(encoding="utf-8")
    pieces = [
        "\t",
        "\0",
        '"\\x',
        "&a ",
        "*a",
        "!!",
        "? ",
        "- ",
        "{",
        "]",
        ": ",
        "%",
        "|",
        ">",
        "\n",
    ]
    for _ in range(300):
        text = original
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice([*pieces, chr(rng.randrange(0x11000))]) + text[at + 1 :]
        message = _message(text)
        assert re.match(r"unreadable file: x\.yaml, line \d+, column \d+: .|$", message), message
        assert "\n" not in message


def _message(text: str) -> str:
    try:
        parse_yaml(text, "file: x.yaml")
    except UserError as error:
        return str(error)
    return ""


def test_strict_yaml_is_the_only_reader_of_yaml_in_the_tree() -> None:
    reader = ROOT / "src" / "tidemask" / "reading" / "strict_yaml.py"
    calls = re.compile(r"yaml\.\w*(load|Loader|parse|scan|compose)|ModelCard\.load|metadata_load")
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "examples")
        for path in (ROOT / folder).rglob("*.py")
        if calls.search(path.read_text(encoding="utf-8")) and path != reader
    ]
    assert found == []
